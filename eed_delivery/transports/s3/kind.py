"""The kind `s3` of channels."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from eed_delivery.transports.kind import ChannelKind, Surroundings
from eed_delivery.transports.s3.settings import S3Settings
from eed_delivery.transports.s3.transport import S3Transport, wire_seconds


def make(settings: S3Settings, surroundings: Surroundings) -> Callable[[], S3Transport]:
    """All threads of a process share one client."""
    client = surroundings.aws(
        "s3",
        region=settings.region,
        endpoint_url=settings.endpoint_url,
        connect_timeout=settings.connect_timeout_seconds,
        read_timeout=settings.read_timeout_seconds,
        parameter_validation=False,  # a tenth of the CPU of a call
        s3={"addressing_style": "path" if settings.endpoint_url else "auto"},
    )
    client.meta.events.register("before-call.s3", _stay)
    return partial(S3Transport, client, settings)


def _stay(context: dict[str, Any], **_: Any) -> None:
    """Have botocore follow no bucket into another region: files of customers stay where the settings say."""
    context.setdefault("s3_redirect", {})["redirected"] = True


def check(settings: S3Settings, surroundings: Surroundings) -> Iterator[str]:
    """Asks for the bucket, and makes a PUT that leaves nothing."""
    transport = make(settings, surroundings)()
    transport.probe()
    yield f"the bucket {settings.bucket} is there, in {settings.region}"
    transport.trial()
    yield "files may be put into it, and none was"


KIND = ChannelKind(
    name="s3",
    title="Files into a bucket of Amazon S3",
    settings=S3Settings,
    carries="files",
    make=make,
    check=check,
    longest_send=wire_seconds,
)
