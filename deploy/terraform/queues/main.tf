# The queue of emails to send, and its dead-letter queue. config/queue.yaml declares the same.

locals {
  sse_sqs = var.kms_key_arn == null ? true : null
  only_tls = {
    Effect    = "Deny"
    Principal = "*"
    Action    = "sqs:*"
    Condition = { Bool = { "aws:SecureTransport" = "false" } }
  }
}

# A standard queue. With MessageGroupId on its messages it is a fair queue: one huge job doesn't starve a small one.
resource "aws_sqs_queue" "emails" {
  name                              = var.name
  message_retention_seconds         = 1209600 # 14 days, the longest: a queue paused over the holidays loses nothing
  visibility_timeout_seconds        = var.visibility_timeout_seconds
  receive_wait_time_seconds         = 20
  sqs_managed_sse_enabled           = local.sse_sqs
  kms_master_key_id                 = var.kms_key_arn
  kms_data_key_reuse_period_seconds = var.kms_key_arn == null ? null : 300
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead.arn
    maxReceiveCount     = var.max_receive_count
  })

  lifecycle {
    prevent_destroy = true
  }
}

# A message keeps its first date here, so the retention is not longer than the queue's: the sweeper empties it anyway.
resource "aws_sqs_queue" "dead" {
  name                              = "${var.name}-dead"
  message_retention_seconds         = 1209600
  visibility_timeout_seconds        = var.visibility_timeout_seconds
  sqs_managed_sse_enabled           = local.sse_sqs
  kms_master_key_id                 = var.kms_key_arn
  kms_data_key_reuse_period_seconds = var.kms_key_arn == null ? null : 300

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_sqs_queue_redrive_allow_policy" "dead" {
  queue_url = aws_sqs_queue.dead.id
  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [aws_sqs_queue.emails.arn]
  })
}

resource "aws_sqs_queue_policy" "emails" {
  queue_url = aws_sqs_queue.emails.id
  policy    = jsonencode({ Version = "2012-10-17", Statement = [merge(local.only_tls, { Resource = aws_sqs_queue.emails.arn })] })
}

resource "aws_sqs_queue_policy" "dead" {
  queue_url = aws_sqs_queue.dead.id
  policy    = jsonencode({ Version = "2012-10-17", Statement = [merge(local.only_tls, { Resource = aws_sqs_queue.dead.arn })] })
}
