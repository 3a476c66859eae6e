output "workers" {
  description = "Security group of workers, beat and monitor."
  value       = aws_security_group.workers.id
}

output "broker" {
  description = "Security group of the broker."
  value       = aws_security_group.broker.id
}

output "results" {
  description = "Security group of the result store."
  value       = aws_security_group.results.id
}
