variables {
  image_uri          = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/eed@sha256:0000000000000000000000000000000000000000000000000000000000000000"
  subnet_ids         = ["subnet-1"]
  security_group_ids = ["sg-1"]
}

run "callers_sign_unless_told_otherwise" {
  command = plan
  assert {
    condition     = alltrue([for route in aws_apigatewayv2_route.route : route.authorization_type == "AWS_IAM"])
    error_message = "A route is open."
  }
  assert {
    condition     = aws_apigatewayv2_stage.default.default_route_settings[0].throttling_rate_limit == 10
    error_message = "Requests are not throttled."
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

run "longer_than_the_gateway_waits" {
  command = plan
  variables {
    timeout_seconds = 30
  }
  expect_failures = [var.timeout_seconds]
}

run "a_route_for_everything" {
  command = plan
  variables {
    routes = ["$default"]
  }
  expect_failures = [var.routes]
}

run "a_way_to_authorize_that_there_is_not" {
  command = plan
  variables {
    authorization = "CUSTOM"
  }
  expect_failures = [var.authorization]
}

run "more_at_once_than_run_at_once" {
  command = plan
  variables {
    burst = 11
  }
  expect_failures = [var.burst]
}
