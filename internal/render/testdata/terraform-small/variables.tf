variable "region" {
  type        = string
  description = "AWS region."
}

variable "vpc_id" {
  type        = string
  description = "The VPC."
}

variable "private_subnet_ids" {
  type        = list(string)
  description = "Private subnets in several availability zones, with a way to ECR, Secrets Manager and CloudWatch."
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
