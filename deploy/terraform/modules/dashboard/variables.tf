variable "name" {
  type        = string
  description = "Name of the dashboard."
}

variable "region" {
  type        = string
  description = "Region of the metrics."
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

variable "queues" {
  type        = list(string)
  description = "Queues to show."
}

variable "dead_letters" {
  type        = list(string)
  description = "Queues of dead letters to show."
  default     = []
}

variable "tasks" {
  type        = list(string)
  description = "Tasks to show."
  default     = []
}

variable "broker" {
  type        = string
  description = "Name of the broker's cluster, as the monitor's page on the broker shows it."
}

variable "nodes" {
  type        = list(string)
  description = "Names of the broker's nodes, as that page shows them."
  default     = []
}
