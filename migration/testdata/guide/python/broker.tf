resource "aws_mq_broker" "rabbitmq" {
  broker_name = "myapp-rabbitmq-prod"
  engine_type = "RabbitMQ"
  engine_version = "3.11"
  host_instance_type = "mq.m5.large"
  deployment_mode = "CLUSTER_MULTI_AZ"

  user {
    username = "admin"
    password = var.rabbitmq_password
  }

  subnet_ids = [
    aws_subnet.private_a.id,
    aws_subnet.private_b.id
  ]

  security_groups = [aws_security_group.rabbitmq.id]

  logs {
    general = true
  }

  encryption_options {
    use_aws_owned_key = true
  }

  tags = {
    Environment = "production"
    Application = "myapp"
  }
}
