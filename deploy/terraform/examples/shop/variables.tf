variable "region" {
  type        = string
  description = "AWS region."
}

variable "environment" {
  type        = string
  description = "Name of the environment, in tags and metrics."
  default     = "production"
}

variable "vpc_id" {
  type        = string
  description = "The VPC."
}

variable "private_subnet_ids" {
  type        = list(string)
  description = "Private subnets in three availability zones, with a way to ECR, Secrets Manager and CloudWatch."
}

variable "web_security_group_id" {
  type        = string
  description = "Security group of the web application, which sends tasks."
}

variable "bastion_security_group_id" {
  type        = string
  description = "Security group from which the broker's console may be opened."
}

variable "image" {
  type        = string
  description = "The shop's image, by its digest."
}

variable "bucket" {
  type        = string
  description = "Name of the bucket for reports."
}

variable "broker_instance_type" {
  type        = string
  description = "Instance type of the broker's nodes."
  default     = "mq.m7g.large"
}

variable "broker_admin" {
  type        = object({ username = string, password = string })
  description = "The broker's administrator."
  sensitive   = true
}

variable "broker_user" {
  type        = object({ username = string, password = string })
  description = "The broker's user for workers and publishers, which umbel topology apply makes."
  sensitive   = true
}

variable "broker_cluster_name" {
  type        = string
  description = "Name of the broker's cluster, as the monitor's page on the broker shows it."
}

variable "broker_nodes" {
  type        = set(string)
  description = "Names of the broker's nodes, as that page shows them."
  default     = []
}

variable "broker_memory_limit_bytes" {
  type        = number
  description = "Memory at which a node takes no more messages, as that page shows it."
}

variable "redis_token" {
  type        = string
  description = "Password of the result store."
  sensitive   = true
}

variable "database_url" {
  type        = string
  description = "URL of the shop's PostgreSQL."
  sensitive   = true
}

variable "mail_url" {
  type        = string
  description = "URL of the mail server, smtp://USER:PASSWORD@HOST."
  sensitive   = true
}

variable "queues" {
  type = map(object({
    concurrency         = optional(number, 4)
    pool                = optional(string)
    max_tasks_per_child = optional(number)
    cpu                 = optional(number, 256)
    memory              = optional(number, 512)
    min                 = optional(number, 1)
    max                 = optional(number, 1)
    backlog             = optional(number)
    spot                = optional(bool, false)
    alarm_depth         = optional(number, 1000)
  }))
  description = "Queues, and the workers of each."

  default = {
    high_priority = { concurrency = 8, max_tasks_per_child = 100, cpu = 512, memory = 1024, min = 2, max = 10, alarm_depth = 500 }
    default       = { min = 1, max = 6, spot = true }
    reports       = { concurrency = 2, pool = "process", max_tasks_per_child = 50, cpu = 1024, memory = 2048, min = 1, max = 8, spot = true }
    maintenance   = { concurrency = 1 }
    notifications = { min = 1, max = 4, spot = true }
  }
}

variable "task_failures" {
  type        = map(number)
  description = "Tasks to watch: how many failures within five minutes are an alarm."
  default     = { "apps.orders.tasks.process_order" = 10, "apps.reports.tasks.generate_report" = 5 }
}

variable "alarm_topics" {
  type        = list(string)
  description = "ARNs of the SNS topics that are told of alarms."
  default     = []
}
