variable "name" {
  type        = string
  description = "Name of the secret."
}

variable "broker" {
  type = object({
    endpoint = string
    username = string
    password = string
    vhost    = optional(string, "/")
  })
  description = "The broker's host and port, and the user of workers and publishers; not the administrator."
  sensitive   = true
}

variable "result_backend" {
  type        = string
  description = "URL of the result store, with its password."
  sensitive   = true
}

variable "extra" {
  type        = map(string)
  description = "Further keys, such as DATABASE_URL."
  default     = {}
  sensitive   = true
}

variable "kms_key_id" {
  type        = string
  description = "KMS key that encrypts the secret; null takes that of Secrets Manager."
  default     = null
}

variable "recovery_days" {
  type        = number
  description = "For how many days a deleted secret can be brought back: 7 to 30, or 0 for not at all."
  default     = 7
}

variable "tags" {
  type        = map(string)
  description = "Tags of the secret."
  default     = {}
}
