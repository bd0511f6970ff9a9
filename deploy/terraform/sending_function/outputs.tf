output "function_name" {
  description = "Name of the function, for alarms."
  value       = module.function.name
}

output "timeout_seconds" {
  description = "Longest time of one invocation, for alarms."
  value       = module.function.timeout_seconds
}

output "max_concurrency" {
  description = "Batches at the same time, for alarms."
  value       = local.concurrency
}

output "log_group_name" {
  description = "The log group of the function."
  value       = module.function.log_group_name
}

output "event_source_mapping_arn" {
  description = "What turns the queue's calls on and off."
  value       = aws_lambda_event_source_mapping.queue.arn
}

output "event_source_mapping_id" {
  description = "The UUID of that mapping."
  value       = aws_lambda_event_source_mapping.queue.uuid
}
