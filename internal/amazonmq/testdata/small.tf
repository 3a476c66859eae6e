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
  deployment_mode            = "SINGLE_INSTANCE"
  publicly_accessible        = true
  auto_minor_version_upgrade = true
  apply_immediately          = false

  configuration {
    id       = "c-1234abcd-12ab-34cd-56ef-1234567890ab"
    revision = 3
  }

  user {
    username = "admin"
    password = var.broker_password
  }

  encryption_options {
    kms_key_id        = "arn:aws:kms:eu-west-1:1:key/x"
    use_aws_owned_key = false
  }

  logs {
    general = false
  }

  tags = {
    "odd" = "\"$${x}\" %%{y}"
  }

  lifecycle {
    ignore_changes = [user]
  }
}
