# Alarms on what umbel monitor --cloudwatch tells, one row for each. A metric that is not told at all is an alarm, too, where that
# means that nobody looks: missing = "breaching".

locals {
  alarms = merge(
    { for name, q in var.queues : "${name}-no-consumer" => {
      says = "Nobody consumes the queue ${name}.", metric = "ConsumerCount", of = { Queue = name }
      take = "Maximum", is = "LessThanThreshold", than = 1, every = 60, times = 5, missing = "breaching", over = true
    } },
    { for name, q in var.queues : "${name}-depth" => {
      says = "More than ${q.depth} messages are in the queue ${name}.", metric = "MessageCount", of = { Queue = name }
      take = "Minimum", is = "GreaterThanThreshold", than = q.depth, every = 60, times = 15, missing = "missing", over = true
    } },
    { for name, q in var.queues : "${name}-age" => {
      says = "The message in front of the queue ${name} has waited for more than ${q.age} seconds.", metric = "OldestMessageAge", of = { Queue = name }
      take = "Maximum", is = "GreaterThanThreshold", than = q.age, every = 60, times = 5, missing = "missing", over = true
    } if q.age != null },
    { for name, q in var.queues : "${name}-unsettled" => {
      says = "Workers of ${name} hold more messages than they could have slots for: tasks hang, or the prefetch is too large.", metric = "MessageUnacknowledgedCount", of = { Queue = name }
      take = "Minimum", is = "GreaterThanThreshold", than = q.slots, every = 60, times = 15, missing = "missing", over = true
    } if q.slots != null },
    { for name, q in var.queues : "${name}-dead-letters" => {
      says = "Tasks of ${name} failed for good: umbel dead list ${q.dead_letter}.", metric = "DeadLetterCount", of = { Queue = q.dead_letter }
      take = "Maximum", is = "GreaterThanThreshold", than = 0, every = 60, times = 5, missing = "missing", over = false
    } if q.dead_letter != null },
    { for name, most in var.tasks : "${name}-failures" => {
      says = "${name} failed more than ${most} times within five minutes.", metric = "TasksFailed", of = { Task = name }
      take = "Sum", is = "GreaterThanThreshold", than = most, every = 300, times = 1, missing = "notBreaching", over = false
    } },
    { for node in var.nodes : "${node}-memory" => {
      says = "${node} uses more than 80 % of the memory at which the broker stops all senders.", metric = "RabbitMQMemUsed", of = { Broker = var.broker, Node = node }
      take = "Maximum", is = "GreaterThanThreshold", than = var.memory_limit_bytes * 0.8, every = 60, times = 5, missing = "missing", over = true
    } },
    { for node in var.nodes : "${node}-disk" => {
      says = "${node} has little disk left: below its limit the broker stops all senders.", metric = "RabbitMQDiskFree", of = { Broker = var.broker, Node = node }
      take = "Minimum", is = "LessThanThreshold", than = var.disk_free_bytes, every = 60, times = 5, missing = "missing", over = true
    } },
    { silence = {
      says = "The monitor has not told CloudWatch of any connection to ${var.broker} for ten minutes.", metric = "ConnectionCount", of = { Broker = var.broker }
      take = "Maximum", is = "LessThanThreshold", than = 1, every = 60, times = 10, missing = "breaching", over = true
    } },
  )
}

# over: whether it tells when it is over, too.
resource "aws_cloudwatch_metric_alarm" "this" {
  for_each            = local.alarms
  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.says
  namespace           = var.namespace
  metric_name         = each.value.metric
  dimensions          = merge(var.dimensions, each.value.of)
  statistic           = each.value.take
  comparison_operator = each.value.is
  threshold           = each.value.than
  period              = each.value.every
  evaluation_periods  = each.value.times
  treat_missing_data  = each.value.missing
  alarm_actions       = var.topics
  ok_actions          = each.value.over ? var.topics : []
}

# Confirms that fall behind what is sent. Both rates are told at once, so that one is missing only where both are: then nobody
# looks, and silence says so.
resource "aws_cloudwatch_metric_alarm" "confirms" {
  count               = var.confirm_share == null ? 0 : 1
  alarm_name          = "${var.name}-confirms-behind"
  alarm_description   = "Of what is sent to ${var.broker} it confirms less than ${var.confirm_share * 100} %: it is in trouble, a queue is full and refuses, or producers want no confirms."
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  evaluation_periods  = 5
  treat_missing_data  = "missing"
  alarm_actions       = var.topics
  ok_actions          = var.topics

  metric_query {
    id          = "behind"
    label       = "Messages a second that lack a confirm"
    expression  = "IF(published > 1, ${var.confirm_share} * published - confirmed, 0)"
    return_data = true
  }

  dynamic "metric_query" {
    for_each = { published = "PublishRate", confirmed = "ConfirmRate" }

    content {
      id = metric_query.key

      metric {
        namespace   = var.namespace
        metric_name = metric_query.value
        dimensions  = merge(var.dimensions, { Broker = var.broker })
        period      = 60
        stat        = "Average"
      }
    }
  }
}

output "alarms" {
  description = "ARNs of all alarms."
  value       = concat([for a in aws_cloudwatch_metric_alarm.this : a.arn], aws_cloudwatch_metric_alarm.confirms[*].arn)
}
