output "arn" {
  description = "ARN of the function."
  value       = aws_lambda_function.function.arn
}

output "name" {
  description = "Name of the function."
  value       = aws_lambda_function.function.function_name
}

output "timeout_seconds" {
  description = "Longest time of one invocation."
  value       = aws_lambda_function.function.timeout
}

output "log_group_name" {
  description = "The log group of the function."
  value       = aws_cloudwatch_log_group.function.name
}

output "made_roles" {
  description = "Names of the roles that are made here. []: the role was there already."
  value       = aws_iam_role.function[*].name
}

output "invoke_arn" {
  description = "What API Gateway invokes."
  value       = aws_lambda_function.function.invoke_arn
}
