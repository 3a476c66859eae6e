output "id" {
  description = "Id of the broker."
  value       = aws_mq_broker.this.id
}

output "arn" {
  description = "ARN of the broker."
  value       = aws_mq_broker.this.arn
}

output "endpoint" {
  description = "Host and port for AMQP over TLS, without its scheme."
  value       = trimprefix(one(aws_mq_broker.this.instances[0].endpoints), "amqps://")
}

output "console" {
  description = "URL of the management console; its API is beneath /api/."
  value       = aws_mq_broker.this.instances[0].console_url
}
