# No host at all: functions send, publish, sweep and answer the API. A Fargate task does operations, and with var.tasks it publishes and sweeps, too.

data "aws_caller_identity" "here" {}
data "aws_partition" "here" {}

locals {
  # Without files it calls nothing, and there is no policy of it.
  api_reads_s3          = length(merge(var.attachments, var.submissions)) > 0 || var.kms_key_arn != null
  configuration_set_arn = "arn:${data.aws_partition.here.partition}:ses:${var.region}:${data.aws_caller_identity.here.account_id}:configuration-set/${var.configuration_set_name}"
  # A function reads a secret at its start, by the ARN in a variable. Fargate puts the value into the variable.
  of_functions = merge(local.environment, { EED_AWS__CREDENTIALS = "environment" }, { for name, arn in var.secret_variables : name => "aws-secret:${arn}" })
  # How long they leave an email to its message depends on the function that sends.
  task_roles  = concat(["operators"], var.tasks ? ["publisher", "sweeper", "events"] : [])
  of_sweepers = { EED_AWS_LAMBDA__TIMEOUT_SECONDS = tostring(module.sending_function.timeout_seconds) }
  secret_arns = distinct([for arn in values(var.secret_variables) : join(":", slice(split(":", arn), 0, 7))])
  secrets     = { for n, arn in local.secret_arns : "secret-${n}" => module.rights.secret_policies[arn] }
  # The function that sends cannot read what is the API's alone.
  api_secret_arns = distinct([for arn in values(merge(var.secret_variables, var.api_secret_variables)) : join(":", slice(split(":", arn), 0, 7))])
  api_secrets     = { for n, arn in local.api_secret_arns : "secret-${n}" => module.rights.secret_policies[arn] }
  of_submissions  = { EED_OPERATORS__SUBMIT_S3 = jsonencode([for bucket, prefix in var.submissions : "s3://${bucket}/${prefix}"]) }
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
  submissions           = var.submissions
  secret_arns           = local.api_secret_arns
  kms_key_arns          = var.kms_key_arn == null ? [] : [var.kms_key_arn]
}

module "network" {
  source = "../../network"

  vpc_id                     = var.vpc_id
  subnet_ids                 = var.subnet_ids
  route_table_ids            = var.route_table_ids
  database_security_group_id = var.database_security_group_id
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

# The delivery server nudges and submits here.
module "api" {
  source = "../../api"

  image_uri = var.image_uri
  environment = merge(local.of_functions, { for name, arn in var.api_secret_variables : name => "aws-secret:${arn}" }, {
    EED_OPERATORS__IAM_CALLERS = jsonencode(var.api_callers)
  }, local.of_submissions)
  policies           = merge(local.api_reads_s3 ? { api = module.rights.policies["api"] } : {}, local.api_secrets)
  kms_key_arn        = var.kms_key_arn
  subnet_ids         = var.subnet_ids
  security_group_ids = [module.network.security_group_id]
}

# Publisher, sweeper and the reader of SES's events, once a minute.
module "tick" {
  source = "../../tick"

  image_uri            = var.image_uri
  environment          = merge(local.of_functions, local.of_sweepers, { EED_PUBLISHER__QUEUE_AHEAD = "50000" })
  policies             = merge({ tick = module.rights.policies["tick"] }, local.secrets)
  event_source_mapping = { arn = module.sending_function.event_source_mapping_arn, uuid = module.sending_function.event_source_mapping_id }
  kms_key_arn          = var.kms_key_arn
  subnet_ids           = var.subnet_ids
  security_group_ids   = [module.network.security_group_id]
}

# What does operations for the API, and with `tasks` also publisher, sweeper and the reader of SES's events, without the pauses
# of the tick. Each is a container. The first one listens within its task alone.
module "fargate" {
  source = "../../fargate"

  image_uri          = var.image_uri
  repository_arn     = var.repository_arn
  commands           = { for role in local.task_roles : role => [role] }
  environment        = merge(local.environment, local.of_sweepers, { EED_AWS__CREDENTIALS = "container", EED_OPERATORS__LISTEN = "127.0.0.1:8027" }, local.of_submissions)
  secrets            = merge(var.secret_variables, var.api_secret_variables)
  policies           = { for role in local.task_roles : role => module.rights.policies[role] }
  kms_key_arn        = var.kms_key_arn
  subnet_ids         = var.subnet_ids
  security_group_ids = [module.network.security_group_id]
}

module "observability" {
  source = "../../observability"

  warning_topic_arns            = var.warning_topic_arns
  critical_topic_arns           = var.critical_topic_arns
  kms_key_arn                   = var.kms_key_arn
  queue_name                    = module.queues.queue_name
  dead_letter_queue_name        = module.queues.dead_letter_queue_name
  events_queue_name             = module.ses_events.queue_name
  events_dead_letter_queue_name = module.ses_events.dead_letter_queue_name
  has_workers                   = false
  cloudtrail_log_group          = var.cloudtrail_log_group
  alert_rules                   = var.alert_rules

  tick_function_name = module.tick.function_name
  functions = {
    (module.tick.function_name)             = { timeout_seconds = module.tick.timeout_seconds }
    (module.sending_function.function_name) = { timeout_seconds = module.sending_function.timeout_seconds, max_concurrency = module.sending_function.max_concurrency }
    (module.api.function_name)              = { timeout_seconds = module.api.timeout_seconds, max_concurrency = module.api.max_concurrency }
  }
  other_log_groups = [module.sending_function.log_group_name, module.api.log_group_name, module.tick.log_group_name, module.fargate.log_group_name]
}
