variable "name" {
  type        = string
  description = "Name of the broker: 1 to 50 letters, digits, and - _ . ~"

  validation {
    condition     = can(regex("^[A-Za-z0-9_.~-]{1,50}$", var.name))
    error_message = "Want 1 to 50 letters, digits, and - _ . ~"
  }
}

variable "engine_version" {
  type        = string
  description = "RabbitMQ's major and minor version; AWS applies patches. 3.13 only while clients need it."
  default     = "4.2"

  validation {
    condition     = contains(["4.3", "4.2", "3.13"], var.engine_version)
    error_message = "AWS offers 4.3, 4.2 and 3.13."
  }
}

variable "instance_type" {
  type        = string
  description = "mq.m7g.large (5,000 connections) or larger; mq.m7g.medium (300) for tests. umbel broker sizes lists them."
  default     = "mq.m7g.large"

  validation {
    condition     = can(regex("^mq\\.(m7g\\.(medium|large|[0-9]*xlarge)|m5\\.[0-9a-z]+|t3\\.micro)$", var.instance_type))
    error_message = "Want mq.m7g.SIZE, or for 3.13 mq.m5.SIZE or mq.t3.micro."
  }
}

variable "deployment_mode" {
  type        = string
  description = "CLUSTER_MULTI_AZ for production: three nodes behind one name. Its queues are safe when they are quorum queues. SINGLE_INSTANCE goes away while it is patched."
  default     = "CLUSTER_MULTI_AZ"

  validation {
    condition     = contains(["SINGLE_INSTANCE", "CLUSTER_MULTI_AZ"], var.deployment_mode)
    error_message = "RabbitMQ is SINGLE_INSTANCE or CLUSTER_MULTI_AZ."
  }
}

variable "subnet_ids" {
  type        = list(string)
  description = "Private subnets in different availability zones. A single instance takes the first."

  validation {
    condition     = length(var.subnet_ids) > 0
    error_message = "A private broker wants a subnet."
  }
}

variable "security_group_ids" {
  type        = list(string)
  description = "Security groups of the broker: module network has one."

  validation {
    condition     = length(var.security_group_ids) >= 1 && length(var.security_group_ids) <= 5
    error_message = "Want 1 to 5 security groups."
  }
}

variable "admin" {
  type        = object({ username = string, password = string })
  description = "The administrator: at least 12 characters, 4 of them different, none of , : ="
  sensitive   = true

  validation {
    condition     = length(var.admin.password) >= 12 && length(distinct(split("", var.admin.password))) >= 4 && !can(regex("[,:=]", var.admin.password))
    error_message = "AWS wants a password of at least 12 characters, 4 of them different, without , : and ="
  }
}

variable "encryption" {
  type        = object({ kms_key_id = optional(string) })
  description = "null leaves the key at rest to AWS, as RabbitMQ brokers want. {} asks for the key that AWS owns, { kms_key_id = ARN } for one of yours; both only where the API takes them for RabbitMQ. It cannot be changed later."
  default     = null
}

variable "maintenance" {
  type        = object({ day = optional(string, "SUNDAY"), time = optional(string, "04:00"), zone = optional(string, "UTC") })
  description = "When AWS may restart nodes, for two hours once a week."
  default     = {}

  validation {
    condition     = contains(["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"], var.maintenance.day) && can(regex("^([01][0-9]|2[0-3]):[0-5][0-9]$", var.maintenance.time))
    error_message = "Want a day such as SUNDAY, and a time such as 04:00."
  }
}

variable "tags" {
  type        = map(string)
  description = "Tags of the broker."
  default     = {}
}
