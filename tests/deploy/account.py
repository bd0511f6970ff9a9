"""The account that is made up, and how the provider that makes it up is told its schema."""

ACCOUNT, REGION = "123456789012", "eu-central-1"
SCHEMA = "EED_STUB_PROVIDER_SCHEMA"
"""The variable with the path of the schema."""
