# What each role of the service may do, as IAM policies. This module makes nothing. tests/deploy/test_rights.py compares
# these policies with the calls that each role makes.

locals {
  # of the queue, in which everything is
  partition = split(":", var.queue_arn)[1]
  region    = split(":", var.queue_arn)[3]

  of_bucket = {
    for name, buckets in { attachments = var.attachments, submissions = var.submissions, archive = var.archive } :
    name => {
      buckets = [for bucket, prefix in buckets : "arn:${local.partition}:s3:::${bucket}"]
      objects = [for bucket, prefix in buckets : "arn:${local.partition}:s3:::${bucket}/${prefix}*"]
    }
  }

  publish = [{
    Sid      = "Publish"
    Effect   = "Allow"
    Action   = ["sqs:SendMessage"]
    Resource = [var.queue_arn]
  }]

  work = [{
    Sid    = "Work"
    Effect = "Allow"
    # SendMessage: what costs no attempt is deferred by a fresh copy
    Action   = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:SendMessage"]
    Resource = [var.queue_arn]
  }]

  # GetQueueAttributes: `eed-delivery check` looks at the queue on each host.
  see_queue = [{
    Sid      = "SeeQueue"
    Effect   = "Allow"
    Action   = ["sqs:GetQueueAttributes"]
    Resource = [var.queue_arn]
  }]

  see_dead_letters = [{
    Sid      = "SeeDeadLetters"
    Effect   = "Allow"
    Action   = ["sqs:GetQueueAttributes"]
    Resource = [var.dead_letter_queue_arn]
  }]

  settle_dead_letters = [{
    Sid      = "SettleDeadLetters"
    Effect   = "Allow"
    Action   = ["sqs:ReceiveMessage", "sqs:DeleteMessage"]
    Resource = [var.dead_letter_queue_arn]
  }]

  see_events = var.events_queue_arn == null ? [] : [{
    Sid      = "SeeEvents"
    Effect   = "Allow"
    Action   = ["sqs:GetQueueAttributes"]
    Resource = [var.events_queue_arn]
  }]

  take_events = var.events_queue_arn == null ? [] : [{
    Sid      = "TakeEvents"
    Effect   = "Allow"
    Action   = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"]
    Resource = [var.events_queue_arn]
  }]

  send = length(var.ses_identity_arns) == 0 ? [] : [{
    Sid      = "SendThroughSes"
    Effect   = "Allow"
    Action   = ["ses:SendEmail", "ses:SendRawEmail"]
    Resource = concat(var.ses_identity_arns, var.configuration_set_arn == null ? [] : [var.configuration_set_arn])
  }]

  # has no resource of its own; for transport.rate_per_second = "ses" and for alerts
  read_quota = length(var.ses_identity_arns) == 0 ? [] : [{
    Sid      = "ReadSesQuota"
    Effect   = "Allow"
    Action   = ["ses:GetAccount"]
    Resource = ["*"]
  }]

  # Without ListBucket S3 answers "access denied" for a file that is missing, and the email's reason would mislead.
  read_attachments = length(var.attachments) == 0 ? [] : [
    { Sid = "ReadAttachments", Effect = "Allow", Action = ["s3:GetObject"], Resource = local.of_bucket.attachments.objects },
    { Sid = "TellMissingFromForbidden", Effect = "Allow", Action = ["s3:ListBucket"], Resource = local.of_bucket.attachments.buckets },
  ]

  read_submissions = length(var.submissions) == 0 ? [] : [
    { Sid = "ReadSubmissions", Effect = "Allow", Action = ["s3:GetObject", "s3:GetObjectVersion"], Resource = local.of_bucket.submissions.objects },
    { Sid = "TellMissingSubmissions", Effect = "Allow", Action = ["s3:ListBucket"], Resource = local.of_bucket.submissions.buckets },
  ]

  keep_copies = length(var.archive) == 0 ? [] : [
    { Sid = "KeepCopies", Effect = "Allow", Action = concat(["s3:PutObject", "s3:GetObject"], var.archive_lock ? ["s3:PutObjectRetention"] : []), Resource = local.of_bucket.archive.objects },
    { Sid = "ProbeArchive", Effect = "Allow", Action = ["s3:ListBucket"], Resource = local.of_bucket.archive.buckets },
  ]

  # For all roles: each process alerts about what it logs.
  everywhere = concat(
    length(var.alert_topic_arns) == 0 ? [] : [
      { Sid = "Alert", Effect = "Allow", Action = ["sns:Publish"], Resource = var.alert_topic_arns },
    ],
  )

  # No resource of its own either. The namespace is the limit.
  # https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/iam-cw-condition-keys-namespace.html
  put_figures = var.metrics_namespace == null ? [] : [{
    Sid       = "PutFigures"
    Effect    = "Allow"
    Action    = ["cloudwatch:PutMetricData"]
    Resource  = ["*"]
    Condition = { StringEquals = { "cloudwatch:namespace" = var.metrics_namespace } }
  }]

  # SQS and S3 call KMS in the caller's name, and no one else may.
  via = { StringEquals = { "kms:ViaService" = [for service in ["sqs", "s3"] : "${service}.${local.region}.amazonaws.com"] } }
  read_encrypted = length(var.kms_key_arns) == 0 ? [] : [
    { Sid = "Decrypt", Effect = "Allow", Action = ["kms:Decrypt"], Resource = var.kms_key_arns, Condition = local.via },
  ]
  write_encrypted = length(var.kms_key_arns) == 0 ? [] : [
    { Sid = "Encrypt", Effect = "Allow", Action = ["kms:Decrypt", "kms:GenerateDataKey"], Resource = var.kms_key_arns, Condition = local.via },
  ]

  # `api` is for the routes of the module api. A function with all routes needs those of `operators`.
  statements = {
    publisher = concat(local.publish, local.see_queue, local.write_encrypted, local.everywhere)
    worker    = concat(local.work, local.see_queue, local.send, local.read_quota, local.read_attachments, local.write_encrypted, local.everywhere)
    sweeper   = concat(local.see_queue, local.see_dead_letters, local.settle_dead_letters, local.read_quota, local.put_figures, local.read_encrypted, local.everywhere)
    events    = concat(local.take_events, local.see_events, local.read_encrypted, local.everywhere)
    tick      = concat(local.publish, local.see_queue, local.see_dead_letters, local.settle_dead_letters, local.take_events, local.see_events, local.read_quota, local.put_figures, local.write_encrypted, local.everywhere)
    archive   = concat(local.keep_copies, local.write_encrypted, local.everywhere)
    api       = concat(local.read_submissions, local.read_attachments, local.read_encrypted)
    operators = concat(local.see_queue, local.see_dead_letters, local.read_quota, local.read_submissions, local.read_attachments, local.read_encrypted, local.everywhere)
  }

  # What a function reads at its start. A host and a task get secrets by other roles and ways.
  read_secrets = [{
    Sid      = "ReadSecrets"
    Effect   = "Allow"
    Action   = ["secretsmanager:GetSecretValue"]
    Resource = var.secret_arns
  }]
  decrypt_secrets = length(var.kms_key_arns) == 0 ? [] : [{
    Sid       = "DecryptSecrets"
    Effect    = "Allow"
    Action    = ["kms:Decrypt"]
    Resource  = var.kms_key_arns
    Condition = { StringEquals = { "kms:ViaService" = "secretsmanager.${local.region}.amazonaws.com" } }
  }]

  # Lambda's poller receives and deletes for the sending function, by the function's role.
  # https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
  of_poller = [{
    Sid      = "Poll"
    Effect   = "Allow"
    Action   = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]
    Resource = [var.queue_arn]
  }]
}
