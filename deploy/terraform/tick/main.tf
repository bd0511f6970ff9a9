# Publisher and sweeper without a host: a function that the clock calls, once at a time.

data "aws_caller_identity" "here" {}

module "function" {
  source = "../function"

  name                 = var.name
  image_uri            = var.image_uri
  handler              = "eed_delivery.aws_lambda.tick.handler"
  architecture         = var.architecture
  timeout_seconds      = var.timeout_seconds
  memory_mb            = var.memory_mb
  reserved_concurrency = 1
  environment          = var.environment
  policies             = var.policies
  role_arn             = var.role_arn
  kms_key_arn          = var.kms_key_arn
  log_retention_days   = var.log_retention_days
  subnet_ids           = var.subnet_ids
  security_group_ids   = var.security_group_ids
  tracing              = var.tracing
}

resource "aws_iam_role" "scheduler" {
  name = "${var.name}-scheduler"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "scheduler.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.here.account_id } }
    }]
  })
}

resource "aws_iam_role_policy" "scheduler" {
  name = "call"
  role = aws_iam_role.scheduler.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid      = "CallTick"
      Effect   = "Allow"
      Action   = ["lambda:InvokeFunction"]
      Resource = [module.function.arn]
    }]
  })
}

resource "aws_scheduler_schedule" "tick" {
  name                = var.name
  schedule_expression = var.schedule
  state               = var.enabled ? "ENABLED" : "DISABLED"
  kms_key_arn         = var.kms_key_arn

  flexible_time_window {
    mode = "OFF"
  }

  # A call that is late is of no use: the next one does its work.
  target {
    arn      = module.function.arn
    role_arn = aws_iam_role.scheduler.arn
    retry_policy {
      maximum_retry_attempts       = 0
      maximum_event_age_in_seconds = 60
    }
  }
}

resource "aws_lambda_function_event_invoke_config" "tick" {
  function_name                = module.function.name
  maximum_retry_attempts       = 0
  maximum_event_age_in_seconds = 60
}
