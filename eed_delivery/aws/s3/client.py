"""A client for one bucket."""

from collections.abc import Callable
from typing import Any

from eed_delivery.aws.kept_connections import limit_idle_time

MAX_IDLE_SECONDS = 5.0
"""A PUT over a connection that was forgotten on its way is in doubt, and then asked for."""


def bucket_client(
    make: Callable[..., Any],
    *,
    region: str | None,
    endpoint_url: str | None,
    connect_timeout: float,
    read_timeout: float,
    max_idle_seconds: float = MAX_IDLE_SECONDS,
) -> Any:
    """The client, for all threads. `make` is as `Surroundings.aws`. Another store than AWS has its buckets in paths."""
    client = make(
        "s3",
        region=region,
        endpoint_url=endpoint_url,
        connect_timeout=connect_timeout,
        read_timeout=read_timeout,
        parameter_validation=False,  # a tenth of the CPU of a call
        s3={"addressing_style": "path" if endpoint_url else "auto"},
    )
    limit_idle_time(client, max_idle_seconds)
    client.meta.events.register("before-call.s3", _stay)
    return client


def _stay(context: dict[str, Any], **_: Any) -> None:
    """Have botocore follow no bucket into another region: files of customers stay where the settings say."""
    context.setdefault("s3_redirect", {})["redirected"] = True
