"""boto3's client as the tests of `aws.calls` hold the quick calls against it."""

from typing import Any, Literal

import boto3
from botocore.config import Config


def boto_client(
    service: Literal["sqs", "sesv2"],
    url: str | None,
    region: str = "us-east-1",
    token: str | None = None,
    **config: Any,
) -> Any:
    """It tries once, and has invented credentials; `config` is botocore's own."""
    usual = {"retries": {"total_max_attempts": 1}, "connect_timeout": 5, "read_timeout": 5, "user_agent": "x"}
    return boto3.client(
        service,
        endpoint_url=url,
        region_name=region,
        aws_access_key_id="AKID",
        aws_secret_access_key="secret",
        aws_session_token=token,
        config=Config(**{**usual, **config}),
    )
