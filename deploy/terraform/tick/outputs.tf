output "function_name" {
  description = "Name of the function, for alarms."
  value       = module.function.name
}

output "timeout_seconds" {
  description = "Longest time of one tick, for alarms."
  value       = module.function.timeout_seconds
}

output "log_group_name" {
  description = "The log group of the function."
  value       = module.function.log_group_name
}
