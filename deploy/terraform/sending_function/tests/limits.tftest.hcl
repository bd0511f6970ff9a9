variables {
  image_uri                        = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/eed@sha256:0000000000000000000000000000000000000000000000000000000000000000"
  policies                         = { worker = "{}" }
  queue_arn                        = "arn:aws:sqs:eu-central-1:123456789012:eed-delivery"
  queue_visibility_timeout_seconds = 1800
  subnet_ids                       = ["subnet-1"]
  security_group_ids               = ["sg-1"]
}

run "as_many_calls_as_are_reserved" {
  command = plan
  assert {
    condition     = aws_lambda_event_source_mapping.queue.scaling_config[0].maximum_concurrency == 20
    error_message = "The maximum concurrency is the variable's."
  }
}

run "as_many_as_the_rate_needs" {
  command = plan
  variables {
    send_rate        = 200
    seconds_an_email = 0.07
  }
  assert {
    condition     = aws_lambda_event_source_mapping.queue.scaling_config[0].maximum_concurrency == 14
    error_message = "200 emails a second that take 70 ms each are 14 at a time."
  }
  assert {
    condition     = output.max_concurrency == 14
    error_message = "The output is what is set."
  }
}

run "lambda_takes_no_less_than_two" {
  command = plan
  variables {
    send_rate = 14
  }
  assert {
    condition     = aws_lambda_event_source_mapping.queue.scaling_config[0].maximum_concurrency == 2
    error_message = "14 emails a second are 2 at a time."
  }
}

run "no_role_is_made_beside_one_that_is_there" {
  command = plan
  variables {
    role_arn = "arn:aws:iam::123456789012:role/there-already"
  }
  assert {
    condition     = length(module.function.made_roles) == 0
    error_message = "A role was made."
  }
}

run "the_messages_come_back_too_soon" {
  command = plan
  variables {
    queue_visibility_timeout_seconds = 120
  }
  expect_failures = [var.timeout_seconds]
}

run "more_than_lambda_takes" {
  command = plan
  variables {
    max_concurrency = 1001
  }
  expect_failures = [var.max_concurrency]
}

run "an_image_without_a_digest" {
  command = plan
  variables {
    image_uri = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/eed:latest"
  }
  expect_failures = [var.image_uri]
}
