data "aws_region" "here" {}

locals {
  graphs = concat(
    [
      { title = "Emails of unfinished jobs", stat = "Maximum", metrics = [for state in ["pending", "queued", "sending", "in_doubt"] : [var.figures_namespace, "eed_job_emails_${state}"]] },
      { title = "Backlog", stat = "Maximum", metrics = [[var.figures_namespace, "eed_backlog"]] },
      { title = "Silence and oldest queued email (seconds)", stat = "Maximum", metrics = [[var.figures_namespace, "eed_silence_seconds"], [var.figures_namespace, "eed_oldest_queued_seconds"]] },
      { title = "Queue", stat = "Maximum", metrics = [
        ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", var.queue_name],
        ["AWS/SQS", "ApproximateNumberOfMessagesNotVisible", "QueueName", var.queue_name],
        ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", var.dead_letter_queue_name],
      ] },
      { title = "In doubt, paused jobs, dead letters", stat = "Maximum", metrics = [for metric in ["eed_in_doubt", "eed_jobs_paused", "eed_dead_letters"] : [var.figures_namespace, metric]] },
    ],
    var.uses_ses ? [
      { title = "SES: sent, bounced, complained about", stat = "Sum", metrics = [for metric in ["Send", "Bounce", "Complaint"] : ["AWS/SES", metric]] },
    ] : [],
    var.has_workers ? [
      { title = "Processes alive", stat = "Maximum", metrics = [for role in ["publisher", "worker", "sweeper"] : [var.figures_namespace, "eed_processes_${role}_alive"]] },
    ] : [],
    [for name, function in var.functions : { title = name, stat = "Sum", metrics = [for metric in ["Invocations", "Errors", "Throttles"] : ["AWS/Lambda", metric, "FunctionName", name]] }],
    var.events_queue_name == null ? [] : [
      { title = "SES's events: age of the oldest (seconds)", stat = "Maximum", metrics = [["AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", var.events_queue_name]] },
    ],
  )
}

resource "aws_cloudwatch_dashboard" "dashboard" {
  dashboard_name = var.name
  dashboard_body = jsonencode({
    widgets = concat(
      [{
        type       = "alarm"
        x          = 0
        y          = 0
        width      = 24
        height     = 4
        properties = { title = "Alarms", alarms = [for alarm in aws_cloudwatch_metric_alarm.alarm : alarm.arn] }
      }],
      [for n, graph in local.graphs : {
        type   = "metric"
        x      = 12 * (n % 2)
        y      = 4 + 6 * floor(n / 2)
        width  = 12
        height = 6
        properties = {
          title   = graph.title
          region  = data.aws_region.here.region
          view    = "timeSeries"
          period  = 60
          stat    = graph.stat
          metrics = graph.metrics
        }
      }],
    )
  })
}
