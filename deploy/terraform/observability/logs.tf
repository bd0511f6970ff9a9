# The log group of hosts, and what is counted in all log groups.

locals {
  log_groups = concat([for group in aws_cloudwatch_log_group.service : group.name], var.other_log_groups)
  filters = merge([
    for rule_name, rule in var.alert_rules : { for group in local.log_groups : "${rule_name} ${group}" => { name = rule_name, pattern = rule.pattern, group = group } }
  ]...)
}

resource "aws_cloudwatch_log_group" "service" {
  count             = var.service_log_group == null ? 0 : 1
  name              = var.service_log_group
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_cloudwatch_log_metric_filter" "rule" {
  for_each       = local.filters
  name           = each.value.name
  log_group_name = each.value.group
  pattern        = each.value.pattern

  metric_transformation {
    namespace = "${var.name}/alerts"
    name      = each.value.name
    value     = "1"
    unit      = "Count"
  }
}

# A host says so once and then each time that it has tried in vain, a function each time that it shuts the gate.
resource "aws_cloudwatch_log_metric_filter" "way_out" {
  for_each       = toset(local.log_groups)
  name           = "way-out-broken"
  log_group_name = each.value
  pattern        = "{ ($.event = \"breaker_open\") || ($.event = \"still_broken\") || ($.event = \"gate_shut\") }"

  metric_transformation {
    namespace = "${var.name}/alerts"
    name      = "WayOutBroken"
    value     = "1"
    unit      = "Count"
  }
}

resource "aws_cloudwatch_log_metric_filter" "operator_logins" {
  for_each       = toset(local.log_groups)
  name           = "operator-logins-refused"
  log_group_name = each.value
  pattern        = "{ $.event = \"login_refused\" }"

  metric_transformation {
    namespace = "${var.name}/logins"
    name      = "OperatorLoginsRefused"
    value     = "1"
    unit      = "Count"
  }
}

# https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudwatch-alarms-for-cloudtrail.html
resource "aws_cloudwatch_log_metric_filter" "account_logins" {
  for_each = var.cloudtrail_log_group == null ? {} : {
    ConsoleLoginFailures    = "{ ($.eventName = \"ConsoleLogin\") && ($.errorMessage = \"Failed authentication\") }"
    ConsoleLoginsWithoutMfa = "{ ($.eventName = \"ConsoleLogin\") && ($.additionalEventData.MFAUsed != \"Yes\") && ($.userIdentity.type = \"IAMUser\") && ($.responseElements.ConsoleLogin = \"Success\") }"
    RootUse                 = "{ ($.userIdentity.type = \"Root\") && ($.userIdentity.invokedBy NOT EXISTS) && ($.eventType != \"AwsServiceEvent\") }"
  }
  name           = each.key
  log_group_name = var.cloudtrail_log_group
  pattern        = each.value

  metric_transformation {
    namespace = "${var.name}/logins"
    name      = each.key
    value     = "1"
    unit      = "Count"
  }
}
