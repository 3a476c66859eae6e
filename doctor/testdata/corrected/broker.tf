resource "aws_mq_broker" "rabbitmq" {
  broker_name                = "myapp-rabbitmq-prod"
  engine_type                = "RabbitMQ"
  engine_version             = "4.2"
  host_instance_type         = "mq.m7g.large"
  deployment_mode            = "CLUSTER_MULTI_AZ"
  publicly_accessible        = false
  auto_minor_version_upgrade = true

  user {
    username = "admin"
    password = var.rabbitmq_password
  }

  maintenance_window_start_time {
    day_of_week = "SUNDAY"
    time_of_day = "03:00"
    time_zone   = "UTC"
  }

  subnet_ids      = [aws_subnet.private_a.id, aws_subnet.private_b.id]
  security_groups = [aws_security_group.rabbitmq.id]

  logs {
    general = true
  }
}
