variables {
  image_id           = "ami-1"
  subnet_ids         = ["subnet-1", "subnet-2"]
  security_group_ids = ["sg-1"]
  bundle             = { bucket = "releases", key = "bundle.tar.gz", sha256 = "0000000000000000000000000000000000000000000000000000000000000000" }
  configuration      = "[transport]"
  policies           = { worker = "{}" }
  log_group          = { name = "service", arn = "arn:aws:logs:eu-central-1:123456789012:log-group:service" }
  hosts              = { min = 1, desired = 1, max = 40 }
}

run "no_more_hosts_than_the_rate_needs" {
  command = plan
  variables {
    send_rate = 700
    schedules = { month_end = { recurrence = "0 18 28 * *", min = 1, max = 8 } }
  }
  assert {
    condition     = aws_autoscaling_group.hosts.max_size == 2
    error_message = "700 emails a second need two hosts that send 450 each."
  }
  assert {
    condition     = aws_autoscaling_schedule.schedule["month_end"].max_size == 2
    error_message = "A schedule starts no more than that either."
  }
}

run "a_schedule_leaves_it_to_the_backlog_how_many_run" {
  command = plan
  variables {
    hosts     = { min = 1, desired = 1, max = 2 }
    schedules = { month_end = { recurrence = "0 18 28 * *", min = 3, max = 8 }, after = { recurrence = "0 6 1 * *", min = 1 } }
    send_rate = 10000
  }
  assert {
    condition     = aws_autoscaling_group.hosts.max_size == 8
    error_message = "An apply at the end of the month would end hosts."
  }
  assert {
    condition     = aws_autoscaling_schedule.schedule["month_end"].min_size == 3 && aws_autoscaling_schedule.schedule["month_end"].max_size == 8
    error_message = "The rate needs more than the schedule has."
  }
  assert {
    condition     = aws_autoscaling_schedule.schedule["month_end"].desired_capacity == -1 && aws_autoscaling_schedule.schedule["after"].desired_capacity == -1
    error_message = "A schedule would end hosts that have work."
  }
  assert {
    condition     = aws_autoscaling_schedule.schedule["after"].max_size == -1
    error_message = "What is not given is changed."
  }
}

run "as_many_as_are_wanted_without_a_rate" {
  command = plan
  assert {
    condition     = output.max_hosts == 40
    error_message = "Without a limit hosts.max counts."
  }
}

run "the_backlog_of_ten_minutes_each" {
  command = plan
  variables {
    host_rate = 300
  }
  assert {
    condition     = aws_autoscaling_policy.backlog[0].target_tracking_configuration[0].target_value == 180000
    error_message = "A host that sends 300 a second sends 180,000 in ten minutes."
  }
}

run "by_schedules_alone" {
  command = plan
  variables {
    backlog_minutes = null
  }
  assert {
    condition     = length(aws_autoscaling_policy.backlog) == 0
    error_message = "A policy was made."
  }
}

run "a_target_that_is_over_before_a_host_sends" {
  command = plan
  variables {
    backlog_minutes = 2
  }
  expect_failures = [var.backlog_minutes]
}

run "too_short_to_drain" {
  command = plan
  variables {
    drain_seconds = 60
  }
  expect_failures = [var.drain_seconds]
}
