output "function_name" {
  description = "Name of the function, for alarms."
  value       = module.function.name
}

output "log_group_name" {
  description = "The log group of the function."
  value       = module.function.log_group_name
}
