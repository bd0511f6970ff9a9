# Everything on hosts: publisher, workers, sweeper and the reader of SES's events.

data "aws_caller_identity" "here" {}
data "aws_partition" "here" {}

locals {
  configuration_set_arn = "arn:${data.aws_partition.here.partition}:ses:${var.region}:${data.aws_caller_identity.here.account_id}:configuration-set/${var.configuration_set_name}"
}

module "queues" {
  source = "../../queues"

  kms_key_arn = var.kms_key_arn
}

module "ses_events" {
  source = "../../ses_events"

  configuration_set_name = var.configuration_set_name
  kms_key_arn            = var.kms_key_arn
}

module "rights" {
  source = "../../rights"

  queue_arn             = module.queues.queue_arn
  dead_letter_queue_arn = module.queues.dead_letter_queue_arn
  events_queue_arn      = module.ses_events.queue_arn
  ses_identity_arns     = [var.ses_identity_arn]
  configuration_set_arn = local.configuration_set_arn
  attachments           = var.attachments
  kms_key_arns          = var.kms_key_arn == null ? [] : [var.kms_key_arn]
}

module "network" {
  source = "../../network"

  vpc_id                     = var.vpc_id
  subnet_ids                 = var.subnet_ids
  route_table_ids            = var.route_table_ids
  database_security_group_id = var.database_security_group_id
}

module "hosts" {
  source = "../../hosts"

  send_rate          = var.send_rate
  image_id           = var.image_id
  subnet_ids         = var.subnet_ids
  security_group_ids = [module.network.security_group_id]
  bundle             = var.bundle
  configuration      = var.configuration
  secrets            = var.secrets
  policies           = { for role in ["publisher", "worker", "sweeper", "events"] : role => module.rights.policies[role] }
  log_group          = { name = module.observability.service_log_group, arn = module.observability.service_log_group_arn }
  kms_key_arn        = var.kms_key_arn
}

module "observability" {
  source = "../../observability"

  warning_topic_arns            = var.warning_topic_arns
  critical_topic_arns           = var.critical_topic_arns
  service_log_group             = "/eed-delivery/service"
  kms_key_arn                   = var.kms_key_arn
  queue_name                    = module.queues.queue_name
  dead_letter_queue_name        = module.queues.dead_letter_queue_name
  events_queue_name             = module.ses_events.queue_name
  events_dead_letter_queue_name = module.ses_events.dead_letter_queue_name
  has_workers                   = true
  cloudtrail_log_group          = var.cloudtrail_log_group
  alert_rules                   = var.alert_rules
}
