# The function that publishes, sweeps and finishes, invoked once a minute by EventBridge Scheduler.

data "aws_caller_identity" "here" {}

locals {
  # It turns the sending function's mapping off while nothing can be sent.
  mapping = var.event_source_mapping == null ? {} : {
    mapping = jsonencode({
      Version = "2012-10-17"
      Statement = [{
        Sid      = "SwitchMapping"
        Effect   = "Allow"
        Action   = ["lambda:GetEventSourceMapping", "lambda:UpdateEventSourceMapping"]
        Resource = [var.event_source_mapping.arn]
      }]
    })
  }
  uuid = var.event_source_mapping == null ? {} : {
    EED_AWS_LAMBDA__EVENT_SOURCE_MAPPING = var.event_source_mapping.uuid
  }
}

module "function" {
  source = "../function"

  name                 = var.name
  image_uri            = var.image_uri
  handler              = "eed_delivery.aws_lambda.tick.handler"
  architecture         = var.architecture
  timeout_seconds      = var.timeout_seconds
  memory_mb            = var.memory_mb
  reserved_concurrency = 1
  environment          = merge(var.environment, local.uuid, { EED_AWS_LAMBDA__TICK_SECONDS = tostring(var.work_seconds) })
  policies             = merge(var.policies, local.mapping)
  role_arn             = var.role_arn
  kms_key_arn          = var.kms_key_arn
  log_retention_days   = var.log_retention_days
  subnet_ids           = var.subnet_ids
  security_group_ids   = var.security_group_ids
  tracing              = var.tracing
}

# The next minute brings the next tick. One that could not begin is not made up for.
resource "aws_lambda_function_event_invoke_config" "once" {
  function_name                = module.function.name
  maximum_event_age_in_seconds = 60
  maximum_retry_attempts       = 0
}

resource "aws_iam_role" "scheduler" {
  name = "${var.name}-scheduler"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "scheduler.amazonaws.com" }
      Action    = "sts:AssumeRole"
      # https://docs.aws.amazon.com/scheduler/latest/UserGuide/cross-service-confused-deputy-prevention.html
      Condition = { StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.here.account_id } }
    }]
  })
}

resource "aws_iam_role_policy" "scheduler" {
  name = "invoke"
  role = aws_iam_role.scheduler.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid      = "InvokeTick"
      Effect   = "Allow"
      Action   = ["lambda:InvokeFunction"]
      Resource = [module.function.arn]
    }]
  })
}

resource "aws_scheduler_schedule" "minute" {
  name                = var.name
  description         = "Publishes and sweeps for eed-delivery"
  schedule_expression = "rate(1 minute)"
  kms_key_arn         = var.kms_key_arn

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = module.function.arn
    role_arn = aws_iam_role.scheduler.arn

    retry_policy {
      maximum_event_age_in_seconds = 60
      maximum_retry_attempts       = 0
    }
  }

  # A person who has turned it off wants it so.
  lifecycle {
    ignore_changes = [state]
  }

  depends_on = [aws_iam_role_policy.scheduler]
}
