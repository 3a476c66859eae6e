variable "name" {
  type        = string
  description = "Name of the cluster; begins those of its roles."
}

variable "secret_arns" {
  type        = list(string)
  description = "Secrets that task definitions name."
}

variable "secret_kms_key_arns" {
  type        = list(string)
  description = "KMS keys of your own that encrypt them."
  default     = []
}

variable "worker_policies" {
  type        = map(string)
  description = "IAM policies of workers, in JSON, by a name for each."
  default     = {}
}

variable "namespace" {
  type        = string
  description = "Namespace of the metrics: umbel monitor --cloudwatch_namespace."
  default     = "Umbel"
}

variable "log_days" {
  type        = number
  description = "For how many days logs are kept."
  default     = 30
}

variable "log_kms_key_id" {
  type        = string
  description = "ARN of the KMS key that encrypts logs; null takes that of CloudWatch."
  default     = null
}

variable "tags" {
  type        = map(string)
  description = "Tags of all of it."
  default     = {}
}
