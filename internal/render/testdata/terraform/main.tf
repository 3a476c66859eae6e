# shop on AWS, whole: broker, result store, secrets, a service for each kind of process, alarms, a dashboard.
# Of umbel render terraform: review it, and keep it beside the code.

provider "aws" {
  region = var.region

  default_tags {
    tags = local.tags
  }
}

locals {
  name = "shop"
  tags = {
    Application   = "myapp"
    Environment   = "production"
    "cost:center" = "7 $${x}"
  }

  # What every process is told. Secrets are not among it.
  settings = {
    MOTD                 = "100 % of $(HOME) and $${HOME}, \"quoted\" \\ and <&>"
    UMBEL_TASK_ACKS_LATE = "true"
    UMBEL_TASK_ROUTES = jsonencode([{
      "apps.orders.tasks.*" = {
        queue = "high_priority"
      }
    }])
  }

  workers = {
    default = {
      backlog             = 40
      concurrency         = 4
      cpu                 = 256
      max                 = 2
      max_tasks_per_child = null
      memory              = 512
      min                 = 2
      pool                = null
      queues              = ["default"]
      spot                = true
    }
    high_priority = {
      backlog             = 80
      concurrency         = 8
      cpu                 = 512
      max                 = 10
      max_tasks_per_child = 100
      memory              = 1024
      min                 = 2
      pool                = null
      queues              = ["high_priority"]
      spot                = true
    }
    maintenance = {
      backlog             = 10
      concurrency         = 1
      cpu                 = 256
      max                 = 1
      max_tasks_per_child = null
      memory              = 512
      min                 = 1
      pool                = null
      queues              = ["maintenance"]
      spot                = false
    }
    reports = {
      backlog             = 20
      concurrency         = 2
      cpu                 = 256
      max                 = 1
      max_tasks_per_child = 50
      memory              = 512
      min                 = 1
      pool                = "process"
      queues              = ["reports"]
      spot                = false
    }
  }

  # The same on every metric, as the monitor tells them.
  dimensions = {
    Application = "myapp"
    Environment = "production"
  }

  # What alarms look at. slots: how many messages workers may hold at once.
  queues = {
    default = {
      dead_letter = "dead"
      depth       = 1000
      slots       = 40
    }
    high_priority = {
      dead_letter = "high_priority.dlq"
      depth       = 1000
      slots       = 400
    }
    maintenance = {
      depth = 1000
      slots = 5
    }
    reports = {
      dead_letter = "dead"
      depth       = 1000
      slots       = 10
    }
  }
}

module "network" {
  source     = "../../../../deploy/terraform/modules/network"
  name       = local.name
  vpc_id     = var.vpc_id
  publishers = var.publishers
  operators  = var.operators
}

# At rest all is encrypted, by a key that AWS owns unless another is given here: that is decided once, for ever.
# Later passwords of the administrator are the management API's affair. A data source, aws_secretsmanager_secret_version, is
# the better place for the first one, too: what a variable holds is in the state.
module "broker" {
  source             = "../../../../deploy/terraform/modules/broker"
  name               = "myapp-rabbitmq-prod"
  engine_version     = "4.2"
  instance_type      = "mq.m7g.large"
  deployment_mode    = "CLUSTER_MULTI_AZ"
  subnet_ids         = var.private_subnet_ids
  security_group_ids = [module.network.broker]
  admin              = { username = "admin", password = var.broker_admin_password }
  encryption         = null
  maintenance        = { day = "MONDAY", time = "03:30", zone = "Europe/Rome" }
  tags               = local.tags
}

module "results" {
  source             = "../../../../deploy/terraform/modules/results"
  name               = "shop-results"
  subnet_ids         = var.private_subnet_ids
  security_group_ids = [module.network.results]
  auth_token         = var.redis_token
  replicas           = 1
}

module "storage" {
  source = "../../../../deploy/terraform/modules/storage"
  name   = "shop-reports"
  prefix = "reports/"
}

module "secrets" {
  source         = "../../../../deploy/terraform/modules/secrets"
  name           = local.name
  result_backend = module.results.url
  extra = {
    SHOP_DATABASE_URL        = var.database_url
    UMBEL_MONITOR_BASIC_AUTH = var.monitor_login
  }

  broker = {
    endpoint = module.broker.endpoint
    username = var.broker_user.username
    password = var.broker_user.password
  }
}

module "cluster" {
  source          = "../../../../deploy/terraform/modules/cluster"
  name            = local.name
  secret_arns     = concat([module.secrets.arn], ["arn:aws:secretsmanager:eu-west-1:123456789012:secret:shop-Ab1cdE"])
  worker_policies = { storage = module.storage.policy }
}

module "workers" {
  source   = "../../../../deploy/terraform/modules/service"
  for_each = local.workers

  fleet               = local.name
  name                = each.key
  queues              = each.value.queues
  concurrency         = each.value.concurrency
  pool                = each.value.pool
  max_tasks_per_child = each.value.max_tasks_per_child
  cpu                 = each.value.cpu
  memory              = each.value.memory
  min                 = each.value.min
  max                 = each.value.max
  backlog             = each.value.backlog
  spot                = each.value.spot
  environment         = local.settings
  dimensions          = local.dimensions

  image        = var.image
  program      = "/shop"
  architecture = "ARM64"
  stop_timeout = 90
  secrets = merge(module.secrets.refs, {
    SHOP_DATABASE_URL = module.secrets.extra_refs["SHOP_DATABASE_URL"]
    STRIPE_KEY        = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:shop-Ab1cdE:STRIPE::"
  })
  cluster            = module.cluster.name
  execution_role_arn = module.cluster.execution_role_arn
  task_role_arn      = module.cluster.worker_role_arn
  log_group          = module.cluster.log_group
  region             = var.region
  subnet_ids         = var.private_subnet_ids
  security_group_ids = [module.network.workers]
}

# One leads, and the other takes over within seconds.
module "beat" {
  source      = "../../../../deploy/terraform/modules/service"
  fleet       = local.name
  name        = "beat"
  command     = ["beat"]
  min         = 2
  environment = local.settings

  image        = var.image
  program      = "/shop"
  architecture = "ARM64"
  stop_timeout = 90
  secrets = merge(module.secrets.refs, {
    SHOP_DATABASE_URL = module.secrets.extra_refs["SHOP_DATABASE_URL"]
    STRIPE_KEY        = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:shop-Ab1cdE:STRIPE::"
  })
  cluster            = module.cluster.name
  execution_role_arn = module.cluster.execution_role_arn
  task_role_arn      = module.cluster.worker_role_arn
  log_group          = module.cluster.log_group
  region             = var.region
  subnet_ids         = var.private_subnet_ids
  security_group_ids = [module.network.workers]
}

# It tells CloudWatch what workers scale on: without it they stay as many as they are, and an alarm says so.
module "monitor" {
  source  = "../../../../deploy/terraform/modules/service"
  fleet   = local.name
  name    = "monitor"
  command = ["monitor", "--address", "0.0.0.0", "--db", "/data/monitor.db", "--cloudwatch", "api", "--cloudwatch_dimensions=Application=myapp", "--cloudwatch_dimensions=Environment=production"]
  cpu     = 512
  memory  = 1024
  environment = merge(local.settings, {
    UMBEL_MONITOR_MAX_AGE = "720h"
  })
  data_path = "/data"
  port      = 5555

  image        = var.image
  program      = "/shop"
  architecture = "ARM64"
  stop_timeout = 90
  secrets = merge(merge(module.secrets.refs, module.secrets.monitor_refs), {
    SHOP_DATABASE_URL        = module.secrets.extra_refs["SHOP_DATABASE_URL"]
    STRIPE_KEY               = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:shop-Ab1cdE:STRIPE::"
    UMBEL_MONITOR_BASIC_AUTH = module.secrets.extra_refs["UMBEL_MONITOR_BASIC_AUTH"]
  })
  cluster            = module.cluster.name
  execution_role_arn = module.cluster.execution_role_arn
  task_role_arn      = module.cluster.monitor_role_arn
  log_group          = module.cluster.log_group
  region             = var.region
  subnet_ids         = var.private_subnet_ids
  security_group_ids = [module.network.workers]
}

module "alarms" {
  source = "../../../../deploy/terraform/modules/alarms"
  count  = var.broker_cluster_name == "" ? 0 : 1

  name               = local.name
  broker             = var.broker_cluster_name
  nodes              = var.broker_nodes
  memory_limit_bytes = var.broker_memory_limit_bytes
  dimensions         = local.dimensions
  queues             = local.queues
  tasks              = var.task_failures
  topics             = var.alarm_topics
}

module "dashboard" {
  source = "../../../../deploy/terraform/modules/dashboard"
  count  = var.broker_cluster_name == "" ? 0 : 1

  name         = local.name
  region       = var.region
  dimensions   = local.dimensions
  queues       = keys(local.queues)
  dead_letters = ["dead", "high_priority.dlq"]
  tasks        = keys(var.task_failures)
  broker       = var.broker_cluster_name
  nodes        = tolist(var.broker_nodes)
}
