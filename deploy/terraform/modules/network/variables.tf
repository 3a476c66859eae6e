variable "name" {
  type        = string
  description = "Begins the names of the groups."
}

variable "vpc_id" {
  type        = string
  description = "The VPC of broker, result store and workers."
}

variable "publishers" {
  type        = map(string)
  description = "Security groups that send tasks and read results, such as that of the web application, by a name for each."
  default     = {}
}

variable "operators" {
  type        = map(string)
  description = "Security groups that may open the broker's console, such as that of a bastion, by a name for each."
  default     = {}
}

variable "tags" {
  type        = map(string)
  description = "Tags of the groups."
  default     = {}
}
