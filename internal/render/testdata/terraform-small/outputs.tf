output "broker" {
  description = "Host and port of the broker, and its console."
  value       = { endpoint = module.broker.endpoint, console = module.broker.console }
}

output "services" {
  description = "Names of the services."
  value       = concat([for w in module.workers : w.name], [])
}

output "secret" {
  description = "ARN of the secret that web application and workers read."
  value       = module.secrets.arn
}
