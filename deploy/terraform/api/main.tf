# The API behind API Gateway: a job is submitted or nudged by a request, in place of a wait for the next poll.

data "aws_region" "here" {}
data "aws_partition" "here" {}
data "aws_caller_identity" "here" {}

module "function" {
  source = "../function"

  name                 = var.name
  image_uri            = var.image_uri
  handler              = "eed_delivery.aws_lambda.api.handler"
  architecture         = var.architecture
  timeout_seconds      = var.timeout_seconds
  memory_mb            = var.memory_mb
  reserved_concurrency = var.reserved_concurrency
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
  protocol_type = "HTTP"
  description   = "Submits and nudges jobs of eed-delivery"
}

resource "aws_apigatewayv2_integration" "function" {
  api_id                 = aws_apigatewayv2_api.api.id
  integration_type       = "AWS_PROXY"
  integration_uri        = module.function.invoke_arn
  payload_format_version = "2.0"
  timeout_milliseconds   = 29000
}

resource "aws_apigatewayv2_route" "route" {
  for_each           = toset(var.routes)
  api_id             = aws_apigatewayv2_api.api.id
  route_key          = each.value
  target             = "integrations/${aws_apigatewayv2_integration.function.id}"
  authorization_type = var.authorization
}

# Paths of the API have keys of jobs and emails, and no recipient.
resource "aws_cloudwatch_log_group" "access" {
  name              = "/aws/apigateway/${var.name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_apigatewayv2_stage" "stage" {
  api_id      = aws_apigatewayv2_api.api.id
  name        = "$default"
  auto_deploy = true

  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.access.arn
    format = jsonencode({
      at         = "$context.requestTime"
      caller     = "$context.identity.caller"
      error      = "$context.error.message"
      ip         = "$context.identity.sourceIp"
      latency_ms = "$context.responseLatency"
      request    = "$context.requestId"
      route      = "$context.routeKey"
      status     = "$context.status"
    })
  }

  default_route_settings {
    throttling_rate_limit  = var.requests_per_second
    throttling_burst_limit = var.requests_per_second
  }
}

resource "aws_lambda_permission" "gateway" {
  statement_id  = "gateway"
  action        = "lambda:InvokeFunction"
  function_name = module.function.name
  principal     = "apigateway.amazonaws.com"
  source_arn    = "arn:${data.aws_partition.here.partition}:execute-api:${data.aws_region.here.region}:${data.aws_caller_identity.here.account_id}:${aws_apigatewayv2_api.api.id}/*"
}
