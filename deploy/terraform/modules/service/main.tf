# One kind of process as a service of ECS: the workers of a queue, beat, or the monitor. What umbel render ecs writes, with
# autoscaling on the backlog of each worker, waiting and running.

locals {
  name   = "${var.fleet}-${replace(var.name, "/[^A-Za-z0-9-]/", "-")}"
  inner  = replace(var.name, "/[^A-Za-z0-9_-]/", "-") # a node may have dots and more in its name, a container not
  worker = length(var.queues) > 0
  scaled = local.worker && var.max > var.min

  command = local.worker ? concat(
    ["worker", "-Q", join(",", var.queues), "--concurrency=${var.concurrency}"],
    var.pool == null ? [] : ["--pool=${var.pool}"],
    var.max_tasks_per_child == null ? [] : ["--max-tasks-per-child=${var.max_tasks_per_child}"],
    ["-n", "${var.name}@%h"],
  ) : var.command

  environment = merge(
    { UMBEL_METRICS_ADDRESS = "127.0.0.1:9808" },
    local.worker ? { UMBEL_WORKER_SHUTDOWN_GRACE = tostring(var.stop_timeout) } : {},
    var.environment,
  )
}

resource "aws_ecs_task_definition" "this" {
  family                   = local.name
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.cpu
  memory                   = var.memory
  execution_role_arn       = var.execution_role_arn
  task_role_arn            = var.task_role_arn
  tags                     = var.tags

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.architecture
  }

  dynamic "volume" {
    for_each = var.data_path == null ? [] : [var.data_path]

    content {
      name = "data"
    }
  }

  container_definitions = jsonencode([{
    name                   = local.inner
    image                  = var.image
    essential              = true
    entryPoint             = [var.program]
    command                = local.command
    environment            = [for k in sort(keys(local.environment)) : { name = k, value = local.environment[k] }]
    secrets                = [for k in sort(keys(var.secrets)) : { name = k, valueFrom = var.secrets[k] }]
    user                   = "65532:65532"
    readonlyRootFilesystem = true
    linuxParameters        = { initProcessEnabled = true, capabilities = { drop = ["ALL"] } }
    mountPoints            = var.data_path == null ? [] : [{ sourceVolume = "data", containerPath = var.data_path, readOnly = false }]
    portMappings           = var.port == null ? [] : [{ containerPort = var.port, protocol = "tcp" }]
    stopTimeout            = var.stop_timeout

    # Alive, not ready: ECS replaces what is unhealthy, and a worker that waits for its broker would be no better for it.
    healthCheck = {
      command     = ["CMD", var.program, "healthcheck", "--live"]
      interval    = 15
      timeout     = 5
      retries     = 3
      startPeriod = 30
    }

    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = var.log_group
        awslogs-region        = var.region
        awslogs-stream-prefix = local.inner
        mode                  = "non-blocking"
        max-buffer-size       = "4m"
      }
    }
  }])
}

resource "aws_ecs_service" "this" {
  name                               = local.name
  cluster                            = var.cluster
  task_definition                    = aws_ecs_task_definition.this.arn
  desired_count                      = var.min
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200
  propagate_tags                     = "TASK_DEFINITION"
  enable_ecs_managed_tags            = true
  tags                               = var.tags

  # The first ones are always there; the rest may be taken back with two minutes' notice, in which workers drain.
  dynamic "capacity_provider_strategy" {
    for_each = var.spot ? { FARGATE = { base = max(var.on_demand, 0), weight = 0 }, FARGATE_SPOT = { base = 0, weight = 1 } } : { FARGATE = { base = 0, weight = 1 } }

    content {
      capacity_provider = capacity_provider_strategy.key
      base              = capacity_provider_strategy.value.base
      weight            = capacity_provider_strategy.value.weight
    }
  }

  network_configuration {
    subnets          = var.subnet_ids
    security_groups  = var.security_group_ids
    assign_public_ip = false
  }

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  lifecycle {
    ignore_changes = [desired_count] # it follows the backlog
  }
}

resource "aws_appautoscaling_target" "this" {
  count              = local.scaled ? 1 : 0
  service_namespace  = "ecs"
  resource_id        = "service/${var.cluster}/${aws_ecs_service.this.name}"
  scalable_dimension = "ecs:service:DesiredCount"
  min_capacity       = var.min
  max_capacity       = var.max
}

resource "aws_appautoscaling_policy" "backlog" {
  count              = local.scaled ? 1 : 0
  name               = "${local.name}-backlog"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.this[0].service_namespace
  resource_id        = aws_appautoscaling_target.this[0].resource_id
  scalable_dimension = aws_appautoscaling_target.this[0].scalable_dimension

  target_tracking_scaling_policy_configuration {
    target_value       = var.backlog
    scale_out_cooldown = 60
    scale_in_cooldown  = 300

    # Messages of the queue that wait or are being worked on, for each of its consumers. By depth alone a queue that is being
    # worked on would lose its workers.
    customized_metric_specification {
      namespace   = var.namespace
      metric_name = "BacklogPerWorker"
      statistic   = "Average"

      dynamic "dimensions" {
        for_each = merge(var.dimensions, { Queue = var.queues[0] })

        content {
          name  = dimensions.key
          value = dimensions.value
        }
      }
    }
  }
}
