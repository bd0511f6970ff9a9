"""The two ways to SES: our own calls, and boto3's client, which makes them where there is a proxy."""

from collections.abc import Callable
from typing import Any

from botocore.credentials import Credentials

from eed_delivery.aws.calls import SesCalls, quick_ses
from eed_delivery.aws.kept_connections import limit_idle_time
from eed_delivery.config import SesSettings

MAX_IDLE_SECONDS = SesSettings().max_idle_seconds


def quick(client: Any, ca_bundle: str | None = None, max_idle_seconds: float = MAX_IDLE_SECONDS) -> SesCalls:
    """A client's quick calls, with the credentials of `SesStub.client`."""
    made = quick_ses(client, Credentials("test", "test"), ca_bundle, max_idle_seconds)
    assert isinstance(made, SesCalls)
    return made


def boto3s(client: Any, ca_bundle: str | None = None, max_idle_seconds: float = MAX_IDLE_SECONDS) -> Any:
    """The client itself, which knows its authorities. `quick_ses` gives it where there is a proxy."""
    limit_idle_time(client, max_idle_seconds)
    return client


Way = Callable[..., Any]
WAYS: list[Way] = [quick, boto3s]
