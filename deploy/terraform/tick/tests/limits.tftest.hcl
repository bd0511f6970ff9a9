variables {
  image_uri          = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/eed@sha256:0000000000000000000000000000000000000000000000000000000000000000"
  policies           = { tick = "{}" }
  subnet_ids         = ["subnet-1"]
  security_group_ids = ["sg-1"]
}

run "no_mapping_is_switched_that_was_not_given" {
  command = plan
  assert {
    condition     = length(local.mapping) == 0 && length(local.uuid) == 0
    error_message = "A mapping may be switched that was not given."
  }
}

run "a_mapping_that_is_given_is_a_setting_and_a_right" {
  command = plan
  variables {
    event_source_mapping = {
      arn  = "arn:aws:lambda:eu-central-1:123456789012:event-source-mapping:0c2bc5a4-6a3e-4f0e-9a57-aaaaaaaaaaaa"
      uuid = "0c2bc5a4-6a3e-4f0e-9a57-aaaaaaaaaaaa"
    }
  }
  assert {
    condition     = local.uuid.EED_AWS_LAMBDA__EVENT_SOURCE_MAPPING == "0c2bc5a4-6a3e-4f0e-9a57-aaaaaaaaaaaa"
    error_message = "The setting is not the mapping's UUID."
  }
}

run "no_time_for_a_slow_step" {
  command = plan
  variables {
    timeout_seconds = 100
  }
  expect_failures = [var.timeout_seconds]
}

run "longer_than_a_minute" {
  command = plan
  variables {
    work_seconds    = 60
    timeout_seconds = 200
  }
  expect_failures = [var.work_seconds]
}
