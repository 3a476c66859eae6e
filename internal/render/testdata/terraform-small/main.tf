# x on AWS, whole: broker, result store, secrets, a service for each kind of process.
# Of umbel render terraform: review it, and keep it beside the code.

provider "aws" {
  region = var.region

  default_tags {
    tags = local.tags
  }
}

locals {
  name = "x"
  tags = {}

  # What every process is told. Secrets are not among it.
  settings = {}

  workers = {
    "all.of-it" = {
      backlog             = 10
      concurrency         = 1
      cpu                 = 256
      max                 = 1
      max_tasks_per_child = null
      memory              = 512
      min                 = 1
      pool                = null
      queues              = ["a.b", "c"]
      spot                = false
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
  name               = "x"
  engine_version     = "3.13"
  instance_type      = "mq.t3.micro"
  deployment_mode    = "SINGLE_INSTANCE"
  subnet_ids         = var.private_subnet_ids
  security_group_ids = [module.network.broker]
  admin              = { username = "admin", password = var.broker_admin_password }
  encryption = {
    kms_key_id = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
  }
  maintenance = { day = "SUNDAY", time = "04:00", zone = "UTC" }
  tags        = local.tags
}

module "results" {
  source             = "../../../../deploy/terraform/modules/results"
  name               = "x-results"
  subnet_ids         = var.private_subnet_ids
  security_group_ids = [module.network.results]
  auth_token         = var.redis_token
  replicas           = 0
}

module "secrets" {
  source         = "../../../../deploy/terraform/modules/secrets"
  name           = local.name
  result_backend = module.results.url

  broker = {
    endpoint = module.broker.endpoint
    username = var.broker_user.username
    password = var.broker_user.password
  }
}

module "cluster" {
  source          = "../../../../deploy/terraform/modules/cluster"
  name            = local.name
  secret_arns     = [module.secrets.arn]
  worker_policies = {}
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

  image              = var.image
  program            = "/umbel"
  architecture       = "X86_64"
  stop_timeout       = 60
  secrets            = module.secrets.refs
  cluster            = module.cluster.name
  execution_role_arn = module.cluster.execution_role_arn
  task_role_arn      = module.cluster.worker_role_arn
  log_group          = module.cluster.log_group
  region             = var.region
  subnet_ids         = var.private_subnet_ids
  security_group_ids = [module.network.workers]
}
