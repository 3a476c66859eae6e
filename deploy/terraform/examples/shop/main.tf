# The shop on AWS, whole: broker, result store, bucket, secrets, a service for each queue, beat, monitor, alarms, a dashboard.
# Copy it, and make it yours.

provider "aws" {
  region = var.region

  default_tags {
    tags = local.tags
  }
}

locals {
  name = "shop"
  tags = { Application = "shop", Environment = var.environment }

  # The same on every metric, as the monitor tells them.
  dimensions = { Environment = var.environment }

  settings = {
    UMBEL_PROFILE             = "production"
    UMBEL_TASK_ACKS_LATE      = "true"
    UMBEL_TASK_DEFAULT_QUEUE  = "default"
    UMBEL_TASK_QUEUES         = jsonencode({ for q in keys(var.queues) : q => { dead_letter = true, arguments = { "x-queue-type" = "quorum" } } })
    UMBEL_WORKER_STOP_NOTICES = "ecs"
    UMBEL_WORKER_LOG_JSON     = "true"
    UMBEL_BROKER_HEARTBEAT    = "60"
    UMBEL_RESULT_EXPIRES      = "3600"
    SHOP_OBJECTS_URL          = "s3://${module.storage.bucket}/reports?region=${var.region}"
  }
}

module "network" {
  source     = "../../modules/network"
  name       = local.name
  vpc_id     = var.vpc_id
  publishers = { web = var.web_security_group_id }
  operators  = { bastion = var.bastion_security_group_id }
}

module "broker" {
  source             = "../../modules/broker"
  name               = "${local.name}-${var.environment}"
  engine_version     = "4.2"
  instance_type      = var.broker_instance_type
  deployment_mode    = "CLUSTER_MULTI_AZ"
  subnet_ids         = var.private_subnet_ids
  security_group_ids = [module.network.broker]
  admin              = var.broker_admin
  maintenance        = { day = "SUNDAY", time = "04:00", zone = "UTC" }
  tags               = local.tags
}

module "results" {
  source             = "../../modules/results"
  name               = "${local.name}-results"
  subnet_ids         = var.private_subnet_ids
  security_group_ids = [module.network.results]
  auth_token         = var.redis_token
}

module "storage" {
  source = "../../modules/storage"
  name   = var.bucket
  prefix = "reports/"
}

module "secrets" {
  source = "../../modules/secrets"
  name   = local.name

  broker = {
    endpoint = module.broker.endpoint
    username = var.broker_user.username
    password = var.broker_user.password
  }

  result_backend = module.results.url
  extra          = { SHOP_DATABASE_URL = var.database_url, SHOP_MAIL_URL = var.mail_url }
}

module "cluster" {
  source          = "../../modules/cluster"
  name            = local.name
  secret_arns     = [module.secrets.arn]
  worker_policies = { storage = module.storage.policy }
}

module "workers" {
  source   = "../../modules/service"
  for_each = var.queues

  fleet               = local.name
  name                = each.key
  queues              = [each.key]
  image               = var.image
  program             = "/umbel"
  concurrency         = each.value.concurrency
  pool                = each.value.pool
  max_tasks_per_child = each.value.max_tasks_per_child
  cpu                 = each.value.cpu
  memory              = each.value.memory
  min                 = each.value.min
  max                 = each.value.max
  backlog             = coalesce(each.value.backlog, 10 * each.value.concurrency)
  spot                = each.value.spot
  environment         = local.settings
  secrets             = merge(module.secrets.refs, module.secrets.extra_refs)
  cluster             = module.cluster.name
  execution_role_arn  = module.cluster.execution_role_arn
  task_role_arn       = module.cluster.worker_role_arn
  log_group           = module.cluster.log_group
  region              = var.region
  subnet_ids          = var.private_subnet_ids
  security_group_ids  = [module.network.workers]
  dimensions          = local.dimensions
}

# Two schedulers: one leads, and the other takes over within seconds.
module "beat" {
  source = "../../modules/service"

  fleet              = local.name
  name               = "beat"
  command            = ["beat"]
  image              = var.image
  min                = 2
  environment        = local.settings
  secrets            = merge(module.secrets.refs, module.secrets.extra_refs)
  cluster            = module.cluster.name
  execution_role_arn = module.cluster.execution_role_arn
  task_role_arn      = module.cluster.worker_role_arn
  log_group          = module.cluster.log_group
  region             = var.region
  subnet_ids         = var.private_subnet_ids
  security_group_ids = [module.network.workers]
}

# The monitor tells CloudWatch what workers scale on: without it they stay as many as they are, and an alarm says so.
module "monitor" {
  source = "../../modules/service"

  fleet     = local.name
  name      = "monitor"
  data_path = "/data"
  image     = var.image
  cpu       = 512
  memory    = 1024

  command = concat(
    ["monitor", "--db", "/data/monitor.db", "--cloudwatch", "api"],
    [for k in sort(keys(local.dimensions)) : "--cloudwatch_dimensions=${k}=${local.dimensions[k]}"],
  )

  environment        = local.settings
  secrets            = merge(module.secrets.refs, module.secrets.extra_refs, module.secrets.monitor_refs)
  cluster            = module.cluster.name
  execution_role_arn = module.cluster.execution_role_arn
  task_role_arn      = module.cluster.monitor_role_arn
  log_group          = module.cluster.log_group
  region             = var.region
  subnet_ids         = var.private_subnet_ids
  security_group_ids = [module.network.workers]
}

module "alarms" {
  source             = "../../modules/alarms"
  name               = local.name
  broker             = var.broker_cluster_name
  nodes              = var.broker_nodes
  memory_limit_bytes = var.broker_memory_limit_bytes
  dimensions         = local.dimensions
  queues             = { for q, w in var.queues : q => { depth = w.alarm_depth, dead_letter = "${q}.dlq", slots = w.max * w.concurrency * 5 } }
  tasks              = var.task_failures
  topics             = var.alarm_topics
}

module "dashboard" {
  source       = "../../modules/dashboard"
  name         = local.name
  region       = var.region
  dimensions   = local.dimensions
  queues       = keys(var.queues)
  dead_letters = [for q in keys(var.queues) : "${q}.dlq"]
  tasks        = keys(var.task_failures)
  broker       = var.broker_cluster_name
  nodes        = tolist(var.broker_nodes)
}
