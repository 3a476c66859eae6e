output "broker" {
  description = "Host and port of the broker, and its console."
  value       = { endpoint = module.broker.endpoint, console = module.broker.console }
}

output "services" {
  description = "Names of the services."
  value       = concat([for w in module.workers : w.name], [module.beat.name, module.monitor.name])
}

output "secret" {
  description = "ARN of the secret that web application and workers read."
  value       = module.secrets.arn
}

output "alarms" {
  description = "ARNs of all alarms."
  value       = flatten(module.alarms[*].alarms)
}
