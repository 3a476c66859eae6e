# RabbitMQ on Amazon MQ: private, encrypted, patched by AWS in a window that you choose.

resource "aws_mq_broker" "this" {
  broker_name        = var.name
  engine_type        = "RabbitMQ"
  engine_version     = var.engine_version
  host_instance_type = var.instance_type
  deployment_mode    = var.deployment_mode

  publicly_accessible = false
  subnet_ids          = var.deployment_mode == "SINGLE_INSTANCE" ? slice(var.subnet_ids, 0, 1) : var.subnet_ids
  security_groups     = var.security_group_ids

  # AWS manages patches from 3.13 on: false would be a difference that Terraform cannot mend. Other changes wait for the window.
  auto_minor_version_upgrade = true
  apply_immediately          = false

  maintenance_window_start_time {
    day_of_week = var.maintenance.day
    time_of_day = var.maintenance.time
    time_zone   = var.maintenance.zone
  }

  # The administrator. Workers have a user of their own, with no more rights than they need: umbel topology apply.
  user {
    username = var.admin.username
    password = var.admin.password
  }

  logs {
    general = true
  }

  # At rest everything is encrypted in any case, by a key that AWS owns. The API has refused this block for RabbitMQ, whatever it
  # said; where it takes it, it decides for ever: another key is another broker.
  dynamic "encryption_options" {
    for_each = var.encryption == null ? [] : [var.encryption]

    content {
      use_aws_owned_key = encryption_options.value.kms_key_id == null
      kms_key_id        = encryption_options.value.kms_key_id
    }
  }

  tags = var.tags

  lifecycle {
    # For RabbitMQ the API makes the first user only. Later ones, and later passwords, are the management API's affair.
    ignore_changes = [user]

    precondition {
      condition     = var.deployment_mode == "SINGLE_INSTANCE" || length(var.subnet_ids) > 1
      error_message = "A cluster wants subnets in several availability zones."
    }

    precondition {
      condition     = var.engine_version == "3.13" || startswith(var.instance_type, "mq.m7g.")
      error_message = "RabbitMQ 4 runs on mq.m7g instances only."
    }

    precondition {
      condition     = var.deployment_mode == "SINGLE_INSTANCE" || var.instance_type != "mq.t3.micro"
      error_message = "mq.t3.micro cannot be part of a cluster."
    }
  }
}
