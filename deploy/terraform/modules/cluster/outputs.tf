output "name" {
  description = "Name of the cluster."
  value       = aws_ecs_cluster.this.name

  # Services that are made before their capacity providers fail.
  depends_on = [aws_ecs_cluster_capacity_providers.this]
}

output "log_group" {
  description = "Log group of all tasks."
  value       = aws_cloudwatch_log_group.this.name
}

output "execution_role_arn" {
  description = "Role by which ECS starts tasks."
  value       = aws_iam_role.execution.arn
}

output "worker_role_arn" {
  description = "Role that workers and beat have."
  value       = aws_iam_role.worker.arn
}

output "monitor_role_arn" {
  description = "Role that the monitor has."
  value       = aws_iam_role.monitor.arn
}
