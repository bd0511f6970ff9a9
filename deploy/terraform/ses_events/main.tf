# SES's events on their way to us: configuration set, topic, queue. config/events.yaml declares the same.

data "aws_caller_identity" "here" {}
data "aws_region" "here" {}
data "aws_partition" "here" {}

locals {
  sse_sqs           = var.kms_key_arn == null ? true : null
  here              = "${data.aws_region.here.region}:${data.aws_caller_identity.here.account_id}"
  configuration_set = "arn:${data.aws_partition.here.partition}:ses:${local.here}:configuration-set/${var.configuration_set_name}"
  only_tls = {
    Effect    = "Deny"
    Principal = "*"
    Action    = "sqs:*"
    Condition = { Bool = { "aws:SecureTransport" = "false" } }
  }
}

resource "aws_sns_topic" "events" {
  name              = var.name
  kms_master_key_id = var.kms_key_arn
}

# https://docs.aws.amazon.com/ses/latest/dg/event-publishing-add-event-destination-sns.html
resource "aws_sns_topic_policy" "events" {
  arn = aws_sns_topic.events.arn
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "ses.amazonaws.com" }
      Action    = "sns:Publish"
      Resource  = aws_sns_topic.events.arn
      Condition = {
        StringEquals = {
          "AWS:SourceAccount" = data.aws_caller_identity.here.account_id
          "AWS:SourceArn"     = local.configuration_set
        }
      }
    }]
  })
}

resource "aws_sesv2_configuration_set_event_destination" "events" {
  configuration_set_name = var.configuration_set_name
  event_destination_name = "eed-delivery"
  event_destination {
    enabled              = true
    matching_event_types = var.event_types
    sns_destination {
      topic_arn = aws_sns_topic.events.arn
    }
  }

  depends_on = [aws_sns_topic_policy.events]
}

# Raw: half the size, and the envelope would say nothing that we need.
resource "aws_sns_topic_subscription" "events" {
  topic_arn            = aws_sns_topic.events.arn
  protocol             = "sqs"
  endpoint             = aws_sqs_queue.events.arn
  raw_message_delivery = true
}

resource "aws_sqs_queue" "events" {
  name                              = var.name
  message_retention_seconds         = 1209600 # 14 days, the longest
  visibility_timeout_seconds        = 120
  receive_wait_time_seconds         = 20
  sqs_managed_sse_enabled           = local.sse_sqs
  kms_master_key_id                 = var.kms_key_arn
  kms_data_key_reuse_period_seconds = var.kms_key_arn == null ? null : 300
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead.arn
    maxReceiveCount     = 10
  })

  lifecycle {
    prevent_destroy = true
  }
}

# What no process understood: for a person to look at.
resource "aws_sqs_queue" "dead" {
  name                              = "${var.name}-dead"
  message_retention_seconds         = 1209600
  sqs_managed_sse_enabled           = local.sse_sqs
  kms_master_key_id                 = var.kms_key_arn
  kms_data_key_reuse_period_seconds = var.kms_key_arn == null ? null : 300

  lifecycle {
    prevent_destroy = true
  }
}

# A sender to this queue can say of any email that it bounced: only the topic may send.
resource "aws_sqs_queue_policy" "events" {
  queue_url = aws_sqs_queue.events.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect    = "Allow"
        Principal = { Service = "sns.amazonaws.com" }
        Action    = "sqs:SendMessage"
        Resource  = aws_sqs_queue.events.arn
        Condition = { ArnEquals = { "aws:SourceArn" = aws_sns_topic.events.arn } }
      },
      merge(local.only_tls, { Resource = aws_sqs_queue.events.arn }),
    ]
  })
}

resource "aws_sqs_queue_policy" "dead" {
  queue_url = aws_sqs_queue.dead.id
  policy    = jsonencode({ Version = "2012-10-17", Statement = [merge(local.only_tls, { Resource = aws_sqs_queue.dead.arn })] })
}
