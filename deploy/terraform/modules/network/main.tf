# Who may reach whom: workers and whoever publishes reach the broker by 5671 and the result store by 6379; the monitor, and
# people through it, reach the broker's management API by 443. Nobody reaches workers.

resource "aws_security_group" "workers" {
  name        = "${var.name}-workers"
  description = "Workers, beat and monitor of ${var.name}"
  vpc_id      = var.vpc_id
  tags        = var.tags
}

resource "aws_vpc_security_group_egress_rule" "workers" {
  security_group_id = aws_security_group.workers.id
  description       = "Broker, result store, storage, and what tasks call"
  ip_protocol       = "-1"
  cidr_ipv4         = "0.0.0.0/0"
}

resource "aws_security_group" "broker" {
  name        = "${var.name}-broker"
  description = "RabbitMQ of ${var.name}"
  vpc_id      = var.vpc_id
  tags        = var.tags
}

resource "aws_vpc_security_group_ingress_rule" "amqps" {
  for_each                     = local.publishers
  security_group_id            = aws_security_group.broker.id
  description                  = "AMQP over TLS from ${each.key}"
  ip_protocol                  = "tcp"
  from_port                    = 5671
  to_port                      = 5671
  referenced_security_group_id = each.value
}

resource "aws_vpc_security_group_ingress_rule" "management" {
  for_each                     = merge({ workers = aws_security_group.workers.id }, var.operators)
  security_group_id            = aws_security_group.broker.id
  description                  = "Console and management API from ${each.key}"
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
  referenced_security_group_id = each.value
}

resource "aws_security_group" "results" {
  name        = "${var.name}-results"
  description = "Result store of ${var.name}"
  vpc_id      = var.vpc_id
  tags        = var.tags
}

resource "aws_vpc_security_group_ingress_rule" "redis" {
  for_each                     = local.publishers
  security_group_id            = aws_security_group.results.id
  description                  = "Redis over TLS from ${each.key}"
  ip_protocol                  = "tcp"
  from_port                    = 6379
  to_port                      = 6379
  referenced_security_group_id = each.value
}

locals {
  publishers = merge({ workers = aws_security_group.workers.id }, var.publishers)
}
