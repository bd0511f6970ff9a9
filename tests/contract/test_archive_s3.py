"""An archive in S3, on ministack and on moto: whole objects, never other bytes, and Object Lock if it is set."""

import base64
import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.config import Config
from moto.server import ThreadedMotoServer

from eed_delivery.aws.s3.bucket import ObjectOptions, S3Bucket
from eed_delivery.config.archive import ArchiveSettings
from eed_delivery.errors import InfrastructureFailure, PermanentFailure
from eed_delivery.model import File, Files
from eed_delivery.transports.file_stores.bucket_transport import BucketTransport
from tests.servers import free_port
from tests.servers.aws_clients import aws_client
from tests.servers.ministack import MiniStack

BUCKET = "bank-archive"
NOW = datetime(2026, 11, 30, tzinfo=UTC)


def client_of(endpoint: str) -> Any:
    return aws_client(
        "s3", region_name="us-east-1", endpoint_url=endpoint, aws_access_key_id="x", aws_secret_access_key="y",
        config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
    )  # fmt: skip


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", free_port(), verbose=False)
    server.start()
    yield f"http://127.0.0.1:{server.get_host_and_port()[1]}"
    server.stop()


@pytest.fixture(params=["ministack", "moto"])
def client(request: pytest.FixtureRequest) -> Iterator[Any]:
    if request.param == "moto":
        endpoint = request.getfixturevalue("moto")
    else:
        server: MiniStack = request.getfixturevalue("ministack")
        endpoint = server.endpoint_url
    found = client_of(endpoint)
    found.create_bucket(Bucket=BUCKET)
    yield found
    for one in found.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        found.delete_object(Bucket=BUCKET, Key=one["Key"])
    found.delete_bucket(Bucket=BUCKET)


def store_in(client: Any, url: str, options: ObjectOptions | None = None) -> BucketTransport:
    archive = ArchiveSettings(url=url)
    bucket = S3Bucket(client, archive.bucket, archive.prefix, options, now=lambda: NOW)
    return BucketTransport(bucket, answer_seconds=60)


def file(content: bytes) -> File:
    return File("1/7.0.eml", content, "message/rfc822", hashlib.sha256(content).hexdigest())


def message(content: bytes) -> Files:
    return Files(7, 0, (file(content),))


def test_an_object_has_its_bytes_its_type_and_its_checksum(client: Any) -> None:
    store = store_in(client, f"s3://{BUCKET}/emails/")
    store.send(message(b"content"), lambda: None)
    found = client.get_object(Bucket=BUCKET, Key="emails/1/7.0.eml", ChecksumMode="ENABLED")
    digest = base64.b64encode(hashlib.sha256(b"content").digest()).decode()
    assert (found["Body"].read(), found["ContentType"]) == (b"content", "message/rfc822")
    assert found.get("ChecksumSHA256", digest) == digest


def test_the_same_bytes_count_as_stored_and_others_are_refused(client: Any) -> None:
    store = store_in(client, f"s3://{BUCKET}")
    for _ in range(2):
        store.send(message(b"first"), lambda: None)
    with pytest.raises(PermanentFailure, match="with other bytes"):
        store.send(message(b"second"), lambda: None)
    assert client.get_object(Bucket=BUCKET, Key="1/7.0.eml")["Body"].read() == b"first"


def test_it_says_what_became_of_a_lost_answer(client: Any) -> None:
    store = store_in(client, f"s3://{BUCKET}/emails")
    assert store.settle(message(b"content")) is None
    store.send(message(b"content"), lambda: None)
    assert store.settle(message(b"content")) is not None
    with pytest.raises(PermanentFailure):
        store.settle(message(b"other"))


def test_without_a_grant_nothing_is_stored(client: Any) -> None:
    def refuse() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        store_in(client, f"s3://{BUCKET}").send(message(b"content"), refuse)
    assert client.list_objects_v2(Bucket=BUCKET)["KeyCount"] == 0


def test_a_bucket_that_is_not_there_is_the_archives_fault(client: Any) -> None:
    store = store_in(client, "s3://no-such-bucket-of-ours/x")
    for call in (store.probe, lambda: store.send(message(b"x"), lambda: None)):
        with pytest.raises(InfrastructureFailure, match="no-such-bucket-of-ours"):
            call()


def test_a_store_that_cannot_be_reached_is_the_archives_fault() -> None:
    store = store_in(client_of(f"http://127.0.0.1:{free_port()}"), f"s3://{BUCKET}")
    for call in (store.probe, lambda: store.send(message(b"x"), lambda: None), lambda: store.settle(message(b"x"))):
        with pytest.raises(InfrastructureFailure, match="S3"):
            call()


def test_object_lock_keeps_each_version_for_its_days(moto: str) -> None:
    client = client_of(moto)
    client.create_bucket(Bucket="locked", ObjectLockEnabledForBucket=True)
    protection = ObjectOptions(lock_mode="compliance", lock_days=30)
    store_in(client, "s3://locked/x", protection).send(message(b"content"), lambda: None)
    found = client.head_object(Bucket="locked", Key="x/1/7.0.eml")
    assert found["ObjectLockMode"] == "COMPLIANCE"
    assert found["ObjectLockRetainUntilDate"] == NOW + timedelta(days=30)


def test_a_key_of_kms_goes_with_each_object(moto: str) -> None:
    client = client_of(moto)
    client.create_bucket(Bucket="encrypted")
    key = "arn:aws:kms:us-east-1:123456789012:key/1"
    store_in(client, "s3://encrypted", ObjectOptions(kms_key=key)).send(message(b"content"), lambda: None)
    found = client.head_object(Bucket="encrypted", Key="1/7.0.eml")
    assert (found["ServerSideEncryption"], found["SSEKMSKeyId"]) == ("aws:kms", key)
