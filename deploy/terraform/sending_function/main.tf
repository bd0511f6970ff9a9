# The function that sends, called by the queue. It runs the same code as a worker on a host.

locals {
  # Little's law: what is in progress is the rate times the time of each. A sandbox sends one email at a time.
  needed      = var.send_rate == null ? 20 : ceil(var.send_rate * var.seconds_an_email)
  concurrency = var.max_concurrency == null ? min(1000, max(2, local.needed)) : var.max_concurrency
}

module "function" {
  source = "../function"

  name                 = var.name
  image_uri            = var.image_uri
  handler              = "eed_delivery.aws_lambda.sending.handler"
  architecture         = var.architecture
  timeout_seconds      = var.timeout_seconds
  memory_mb            = var.memory_mb
  reserved_concurrency = local.concurrency # not fewer: a call that is throttled costs a receive
  environment          = merge(var.environment, { EED_AWS_LAMBDA__TIMEOUT_SECONDS = tostring(var.timeout_seconds) })
  policies             = var.policies
  role_arn             = var.role_arn
  kms_key_arn          = var.kms_key_arn
  log_retention_days   = var.log_retention_days
  subnet_ids           = var.subnet_ids
  security_group_ids   = var.security_group_ids
  tracing              = var.tracing
}

# A deferred email is a fresh copy in the same queue. Lambda takes that for a loop, and would stop it after 16 rounds.
# https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html
resource "aws_lambda_function_recursion_config" "allow" {
  function_name  = module.function.name
  recursive_loop = "Allow"
}

resource "aws_lambda_event_source_mapping" "queue" {
  event_source_arn = var.queue_arn
  function_name    = module.function.arn
  batch_size       = var.batch_size
  # Fuller batches. While the gate is shut they are what an outage costs.
  maximum_batching_window_in_seconds = 1
  function_response_types            = ["ReportBatchItemFailures"]

  scaling_config {
    maximum_concurrency = local.concurrency
  }

  # A person who has turned it off wants it so.
  lifecycle {
    ignore_changes = [enabled]
  }

  depends_on = [aws_lambda_function_recursion_config.allow]
}
