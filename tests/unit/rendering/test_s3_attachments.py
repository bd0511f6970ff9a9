"""Attachments from S3 (moto, and a local server that misbehaves): prefixes, limits, and whose fault an error is."""

import hashlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import boto3
import pytest
from botocore.config import Config
from moto import mock_aws

from eed_delivery.errors import InfrastructureFailure, RenderError, Throttled
from eed_delivery.model import AttachmentRef
from eed_delivery.rendering.attachments import AttachmentStore

CONTENT = b"%PDF-1.7 one statement"
ALLOWED = ("s3://bank/statements", "s3://whole-bucket")


def client(endpoint: str | None = None) -> Any:
    config = Config(
        retries={"total_max_attempts": 1}, connect_timeout=2, read_timeout=2, s3={"addressing_style": "path"}
    )
    keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
    return boto3.client("s3", region_name="us-east-1", endpoint_url=endpoint, config=config, **keys)


@pytest.fixture
def store() -> Iterator[AttachmentStore]:
    with mock_aws():
        s3 = client()
        for bucket in ("bank", "whole-bucket", "other"):
            s3.create_bucket(Bucket=bucket)
        s3.put_object(Bucket="bank", Key="statements/2026/s.pdf", Body=CONTENT)
        s3.put_object(Bucket="bank", Key="statements-secret/s.pdf", Body=b"secret")
        s3.put_object(Bucket="bank", Key="statements/big", Body=bytes(1001))
        s3.put_object(Bucket="whole-bucket", Key="Kontoauszug März.pdf", Body=CONTENT)
        s3.put_object(Bucket="other", Key="s.pdf", Body=b"secret")
        yield AttachmentStore(None, s3, ALLOWED, 1000)


def test_read(store: AttachmentStore) -> None:
    ref = AttachmentRef("s3://bank/statements/2026/s.pdf", sha256=hashlib.sha256(CONTENT).hexdigest())
    read = store.read(ref)
    assert (read.filename, read.content_type, read.content) == ("s.pdf", "application/pdf", CONTENT)
    assert store.read(AttachmentRef("s3://whole-bucket/Kontoauszug März.pdf")).filename == "Kontoauszug März.pdf"


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("s3://bank/statements/none", "there is no such object"),
        ("s3://bank/statements-secret/s.pdf", "not below one of rendering.attachments_s3"),
        ("s3://bank/statements", "not below one of rendering.attachments_s3"),
        ("s3://other/s.pdf", "not below one of rendering.attachments_s3"),
        ("s3://whole-bucket-2/s.pdf", "not below one of rendering.attachments_s3"),
        ("s3://bank/statements/../statements-secret/s.pdf", "not a place in S3"),
        ("s3://bank", "not a place in S3"),
        ("s3://bank/", "is not a file name"),
        ("s3:///x", "not a place in S3"),
        ("S3://bank/statements/2026/s.pdf", "rendering.attachments_root"),
        ("s3://bank/statements/big", "too large: 1,001 bytes or more, the limit is 1,000"),
    ],
)
def test_refused(store: AttachmentStore, location: str, words: str) -> None:
    with pytest.raises(RenderError, match=words):
        store.read(AttachmentRef(location))


def test_wrong_hash(store: AttachmentStore) -> None:
    with pytest.raises(RenderError, match="Nothing was sent"):
        store.read(AttachmentRef("s3://bank/statements/2026/s.pdf", sha256="0" * 64))


def test_an_empty_object_is_not_sent_unless_it_may_be() -> None:
    with mock_aws():
        s3 = client()
        s3.create_bucket(Bucket="bank")
        s3.put_object(Bucket="bank", Key="statements/a.pdf", Body=b"")
        ref = AttachmentRef("s3://bank/statements/a.pdf")
        with pytest.raises(RenderError, match=r"a\.pdf' is empty, so nothing was sent"):
            AttachmentStore(None, s3, ALLOWED).read(ref)
        assert AttachmentStore(None, s3, ALLOWED, allow_empty=True).read(ref).content == b""


def test_s3_is_not_set_up() -> None:
    with pytest.raises(RenderError, match="attachments_s3"):
        AttachmentStore(None).read(AttachmentRef("s3://bank/statements/2026/s.pdf"))


def test_allowed_bucket_that_is_gone_is_not_the_emails_fault() -> None:
    with mock_aws(), pytest.raises(InfrastructureFailure, match="NoSuchBucket"):
        AttachmentStore(None, client(), ALLOWED).read(AttachmentRef("s3://bank/statements/x"))


class Misbehaving(BaseHTTPRequestHandler):
    """Answers by what the key's last part says: an HTTP status with an S3 error code, or a body cut short."""

    def do_GET(self) -> None:
        wish = self.path.split("?")[0].rsplit("/", 1)[-1]
        if wish == "short":
            self.send_response(200)
            self.send_header("Content-Length", "500")
            self.end_headers()
            self.wfile.write(b"only this")
            return
        status, code = wish.split("-", 1)
        body = f"<Error><Code>{code}</Code><Message>so it is</Message></Error>".encode()
        self.send_response(int(status))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name for it
        """Quiet."""


@pytest.fixture(scope="module")
def misbehaving() -> Iterator[AttachmentStore]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Misbehaving)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield AttachmentStore(None, client(f"http://127.0.0.1:{server.server_port}"), ALLOWED)
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("wish", "error"),
    [
        ("404-NoSuchKey", RenderError),
        ("403-AccessDenied", RenderError),
        ("403-InvalidObjectState", RenderError),
        ("403-InvalidAccessKeyId", InfrastructureFailure),
        ("403-SignatureDoesNotMatch", InfrastructureFailure),
        ("400-ExpiredToken", InfrastructureFailure),
        ("403-RequestTimeTooSkewed", InfrastructureFailure),
        ("404-NoSuchBucket", InfrastructureFailure),
        ("400-KMS.DisabledException", InfrastructureFailure),
        ("500-InternalError", InfrastructureFailure),
        ("503-ServiceUnavailable", InfrastructureFailure),
        ("503-SlowDown", Throttled),
        ("429-Whatever", Throttled),
        ("short", InfrastructureFailure),
    ],
)
def test_whose_fault_it_is(misbehaving: AttachmentStore, wish: str, error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        misbehaving.read(AttachmentRef(f"s3://bank/statements/{wish}"))
    assert type(caught.value) is error


def test_endpoint_that_cannot_be_reached() -> None:
    with pytest.raises(InfrastructureFailure, match="S3 cannot be reached"):
        AttachmentStore(None, client("http://127.0.0.1:9"), ALLOWED).read(AttachmentRef("s3://bank/statements/x"))


def test_no_credentials() -> None:
    nobody = boto3.session.Session(region_name="us-east-1").client("s3", endpoint_url="http://127.0.0.1:9")
    with pytest.raises(InfrastructureFailure, match="credentials"):
        AttachmentStore(None, nobody, ALLOWED).read(AttachmentRef("s3://bank/statements/x"))
