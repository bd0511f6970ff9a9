"""What deploy/ and config/*.yaml declare, looked at without an AWS account.

- `bindings`       the provider's schema, read from the bindings that are published for it
- `stub_provider`  a provider that knows that schema, and makes up what AWS would answer
- `terraform`      runs Terraform with it
- `cloudformation` what a template declares
- `policies`       IAM policies: which actions they allow
- `filter_patterns` which log lines a pattern of CloudWatch Logs matches
"""
