variable "fleet" {
  type        = string
  description = "Begins the names of task definition and service."
}

variable "name" {
  type        = string
  description = "Name of the process; in front of the @ in a worker's node name."
}

variable "queues" {
  type        = list(string)
  description = "Queues that it consumes. Empty for a process that is no worker. It scales on the first."
  default     = []
}

variable "command" {
  type        = list(string)
  description = "What a process that is no worker is started with, such as [\"beat\"]."
  default     = null
}

variable "image" {
  type        = string
  description = "Image, by its digest: a tag can move between two tasks."

  validation {
    condition     = can(regex("(@sha256:[0-9a-f]{64}|:[^/:@]+)$", var.image)) && !endswith(var.image, ":latest")
    error_message = "Want an image by its digest, or by a tag other than latest."
  }
}

variable "program" {
  type        = string
  description = "Path of the program in the image."
  default     = "/umbel"
}

variable "concurrency" {
  type        = number
  description = "Tasks that a worker runs at once."
  default     = 4
}

variable "pool" {
  type        = string
  description = "Pool of the worker: goroutine, process or solo; null is what the settings say."
  default     = null
}

variable "max_tasks_per_child" {
  type        = number
  description = "After how many tasks a child of the pool \"process\" is replaced; null: never."
  default     = null
}

variable "cpu" {
  type        = number
  description = "Processor of a task, 1024 for each; Fargate has 256 to 16384."
  default     = 256
}

variable "memory" {
  type        = number
  description = "Memory of a task in MiB, of those that Fargate has for its processor."
  default     = 512
}

variable "architecture" {
  type        = string
  description = "Processor of the image: X86_64 or ARM64."
  default     = "X86_64"

  validation {
    condition     = contains(["X86_64", "ARM64"], var.architecture)
    error_message = "Want X86_64 or ARM64."
  }
}

variable "stop_timeout" {
  type        = number
  description = "Seconds from SIGTERM to SIGKILL; a worker cancels what still runs 12 s before. Fargate takes 120 at most."
  default     = 120

  validation {
    condition     = var.stop_timeout >= 15 && var.stop_timeout <= 120
    error_message = "Want 15 to 120 seconds."
  }
}

variable "min" {
  type        = number
  description = "At least so many; the number of them, for what does not scale."
  default     = 1
}

variable "max" {
  type        = number
  description = "At most so many."
  default     = 1
}

variable "backlog" {
  type        = number
  description = "Messages, waiting and running, that one worker may have before another one is wanted."
  default     = 40
}

variable "spot" {
  type        = bool
  description = "Whether those beyond on_demand run on Fargate Spot. Their tasks should be acknowledged late, and short or resumable."
  default     = false
}

variable "on_demand" {
  type        = number
  description = "How many run on Fargate in any case."
  default     = 1
}

variable "environment" {
  type        = map(string)
  description = "Variables: settings as UMBEL_NAME, and what the program needs."
  default     = {}
}

variable "secrets" {
  type        = map(string)
  description = "Variables that ECS takes from Secrets Manager: ARN, or ARN:KEY:: for one key of its JSON."
  default     = {}
}

variable "data_path" {
  type        = string
  description = "Where a volume that ends with the task is mounted; null for none."
  default     = null
}

variable "port" {
  type        = number
  description = "Port that others reach; null for none."
  default     = null
}

variable "cluster" {
  type        = string
  description = "Name of the cluster."
}

variable "execution_role_arn" {
  type        = string
  description = "Role by which ECS pulls the image, reads secrets and writes the log."
}

variable "task_role_arn" {
  type        = string
  description = "Role that the process has."
}

variable "subnet_ids" {
  type        = list(string)
  description = "Private subnets, with a way to ECR, Secrets Manager and CloudWatch."
}

variable "security_group_ids" {
  type        = list(string)
  description = "Security groups of the tasks."
}

variable "log_group" {
  type        = string
  description = "Log group."
}

variable "region" {
  type        = string
  description = "Region of the log group."
}

variable "namespace" {
  type        = string
  description = "Namespace of the metrics it scales on."
  default     = "Umbel"
}

variable "dimensions" {
  type        = map(string)
  description = "Dimensions of every metric: umbel monitor --cloudwatch_dimensions."
  default     = {}
}

variable "tags" {
  type        = map(string)
  description = "Tags."
  default     = {}
}
