output "arn" {
  description = "ARN of the secret."
  value       = aws_secretsmanager_secret.this.arn
}

output "refs" {
  description = "What a task definition takes as valueFrom, by variable."
  value = {
    CELERY_BROKER_URL     = "${aws_secretsmanager_secret_version.this.arn}:BROKER_URL::"
    CELERY_RESULT_BACKEND = "${aws_secretsmanager_secret_version.this.arn}:RESULT_BACKEND::"
  }
}

output "extra_refs" {
  description = "The same of the further keys, by their names."
  value       = { for k in nonsensitive(keys(var.extra)) : k => "${aws_secretsmanager_secret_version.this.arn}:${k}::" }
}

output "monitor_refs" {
  description = "The same for the monitor: the URL of the broker's management API."
  value       = { UMBEL_MONITOR_BROKER_API = "${aws_secretsmanager_secret_version.this.arn}:BROKER_API::" }
}
