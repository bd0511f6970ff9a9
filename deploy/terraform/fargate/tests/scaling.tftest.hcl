variables {
  image_uri          = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/eed@sha256:0000000000000000000000000000000000000000000000000000000000000000"
  repository_arn     = "arn:aws:ecr:eu-central-1:123456789012:repository/eed"
  policies           = { worker = "{}" }
  subnet_ids         = ["subnet-1"]
  security_group_ids = ["sg-1"]
}

run "tasks_that_do_not_send_have_a_fixed_number" {
  command = plan
  assert {
    condition     = length(aws_appautoscaling_target.tasks) == 0
    error_message = "Publisher and sweeper are not scaled."
  }
}

run "no_more_tasks_than_the_rate_needs" {
  command = plan
  variables {
    commands  = { all = ["run"] }
    scaling   = { min = 1, max = 40, send_rate = 700 }
    schedules = { month_end = { schedule = "cron(0 18 L * ? *)", min = 1, max = 8 } }
  }
  assert {
    condition     = aws_appautoscaling_target.tasks["tasks"].max_capacity == 2
    error_message = "700 emails a second need two tasks that send 450 each."
  }
  assert {
    condition     = tonumber(aws_appautoscaling_scheduled_action.schedule["month_end"].scalable_target_action[0].max_capacity) == 2
    error_message = "A schedule starts no more than that either."
  }
  assert {
    condition     = aws_appautoscaling_policy.backlog["tasks"].target_tracking_scaling_policy_configuration[0].target_value == 270000
    error_message = "A task sends 270,000 in ten minutes."
  }
}

run "a_schedule_has_more_tasks_than_other_times" {
  command = plan
  variables {
    commands  = { all = ["run"] }
    scaling   = { min = 1, max = 2, send_rate = 10000 }
    schedules = { month_end = { schedule = "cron(0 18 L * ? *)", min = 4, max = 8 } }
  }
  assert {
    condition     = aws_appautoscaling_target.tasks["tasks"].max_capacity == 8
    error_message = "An apply at the end of the month would end tasks."
  }
  assert {
    condition     = tonumber(aws_appautoscaling_scheduled_action.schedule["month_end"].scalable_target_action[0].max_capacity) == 8
    error_message = "The rate needs more than the schedule has."
  }
}

run "nothing_that_sends" {
  command = plan
  variables {
    scaling = { min = 1, max = 4 }
  }
  expect_failures = [var.scaling]
}
