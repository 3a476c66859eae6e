variable "name" {
  type        = string
  description = "Name of the bucket; nobody else on Earth may have it."
}

variable "prefix" {
  type        = string
  description = "Begins the keys that workers use and that expire."
  default     = ""
}

variable "expire_days" {
  type        = number
  description = "After how many days objects are removed. Longer than what the tasks themselves clean up."
  default     = 90
}

variable "kms_key_id" {
  type        = string
  description = "ARN of the KMS key that encrypts objects; null takes keys of S3."
  default     = null
}

variable "tags" {
  type        = map(string)
  description = "Tags of the bucket."
  default     = {}
}
