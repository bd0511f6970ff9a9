# The API as a function behind an HTTP API of API Gateway. Callers sign their requests by IAM, unless told otherwise.

module "function" {
  source = "../function"

  name                 = var.name
  image_uri            = var.image_uri
  handler              = "eed_delivery.aws_lambda.api.handler"
  architecture         = var.architecture
  timeout_seconds      = var.timeout_seconds
  memory_mb            = var.memory_mb
  reserved_concurrency = var.max_concurrency
  environment          = var.environment
  policies             = var.policies
  role_arn             = var.role_arn
  kms_key_arn          = var.kms_key_arn
  log_retention_days   = var.log_retention_days
  subnet_ids           = var.subnet_ids
  security_group_ids   = var.security_group_ids
  tracing              = var.tracing
}

resource "aws_apigatewayv2_api" "api" {
  name          = var.name
  description   = "The API of eed-delivery"
  protocol_type = "HTTP"
  # Under a domain of your own, this one should lead nowhere.
  disable_execute_api_endpoint = var.custom_domain_only
}

resource "aws_apigatewayv2_integration" "function" {
  api_id                 = aws_apigatewayv2_api.api.id
  integration_type       = "AWS_PROXY"
  integration_method     = "POST"
  integration_uri        = module.function.invoke_arn
  payload_format_version = "2.0"
  timeout_milliseconds   = 30000 # the longest that there is
}

resource "aws_apigatewayv2_route" "route" {
  for_each           = var.routes
  api_id             = aws_apigatewayv2_api.api.id
  route_key          = each.value
  target             = "integrations/${aws_apigatewayv2_integration.function.id}"
  authorization_type = var.authorization
}

resource "aws_apigatewayv2_stage" "default" {
  api_id      = aws_apigatewayv2_api.api.id
  name        = "$default"
  auto_deploy = true

  default_route_settings {
    throttling_rate_limit    = var.requests_per_second
    throttling_burst_limit   = var.burst
    detailed_metrics_enabled = true
  }

  # The route, and not the path: a path can have a customer's key in it.
  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.access.arn
    format = jsonencode({
      at             = "$context.requestTime"
      caller         = "$context.identity.userArn"
      error          = "$context.error.message"
      function_error = "$context.integrationErrorMessage"
      milliseconds   = "$context.responseLatency"
      request_id     = "$context.requestId"
      response_bytes = "$context.responseLength"
      route          = "$context.routeKey"
      source_ip      = "$context.identity.sourceIp"
      status         = "$context.status"
    })
  }
}

resource "aws_cloudwatch_log_group" "access" {
  name              = "/aws/vendedlogs/${var.name}-access"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}

# Only this API may invoke the function: whoever else could would say by itself who asks.
resource "aws_lambda_permission" "api" {
  statement_id  = "InvokeByApi"
  action        = "lambda:InvokeFunction"
  function_name = module.function.name
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_apigatewayv2_api.api.execution_arn}/*/*"
}
