# Hosts send, and functions send beside them from the same queue.

data "aws_caller_identity" "here" {}
data "aws_partition" "here" {}

locals {
  configuration_set_arn = "arn:${data.aws_partition.here.partition}:ses:${var.region}:${data.aws_caller_identity.here.account_id}:configuration-set/${var.configuration_set_name}"
  # A function reads a secret at its start, by the ARN in a variable. Fargate puts the value into the variable.
  of_functions = merge(local.environment, { EED_AWS__CREDENTIALS = "environment" }, { for name, arn in var.secret_variables : name => "aws-secret:${arn}" })
  secret_arns  = distinct([for arn in values(var.secret_variables) : join(":", slice(split(":", arn), 0, 7))])
  secrets      = length(local.secret_arns) == 0 ? {} : { secrets = module.rights.secrets_policy }
  environment = merge(var.environment, {
    EED_AWS__REGION                       = var.region
    EED_METRICS__CLOUDWATCH               = "log"
    EED_QUEUE__DEAD_LETTER_URL            = module.queues.dead_letter_queue_url
    EED_QUEUE__URL                        = module.queues.queue_url
    EED_QUEUE__VISIBILITY_TIMEOUT_SECONDS = tostring(module.queues.visibility_timeout_seconds)
    EED_SES__CONFIGURATION_SET            = var.configuration_set_name
    EED_TRACKING__EVENTS_QUEUE_URL        = module.ses_events.queue_url
    EED_TRANSPORT__KIND                   = "ses"
    EED_WORKER__COORDINATION              = "ledger"
  })
}

module "queues" {
  source = "../../queues"

  kms_key_arn                = var.kms_key_arn
  visibility_timeout_seconds = 1800 # 6 times the function's timeout
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
  secret_arns           = local.secret_arns
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

module "sending_function" {
  source = "../../sending_function"

  image_uri                        = var.image_uri
  environment                      = local.of_functions
  policies                         = merge({ worker = module.rights.policies["worker"], poller = module.rights.poller_policy }, local.secrets)
  queue_arn                        = module.queues.queue_arn
  queue_visibility_timeout_seconds = module.queues.visibility_timeout_seconds
  send_rate                        = var.send_rate
  max_concurrency                  = var.max_concurrency
  kms_key_arn                      = var.kms_key_arn
  subnet_ids                       = var.subnet_ids
  security_group_ids               = [module.network.security_group_id]
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

  functions = {
    (module.sending_function.function_name) = { timeout_seconds = module.sending_function.timeout_seconds, max_concurrency = module.sending_function.max_concurrency }
  }
  other_log_groups = [module.sending_function.log_group_name]
}
