variables {
  warning_topic_arns     = ["arn:aws:sns:eu-central-1:123456789012:warning"]
  critical_topic_arns    = ["arn:aws:sns:eu-central-1:123456789012:critical"]
  queue_name             = "eed-delivery"
  dead_letter_queue_name = "eed-delivery-dead"
  has_workers            = true
  service_log_group      = "/eed-delivery/service"
}

run "another_threshold" {
  command = plan
  variables {
    thresholds = { silence-warning = 120 }
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.alarm["silence-warning"].threshold == 120
    error_message = "The threshold is not the one that was given."
  }
}

run "a_threshold_of_no_alarm" {
  command = plan
  variables {
    thresholds = { silence = 120 }
  }
  expect_failures = [aws_cloudwatch_metric_alarm.alarm]
}

run "a_rule_is_counted_in_whole_minutes_and_told_to_its_audience" {
  command = plan
  variables {
    audience_topic_arns = { dev = ["arn:aws:sns:eu-central-1:123456789012:dev"] }
    alert_rules = {
      defects = { pattern = "{ $.event = \"defect\" }", count = 5, window_seconds = 90, audience = ["dev"], description = "defect in the log" }
    }
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.alarm["rule-defects"].period == 120
    error_message = "90 seconds are 2 minutes for CloudWatch."
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.alarm["rule-defects"].alarm_actions == toset(["arn:aws:sns:eu-central-1:123456789012:dev"])
    error_message = "The audience has topics of its own."
  }
  assert {
    condition     = aws_cloudwatch_log_metric_filter.rule["defects /eed-delivery/service"].pattern == "{ $.event = \"defect\" }"
    error_message = "The pattern is the rule's."
  }
}
