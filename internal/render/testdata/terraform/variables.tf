variable "region" {
  type        = string
  description = "AWS region."
  default     = "eu-west-1"
}

variable "vpc_id" {
  type        = string
  description = "The VPC."
  default     = "vpc-0a1b2c3d"
}

variable "private_subnet_ids" {
  type        = list(string)
  description = "Private subnets in several availability zones, with a way to ECR, Secrets Manager and CloudWatch."
  default     = ["subnet-0a1b2c3d4e5f60718", "subnet-0a1b2c3d4e5f60719"]
}

variable "publishers" {
  type        = map(string)
  description = "Security groups that send tasks and read results, such as that of the web application, by a name for each."
  default     = {}
}

variable "operators" {
  type        = map(string)
  description = "Security groups from which the broker's console may be opened, such as that of a bastion, by a name for each."
  default     = {}
}

variable "image" {
  type        = string
  description = "The program's image, best by its digest."
  default     = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop@sha256:5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f"
}

variable "broker_admin_password" {
  type        = string
  description = "Password of the broker's administrator: at least 12 characters, 4 of them different, none of , : ="
  sensitive   = true
}

variable "broker_user" {
  type        = object({ username = string, password = string })
  description = "The broker's user for workers and publishers, which umbel topology apply makes."
  sensitive   = true
}

variable "redis_token" {
  type        = string
  description = "Password of the result store: 16 to 128 characters, none of @ \" /"
  sensitive   = true
}

variable "database_url" {
  type        = string
  description = "What SHOP_DATABASE_URL holds."
  sensitive   = true
}

variable "monitor_login" {
  type        = string
  description = "What UMBEL_MONITOR_BASIC_AUTH holds."
  sensitive   = true
}

variable "broker_cluster_name" {
  type        = string
  description = "Name of the broker's cluster, as the monitor's page on the broker shows it; empty until it is there: no alarms and no dashboard."
  default     = ""
}

variable "broker_nodes" {
  type        = set(string)
  description = "Names of the broker's nodes, as that page shows them."
  default     = []
}

variable "broker_memory_limit_bytes" {
  type        = number
  description = "Memory at which a node takes no more messages, as that page shows it. The default is 40 % of what mq.m7g.large has."
  default     = 3435973836
}

variable "task_failures" {
  type        = map(number)
  description = "Tasks to watch: how many failures within five minutes are an alarm."
  default     = {}
}

variable "alarm_topics" {
  type        = list(string)
  description = "ARNs of the SNS topics that are told of alarms."
  default     = []
}
