"""What deploy/ and config/*.yaml declare, looked at without an AWS account.

- `account`        the account that is made up
- `bindings`       the provider's schema, read from the bindings that are published for it
- `stub_provider`  a provider that knows that schema, and makes up what AWS would answer
- `terraform`      runs Terraform with it
- `cloudformation` what a template declares
- `examples`       the examples of deploy/terraform, and what an operator would give them
- `aws_recorder`   which actions each role of the service calls
- `policies`       IAM policies: which actions they allow
- `filter_patterns` which log lines a pattern of CloudWatch Logs matches
"""
