"""boto3's clients of any service, as the settings of [aws] say."""

from typing import Any, cast

from botocore.config import Config

from eed_delivery.aws.sessions import session
from eed_delivery.config import AwsSettings

USER_AGENT = "eed-delivery"


def aws_client(
    settings: AwsSettings,
    service: str,
    *,
    connections: int,
    tries: int = 1,
    region: str | None = None,
    endpoint_url: str | None = None,
    **config: Any,
) -> Any:
    """A client. `config` goes to `botocore.config.Config`. `region`: None for that of [aws]."""
    limits = {"connect_timeout": 5, "read_timeout": 60, "max_pool_connections": connections} | config
    made = Config(retries={"total_max_attempts": tries}, user_agent=USER_AGENT, **limits)
    return cast("Any", session(settings)).client(service, region_name=region, endpoint_url=endpoint_url, config=made)
