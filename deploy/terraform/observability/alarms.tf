# Each alarm with its reason, its severity and its section of docs/runbook.md. A warning can wait for the morning.
# What is not measured is no alarm, but where a missing figure is itself the fault.

locals {
  of_figures = { namespace = var.figures_namespace, dimensions = {}, statistic = "Maximum", operator = "GreaterThanOrEqualToThreshold", period = 60, missing = "notBreaching" }
  of_queue   = merge(local.of_figures, { namespace = "AWS/SQS", dimensions = { QueueName = var.queue_name } })
  of_dead    = merge(local.of_queue, { dimensions = { QueueName = var.dead_letter_queue_name } })
  of_ses     = merge(local.of_figures, { namespace = "AWS/SES", period = 900 })

  ledger_alarms = {
    "silence-warning"   = merge(local.of_figures, { metric = "eed_silence_seconds", threshold = 300, periods = 1, runbook = "a-job-does-not-start", what = "Emails wait, and none has been sent for 5 minutes." })
    "silence-critical"  = merge(local.of_figures, { metric = "eed_silence_seconds", threshold = 900, periods = 1, runbook = "a-job-does-not-start", what = "Emails wait, and none has been sent for 15 minutes." })
    "late-warning"      = merge(local.of_figures, { metric = "eed_oldest_queued_seconds", threshold = 3600, periods = 5, runbook = "nothing-is-sent-the-breaker-is-open", what = "The oldest queued email has been due for an hour." })
    "late-critical"     = merge(local.of_figures, { metric = "eed_oldest_queued_seconds", threshold = 7200, periods = 5, runbook = "nothing-is-sent-the-breaker-is-open", what = "The oldest queued email has been due for two hours." })
    "in-doubt-warning"  = merge(local.of_figures, { metric = "eed_in_doubt", threshold = 1, periods = 15, runbook = "emails-are-in-doubt", what = "Emails are in doubt. An operator has to settle them." })
    "in-doubt-critical" = merge(local.of_figures, { metric = "eed_in_doubt", threshold = 100, periods = 1, runbook = "emails-are-in-doubt", what = "At least 100 emails are in doubt: workers die while they send." })
    "paused-warning"    = merge(local.of_figures, { metric = "eed_jobs_paused", threshold = 1, periods = 10, runbook = "a-job-paused-itself", what = "A job is paused. eed-delivery jobs says why." })
    # The figures come each minute from one sweeper. Without it no other alarm of this table can be trusted.
    "figures-critical" = merge(local.of_figures, { metric = "eed_silence_seconds", statistic = "SampleCount", operator = "LessThanThreshold", threshold = 1, periods = 10, missing = "breaching", runbook = "the-database-is-gone", what = "No figures have come for 10 minutes: no sweeper is alive, the database is away, or metrics.cloudwatch is off." })
  }

  log_alarms = length(local.log_groups) == 0 ? {} : {
    "way-out-critical" = merge(local.of_figures, { namespace = "${var.name}/alerts", metric = "WayOutBroken", statistic = "Sum", threshold = 1, period = 300, periods = 2, runbook = "nothing-is-sent-the-breaker-is-open", what = "No email can be sent for 5 minutes or more: the mail server, SES or the account refuses all." })
  }

  worker_alarms = var.has_workers ? {
    "workers-critical" = merge(local.of_figures, { metric = "eed_processes_worker_alive", operator = "LessThanThreshold", threshold = 1, periods = 5, missing = "breaching", runbook = "the-service-restarts-or-was-killed", what = "No worker is alive on any host." })
  } : {}

  queue_alarms = {
    "dead-letters-warning"  = merge(local.of_dead, { metric = "ApproximateNumberOfMessagesVisible", threshold = 1, periods = 15, runbook = "messages-in-the-dead-letter-queue", what = "Messages stay in the dead-letter queue. The sweeper should have settled them." })
    "dead-letters-critical" = merge(local.of_dead, { metric = "ApproximateNumberOfMessagesVisible", threshold = 100, periods = 5, runbook = "messages-in-the-dead-letter-queue", what = "At least 100 messages are in the dead-letter queue." })
    "queue-age-warning"     = merge(local.of_queue, { metric = "ApproximateAgeOfOldestMessage", threshold = 86400, periods = 5, runbook = "nothing-is-sent-the-breaker-is-open", what = "The oldest message of the queue is a day old." })
    "queue-age-critical"    = merge(local.of_queue, { metric = "ApproximateAgeOfOldestMessage", threshold = 864000, periods = 5, runbook = "nothing-is-sent-the-breaker-is-open", what = "The oldest message of the queue is 10 days old. SQS deletes it after 14." })
  }

  events_alarms = var.events_queue_name == null ? {} : {
    "events-behind-warning"     = merge(local.of_queue, { dimensions = { QueueName = var.events_queue_name }, metric = "ApproximateAgeOfOldestMessage", threshold = 1800, periods = 5, runbook = "events-of-ses-are-not-read", what = "SES's events wait for half an hour. Bounces are not counted meanwhile." })
    "events-behind-critical"    = merge(local.of_queue, { dimensions = { QueueName = var.events_queue_name }, metric = "ApproximateAgeOfOldestMessage", threshold = 21600, periods = 5, runbook = "events-of-ses-are-not-read", what = "SES's events wait for 6 hours. The job watch cannot pause a job that bounces." })
    "events-unreadable-warning" = merge(local.of_queue, { dimensions = { QueueName = var.events_dead_letter_queue_name }, metric = "ApproximateNumberOfMessagesVisible", threshold = 1, periods = 15, runbook = "events-of-ses-are-not-read", what = "Events of SES are in their dead-letter queue." })
  }

  # SES reviews an account at 5 % and 0.1 %, and pauses it at 10 % and 0.5 %.
  # https://docs.aws.amazon.com/ses/latest/dg/reputationdashboard-cloudwatch-alarm.html
  ses_alarms = var.uses_ses ? {
    "bounces-warning"     = merge(local.of_ses, { metric = "Reputation.BounceRate", threshold = 0.05, periods = 1, runbook = "ses-throttles-or-is-paused", what = "5 % of the account's emails bounce. SES reviews such an account." })
    "bounces-critical"    = merge(local.of_ses, { metric = "Reputation.BounceRate", threshold = 0.08, periods = 1, runbook = "ses-throttles-or-is-paused", what = "8 % of the account's emails bounce. SES pauses it at 10 %." })
    "complaints-warning"  = merge(local.of_ses, { metric = "Reputation.ComplaintRate", threshold = 0.001, periods = 1, runbook = "ses-throttles-or-is-paused", what = "0.1 % of the account's emails are complained about. SES reviews such an account." })
    "complaints-critical" = merge(local.of_ses, { metric = "Reputation.ComplaintRate", threshold = 0.004, periods = 1, runbook = "ses-throttles-or-is-paused", what = "0.4 % of the account's emails are complained about. SES pauses it at 0.5 %." })
    "quota-warning"       = merge(local.of_figures, { metric = "eed_ses_quota_used_ratio", threshold = 0.7, periods = 1, runbook = "ses-throttles-or-is-paused", what = "70 % of SES's quota of 24 hours is used." })
    "quota-critical"      = merge(local.of_figures, { metric = "eed_ses_quota_used_ratio", threshold = 0.9, periods = 1, runbook = "ses-throttles-or-is-paused", what = "90 % of SES's quota of 24 hours is used." })
  } : {}

  function_alarms = merge([
    for name, function in var.functions : merge({
      for key, alarm in {
        "errors-warning"     = { metric = "Errors", statistic = "Sum", threshold = 1, periods = 1, what = "It failed in the last 5 minutes." }
        "errors-critical"    = { metric = "Errors", statistic = "Sum", threshold = 20, periods = 2, what = "It failed 20 times in 5 minutes, twice." }
        "throttles-warning"  = { metric = "Throttles", statistic = "Sum", threshold = 1, periods = 3, what = "Lambda refuses calls. A message loses one of its receives by it, and a caller of the API gets 503." }
        "slow-warning"       = { metric = "Duration", statistic = "p99", threshold = 800 * function.timeout_seconds, periods = 3, what = "It takes 80 % of its timeout. A function that is killed leaves emails in doubt, or a caller without an answer." }
        "recursion-critical" = { metric = "RecursiveInvocationsDropped", statistic = "Sum", threshold = 1, periods = 1, what = "Lambda takes deferred emails for a loop and drops them. Its RecursiveLoop must be Allow." }
      } : "${name}-${key}" => merge(local.of_figures, alarm, { namespace = "AWS/Lambda", dimensions = { FunctionName = name }, period = 300, runbook = "a-function-fails-or-is-throttled" })
      }, function.max_concurrency == null ? {} : {
      "${name}-full-warning" = merge(local.of_figures, { namespace = "AWS/Lambda", dimensions = { FunctionName = name }, metric = "ConcurrentExecutions", threshold = function.max_concurrency, periods = 30, runbook = "a-function-fails-or-is-throttled", what = "It has run at its maximum concurrency for half an hour." })
    })
  ]...)

  tick_alarms = var.tick_function_name == null ? {} : {
    "tick-critical" = merge(local.of_figures, { namespace = "AWS/Lambda", dimensions = { FunctionName = var.tick_function_name }, metric = "Invocations", statistic = "Sum", operator = "LessThanThreshold", threshold = 1, period = 300, periods = 1, missing = "breaching", runbook = "a-function-fails-or-is-throttled", what = "No tick has begun for 5 minutes: nothing is published or finished." })
  }

  database_alarms = var.database == null ? {} : {
    for key, alarm in {
      "connections-warning"  = { share = 0.8, what = "80 % of the database's connections are in use." }
      "connections-critical" = { share = 0.95, what = "95 % of the database's connections are in use." }
      } : key => merge(local.of_figures, {
        namespace  = "AWS/RDS"
        dimensions = { (var.database.cluster ? "DBClusterIdentifier" : "DBInstanceIdentifier") = var.database.identifier }
        metric     = "DatabaseConnections"
        threshold  = floor(alarm.share * var.database.max_connections)
        periods    = 5
        runbook    = "the-database-is-gone"
        what       = alarm.what
    })
  }

  login_alarms = merge(
    var.cloudtrail_log_group == null ? {} : {
      "console-logins-warning" = { metric = "ConsoleLoginFailures", threshold = 5, period = 300, what = "5 logins to the AWS console failed within 5 minutes." }
      "no-mfa-warning"         = { metric = "ConsoleLoginsWithoutMfa", threshold = 1, period = 300, what = "A user logged in to the AWS console without a second factor." }
      "root-critical"          = { metric = "RootUse", threshold = 1, period = 60, what = "The account's root user was used." }
    },
    length(local.log_groups) == 0 ? {} : {
      "operator-logins-warning" = { metric = "OperatorLoginsRefused", threshold = 10, period = 300, what = "10 logins to the operators' pages were refused within 5 minutes." }
    },
  )

  rule_alarms = {
    for name, rule in var.alert_rules : "rule-${name}" => merge(local.of_figures, {
      namespace = "${var.name}/alerts"
      metric    = name
      statistic = "Sum"
      threshold = rule.count
      period    = min(86400, 60 * ceil(rule.window_seconds / 60))
      periods   = 1
      runbook   = "log-events"
      what      = rule.description
    })
  }

  alarms = merge(
    local.ledger_alarms, local.log_alarms, local.worker_alarms, local.queue_alarms, local.events_alarms, local.ses_alarms, local.function_alarms, local.tick_alarms,
    local.database_alarms, local.rule_alarms,
    { for name, alarm in local.login_alarms : name => merge(local.of_figures, alarm, { namespace = "${var.name}/logins", statistic = "Sum", periods = 1, runbook = "someone-tries-to-log-in" }) },
  )

  topics = {
    for name, alarm in local.alarms : name => (
      startswith(name, "rule-") ? distinct(flatten([for audience in var.alert_rules[trimprefix(name, "rule-")].audience : lookup(var.audience_topic_arns, audience, var.warning_topic_arns)])) :
      endswith(name, "-critical") ? var.critical_topic_arns : var.warning_topic_arns
    )
  }
}

resource "aws_cloudwatch_metric_alarm" "alarm" {
  for_each            = local.alarms
  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = "${each.value.what} See docs/runbook.md#${each.value.runbook}"
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = startswith(each.value.statistic, "p") ? null : each.value.statistic
  extended_statistic  = startswith(each.value.statistic, "p") ? each.value.statistic : null
  comparison_operator = each.value.operator
  threshold           = lookup(var.thresholds, each.key, each.value.threshold)
  period              = each.value.period
  evaluation_periods  = each.value.periods
  treat_missing_data  = each.value.missing
  alarm_actions       = local.topics[each.key]
  ok_actions          = local.topics[each.key]

  lifecycle {
    precondition {
      condition     = length(setsubtract(keys(var.thresholds), keys(local.alarms))) == 0
      error_message = "thresholds names an alarm that there is not: ${join(", ", setsubtract(keys(var.thresholds), keys(local.alarms)))}"
    }
  }
}
