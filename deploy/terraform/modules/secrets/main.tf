# One secret that holds URLs as the keys of a JSON object. A task definition takes one of them by ARN:KEY::, and a program by
# secretsmanager://NAME#KEY. What Terraform writes is in its state, too: keep that encrypted, and closed.

resource "aws_secretsmanager_secret" "this" {
  name                    = var.name
  description             = "Broker and result store of ${var.name}"
  kms_key_id              = var.kms_key_id
  recovery_window_in_days = var.recovery_days
  tags                    = var.tags
}

resource "aws_secretsmanager_secret_version" "this" {
  secret_id = aws_secretsmanager_secret.this.id

  secret_string = jsonencode(merge(var.extra, {
    BROKER_URL     = "amqps://${urlencode(var.broker.username)}:${urlencode(var.broker.password)}@${var.broker.endpoint}/${urlencode(var.broker.vhost)}"
    BROKER_API     = "https://${urlencode(var.broker.username)}:${urlencode(var.broker.password)}@${split(":", var.broker.endpoint)[0]}/api/"
    RESULT_BACKEND = var.result_backend
  }))
}
