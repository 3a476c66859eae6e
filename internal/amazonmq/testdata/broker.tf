variable "broker_password" {
  description = "Password of the broker's first user. At least 12 characters, 4 of them different, none of , : ="
  type        = string
  sensitive   = true
}

resource "aws_mq_broker" "broker" {
  broker_name                = "myapp-rabbitmq-prod"
  engine_type                = "RabbitMQ"
  engine_version             = "4.2"
  host_instance_type         = "mq.m7g.large"
  deployment_mode            = "CLUSTER_MULTI_AZ"
  publicly_accessible        = false
  auto_minor_version_upgrade = true
  apply_immediately          = false
  subnet_ids                 = ["subnet-0a1b2c3d", "subnet-0a1b2c3d4e5f60718"]
  security_groups            = ["sg-0a1b2c3d"]

  user {
    username = "admin"
    password = var.broker_password
  }

  encryption_options {
    use_aws_owned_key = true
  }

  logs {
    general = true
  }

  maintenance_window_start_time {
    day_of_week = "SUNDAY"
    time_of_day = "02:00"
    time_zone   = "UTC"
  }

  tags = {
    "Application" = "myapp"
    "Environment" = "production"
  }

  lifecycle {
    ignore_changes = [user]
  }
}
