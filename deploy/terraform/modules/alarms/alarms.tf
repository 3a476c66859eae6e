# Alarms on what umbel monitor --cloudwatch tells. A metric that is not told at all is an alarm, too, where that means that nobody looks.

resource "aws_cloudwatch_metric_alarm" "no_consumer" {
  for_each            = var.queues
  alarm_name          = "${var.name}-${each.key}-no-consumer"
  alarm_description   = "Nobody consumes the queue ${each.key}."
  namespace           = var.namespace
  metric_name         = "ConsumerCount"
  dimensions          = merge(var.dimensions, { Queue = each.key })
  statistic           = "Maximum"
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  period              = 60
  evaluation_periods  = 5
  treat_missing_data  = "breaching"
  alarm_actions       = var.topics
  ok_actions          = var.topics
}

resource "aws_cloudwatch_metric_alarm" "depth" {
  for_each            = var.queues
  alarm_name          = "${var.name}-${each.key}-depth"
  alarm_description   = "More than ${each.value.depth} messages are in the queue ${each.key}."
  namespace           = var.namespace
  metric_name         = "MessageCount"
  dimensions          = merge(var.dimensions, { Queue = each.key })
  statistic           = "Minimum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.depth
  period              = 60
  evaluation_periods  = 15
  treat_missing_data  = "missing"
  alarm_actions       = var.topics
  ok_actions          = var.topics
}

resource "aws_cloudwatch_metric_alarm" "dead_letters" {
  for_each            = { for name, q in var.queues : name => q.dead_letter if q.dead_letter != null }
  alarm_name          = "${var.name}-${each.key}-dead-letters"
  alarm_description   = "Tasks of ${each.key} failed for good: umbel dead list ${each.value}."
  namespace           = var.namespace
  metric_name         = "DeadLetterCount"
  dimensions          = merge(var.dimensions, { Queue = each.value })
  statistic           = "Maximum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  period              = 60
  evaluation_periods  = 5
  treat_missing_data  = "missing"
  alarm_actions       = var.topics
}

resource "aws_cloudwatch_metric_alarm" "failures" {
  for_each            = var.tasks
  alarm_name          = "${var.name}-${each.key}-failures"
  alarm_description   = "${each.key} failed more than ${each.value} times within five minutes."
  namespace           = var.namespace
  metric_name         = "TasksFailed"
  dimensions          = merge(var.dimensions, { Task = each.key })
  statistic           = "Sum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value
  period              = 300
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.topics
}

resource "aws_cloudwatch_metric_alarm" "memory" {
  for_each            = var.nodes
  alarm_name          = "${var.name}-${each.key}-memory"
  alarm_description   = "${each.key} uses more than 80 % of the memory at which the broker stops all senders."
  namespace           = var.namespace
  metric_name         = "RabbitMQMemUsed"
  dimensions          = merge(var.dimensions, { Broker = var.broker, Node = each.key })
  statistic           = "Maximum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.memory_limit_bytes * 0.8
  period              = 60
  evaluation_periods  = 5
  treat_missing_data  = "missing"
  alarm_actions       = var.topics
  ok_actions          = var.topics
}

resource "aws_cloudwatch_metric_alarm" "disk" {
  for_each            = var.nodes
  alarm_name          = "${var.name}-${each.key}-disk"
  alarm_description   = "${each.key} has little disk left: below its limit the broker stops all senders."
  namespace           = var.namespace
  metric_name         = "RabbitMQDiskFree"
  dimensions          = merge(var.dimensions, { Broker = var.broker, Node = each.key })
  statistic           = "Minimum"
  comparison_operator = "LessThanThreshold"
  threshold           = var.disk_free_bytes
  period              = 60
  evaluation_periods  = 5
  treat_missing_data  = "missing"
  alarm_actions       = var.topics
  ok_actions          = var.topics
}

resource "aws_cloudwatch_metric_alarm" "unsettled" {
  for_each            = { for name, q in var.queues : name => q.slots if q.slots != null }
  alarm_name          = "${var.name}-${each.key}-unsettled"
  alarm_description   = "Workers of ${each.key} hold more messages than they could have slots for: tasks hang, or the prefetch is too large."
  namespace           = var.namespace
  metric_name         = "MessageUnacknowledgedCount"
  dimensions          = merge(var.dimensions, { Queue = each.key })
  statistic           = "Minimum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value
  period              = 60
  evaluation_periods  = 15
  treat_missing_data  = "missing"
  alarm_actions       = var.topics
  ok_actions          = var.topics
}

resource "aws_cloudwatch_metric_alarm" "age" {
  for_each            = { for name, q in var.queues : name => q.age if q.age != null }
  alarm_name          = "${var.name}-${each.key}-age"
  alarm_description   = "The message in front of the queue ${each.key} has waited for more than ${each.value} seconds."
  namespace           = var.namespace
  metric_name         = "OldestMessageAge"
  dimensions          = merge(var.dimensions, { Queue = each.key })
  statistic           = "Maximum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value
  period              = 60
  evaluation_periods  = 5
  treat_missing_data  = "missing"
  alarm_actions       = var.topics
  ok_actions          = var.topics
}

resource "aws_cloudwatch_metric_alarm" "silence" {
  alarm_name          = "${var.name}-silence"
  alarm_description   = "The monitor has not told CloudWatch of any connection to ${var.broker} for ten minutes."
  namespace           = var.namespace
  metric_name         = "ConnectionCount"
  dimensions          = merge(var.dimensions, { Broker = var.broker })
  statistic           = "Maximum"
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  period              = 60
  evaluation_periods  = 10
  treat_missing_data  = "breaching"
  alarm_actions       = var.topics
  ok_actions          = var.topics
}

output "alarms" {
  description = "ARNs of all alarms."
  value = concat(
    [for a in aws_cloudwatch_metric_alarm.no_consumer : a.arn],
    [for a in aws_cloudwatch_metric_alarm.depth : a.arn],
    [for a in aws_cloudwatch_metric_alarm.dead_letters : a.arn],
    [for a in aws_cloudwatch_metric_alarm.failures : a.arn],
    [for a in aws_cloudwatch_metric_alarm.memory : a.arn],
    [for a in aws_cloudwatch_metric_alarm.disk : a.arn],
    [for a in aws_cloudwatch_metric_alarm.unsettled : a.arn],
    [for a in aws_cloudwatch_metric_alarm.age : a.arn],
    [aws_cloudwatch_metric_alarm.silence.arn],
  )
}
