"""The two ways to SES: our own calls, and boto3's client, which makes them where there is a proxy."""

from collections.abc import Callable
from typing import Any

from botocore.credentials import Credentials

from eed_delivery.aws.calls import SesCalls, quick_ses


def quick(client: Any, ca_bundle: str | None = None) -> SesCalls:
    """A client's quick calls, with the credentials of `SesStub.client`."""
    made = quick_ses(client, Credentials("test", "test"), ca_bundle)
    assert isinstance(made, SesCalls)
    return made


def boto3s(client: Any, ca_bundle: str | None = None) -> Any:
    """The client itself, which knows its authorities."""
    return client


Way = Callable[..., Any]
WAYS: list[Way] = [quick, boto3s]
