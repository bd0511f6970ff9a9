output "url" {
  description = "Where the API answers."
  value       = aws_apigatewayv2_api.api.api_endpoint
}

output "caller_policy" {
  description = "What a caller's role needs to call the routes, where they sign by IAM."
  value = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid    = "CallTheApi"
      Effect = "Allow"
      Action = ["execute-api:Invoke"]
      # POST /api/v1/jobs/{key}/nudge is .../POST/api/v1/jobs/*/nudge
      Resource = [
        for route in var.routes :
        "${aws_apigatewayv2_api.api.execution_arn}/*/${replace(replace(replace(route, " ", ""), "/\\{[^}]*\\}/", "*"), "/^ANY/", "*")}"
      ]
    }]
  })
}

output "function_name" {
  description = "Name of the function, for alarms."
  value       = module.function.name
}

output "timeout_seconds" {
  description = "Longest time of one request, for alarms."
  value       = module.function.timeout_seconds
}

output "max_concurrency" {
  description = "Requests at the same time, for alarms."
  value       = var.max_concurrency
}

output "log_group_name" {
  description = "The log group of the function."
  value       = module.function.log_group_name
}

output "access_log_group_name" {
  description = "The log group of the requests."
  value       = aws_cloudwatch_log_group.access.name
}
