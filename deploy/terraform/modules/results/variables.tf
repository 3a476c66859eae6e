variable "name" {
  type        = string
  description = "Name of the replication group: at most 40 lower case letters, digits and dashes."
}

variable "subnet_ids" {
  type        = list(string)
  description = "Private subnets in different availability zones."
}

variable "security_group_ids" {
  type        = list(string)
  description = "Security groups of the store: module network has one."
}

variable "auth_token" {
  type        = string
  description = "Password (AUTH): 16 to 128 characters, none of @ \" /"
  sensitive   = true

  validation {
    condition     = length(var.auth_token) >= 16 && length(var.auth_token) <= 128 && !can(regex("[@\"/]", var.auth_token))
    error_message = "ElastiCache wants 16 to 128 characters, none of @ \" and /"
  }
}

variable "node_type" {
  type        = string
  description = "Type of a node."
  default     = "cache.t4g.small"
}

variable "replicas" {
  type        = number
  description = "Nodes that take over when the first one fails; 0 for tests."
  default     = 1
}

variable "kms_key_id" {
  type        = string
  description = "KMS key of what is kept; null takes the one that AWS owns."
  default     = null
}

variable "maintenance_window" {
  type        = string
  description = "When AWS may restart nodes, in UTC."
  default     = "sun:02:00-sun:03:00"
}

variable "snapshot_days" {
  type        = number
  description = "For how many days snapshots are kept. Results are of use for hours: 0."
  default     = 0
}

variable "tags" {
  type        = map(string)
  description = "Tags of the store."
  default     = {}
}
