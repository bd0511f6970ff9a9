"""The kind `s3` of channels: files into a bucket, as `aws.s3` puts them."""

from collections.abc import Callable, Iterator
from functools import partial

from eed_delivery.aws.s3.bucket import ObjectOptions, S3Bucket
from eed_delivery.aws.s3.client import bucket_client
from eed_delivery.transports.file_stores.bucket_transport import BucketTransport, wire_seconds
from eed_delivery.transports.kind import ChannelKind, Surroundings
from eed_delivery.transports.s3.settings import S3Settings


def bucket(settings: S3Settings, surroundings: Surroundings) -> S3Bucket:
    """The bucket, for all threads of a process."""
    client = bucket_client(
        surroundings.aws,
        region=settings.region,
        endpoint_url=settings.endpoint_url,
        connect_timeout=settings.connect_timeout_seconds,
        read_timeout=settings.read_timeout_seconds,
        max_idle_seconds=settings.max_idle_seconds,
    )
    options = ObjectOptions(
        kms_key=settings.kms_key,
        storage_class=settings.storage_class,
        tags=settings.tags,
        lock_mode=settings.object_lock_mode,
        lock_days=settings.object_lock_days,
    )
    return S3Bucket(client, settings.bucket, settings.prefix, options)


def make(settings: S3Settings, surroundings: Surroundings) -> Callable[[], BucketTransport]:
    """All threads of a process share one client."""
    return partial(BucketTransport, bucket(settings, surroundings), settings.answer_seconds)


def check(settings: S3Settings, surroundings: Surroundings) -> Iterator[str]:
    """Asks for the bucket, and makes a PUT that leaves nothing."""
    asked = bucket(settings, surroundings)
    asked.look()
    yield f"the bucket {settings.bucket} is there, in {settings.region}"
    asked.trial()
    yield "files may be put into it, and none was"


KIND = ChannelKind(
    name="s3",
    title="Files into a bucket of Amazon S3",
    settings=S3Settings,
    carries="files",
    make=make,
    check=check,
    longest_send=lambda settings: wire_seconds(settings.answer_seconds),
)
