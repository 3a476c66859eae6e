variable "name" {
  type        = string
  description = "Begins the names of all alarms."
  default     = "umbel"
}

variable "namespace" {
  type        = string
  description = "Namespace of the metrics: umbel monitor --cloudwatch_namespace."
  default     = "Umbel"
}

variable "dimensions" {
  type        = map(string)
  description = "Dimensions of every metric: umbel monitor --cloudwatch_dimensions."
  default     = {}
}

variable "broker" {
  type        = string
  description = "Name of the broker's cluster, as the monitor's page on the broker shows it."
}

variable "nodes" {
  type        = set(string)
  description = "Names of the broker's nodes, as that page shows them."
  default     = []
}

variable "memory_limit_bytes" {
  type        = number
  description = "Memory at which a node takes no more messages (RabbitMQMemLimit). 80 % of it is an alarm."
}

variable "disk_free_bytes" {
  type        = number
  description = "Less free disk of a node than this is an alarm. The broker itself stops at its RabbitMQDiskFreeLimit."
  default     = 10000000000
}

variable "queues" {
  type = map(object({
    depth       = optional(number, 1000)
    dead_letter = optional(string)
    slots       = optional(number)
    age         = optional(number)
  }))
  description = "Queues to watch: how many messages are too many, the queue of its dead letters, if there is one, and how many messages its workers may hold at once: most workers times concurrency times (1 + prefetch multiplier), and how many seconds a message may wait in front; RabbitMQ tells that of classic queues."
}

variable "tasks" {
  type        = map(number)
  description = "Tasks to watch: how many failures within five minutes are too many."
  default     = {}
}

variable "topics" {
  type        = list(string)
  description = "ARNs of the SNS topics that are told."
  default     = []
}

variable "confirm_share" {
  type        = number
  description = "Which part of what is sent has to be confirmed. Umbel's producers want confirms, Celery's only with confirm_publish in broker_transport_options: where others send too, half of the part that is usual, or null for no such alarm."
  default     = 0.5

  validation {
    condition     = var.confirm_share == null ? true : var.confirm_share > 0 && var.confirm_share < 1
    error_message = "Want a part between 0 and 1, or null."
  }
}
