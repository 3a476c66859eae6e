# What to look at first: queues, workers, tasks, broker. All of it is told by umbel monitor --cloudwatch.

locals {
  # Rows of widgets, 24 units wide; each metric is [namespace, name, dimension, value, …, options].
  shared = flatten([for k in sort(keys(var.dimensions)) : [k, var.dimensions[k]]])

  widgets = concat(
    [
      { title = "Messages, waiting and running", metrics = [for q in var.queues : concat([var.namespace, "MessageCount"], local.shared, ["Queue", q])], stat = "Maximum" },
      { title = "Messages that wait", metrics = [for q in var.queues : concat([var.namespace, "MessageReadyCount"], local.shared, ["Queue", q])], stat = "Maximum" },
      { title = "Consumers", metrics = [for q in var.queues : concat([var.namespace, "ConsumerCount"], local.shared, ["Queue", q])], stat = "Minimum" },
      { title = "Backlog of one worker", metrics = [for q in var.queues : concat([var.namespace, "BacklogPerWorker"], local.shared, ["Queue", q])], stat = "Average" },
      { title = "Dead letters", metrics = [for q in var.dead_letters : concat([var.namespace, "DeadLetterCount"], local.shared, ["Queue", q])], stat = "Maximum" },
      { title = "Workers", metrics = [concat([var.namespace, "WorkerCount"], local.shared)], stat = "Minimum" },
    ],
    length(var.tasks) == 0 ? [] : [
      { title = "Tasks that succeeded", metrics = [for t in var.tasks : concat([var.namespace, "TasksSucceeded"], local.shared, ["Task", t])], stat = "Sum" },
      { title = "Tasks that failed", metrics = [for t in var.tasks : concat([var.namespace, "TasksFailed"], local.shared, ["Task", t])], stat = "Sum" },
      { title = "How long tasks take, 99th percentile", metrics = [for t in var.tasks : concat([var.namespace, "TaskDuration"], local.shared, ["Task", t])], stat = "p99" },
    ],
    [
      { title = "Connections", metrics = [concat([var.namespace, "ConnectionCount"], local.shared, ["Broker", var.broker])], stat = "Maximum" },
      { title = "Messages a second: in, confirmed, acknowledged", metrics = [for m in ["PublishRate", "ConfirmRate", "AckRate"] : concat([var.namespace, m], local.shared, ["Broker", var.broker])], stat = "Average" },
      { title = "Memory of nodes, and its limit", metrics = [for nm in setproduct(var.nodes, ["RabbitMQMemUsed", "RabbitMQMemLimit"]) : concat([var.namespace, nm[1]], local.shared, ["Broker", var.broker, "Node", nm[0]])], stat = "Maximum" },
    ],
  )
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = var.name

  dashboard_body = jsonencode({
    periodOverride = "inherit"
    widgets = [for i, w in local.widgets : {
      type   = "metric"
      x      = 8 * (i % 3)
      y      = 6 * floor(i / 3)
      width  = 8
      height = 6
      properties = {
        title   = w.title
        region  = var.region
        stat    = w.stat
        period  = 60
        view    = "timeSeries"
        metrics = w.metrics
        yAxis   = { left = { min = 0 } }
      }
    } if length(w.metrics) > 0]
  })
}
