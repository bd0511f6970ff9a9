output "url" {
  description = "Where the API answers."
  value       = aws_apigatewayv2_api.api.api_endpoint
}

output "api_id" {
  description = "Id of the API, for alarms."
  value       = aws_apigatewayv2_api.api.id
}

output "function_name" {
  description = "Name of the function, for alarms."
  value       = module.function.name
}

output "log_group_name" {
  description = "The log group of the function."
  value       = module.function.log_group_name
}
