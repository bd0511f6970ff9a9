"""How long files may be put and asked for: never longer than the lease on the wire, however slow the store is."""

from collections.abc import Iterator
from hashlib import sha256
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from hypothesis import given
from hypothesis import strategies as st

from eed_delivery.aws.s3.bucket import S3Bucket
from eed_delivery.config.file_channels import FolderChannelSettings
from eed_delivery.errors import DeliveryFailure, InDoubt
from eed_delivery.model import File, Files
from eed_delivery.transports import FileTransport
from eed_delivery.transports.file_stores.bucket_transport import BucketTransport
from eed_delivery.transports.file_stores.folder_connection import FolderConnection, FolderRefusal
from eed_delivery.transports.file_stores.folder_transport import FolderTransport

ANSWER_SECONDS = 30.0
CONNECT_SECONDS = 100.0
PIECES = 5


class SlowStore:
    """The time, and when the answer is lost: with the file of this number, of those that get their names."""

    def __init__(self, seconds: float, lost: int) -> None:
        self.now = 0.0
        self.seconds = seconds
        self.lost = lost
        self.named: dict[str, bytes] = {}

    def takes(self) -> None:
        self.now += self.seconds

    def name(self, path: str, content: bytes) -> None:
        self.takes()
        self.named[path] = content
        if len(self.named) == self.lost:
            self.now += ANSWER_SECONDS - self.seconds
            raise TimeoutError


class SlowFolder(FolderConnection):
    """The server cannot hash."""

    errors: ClassVar[tuple[type[Exception], ...]] = (OSError,)
    rename_replaces: ClassVar[bool] = True

    def __init__(self, store: SlowStore) -> None:
        store.now += CONNECT_SECONDS
        self._store = store
        self._drafts: dict[str, bytes] = {}

    def refusal(self, error: Exception) -> FolderRefusal | None:
        return None

    def size(self, path: str) -> int | None:
        self._store.takes()
        found = self._drafts.get(path, self._store.named.get(path))
        return None if found is None else len(found)

    def sha256(self, path: str) -> str | None:
        self._store.takes()
        return None

    def read(self, path: str) -> Iterator[bytes]:
        content = self._store.named[path]
        for number in range(PIECES):
            self._store.takes()
            yield content if number == 0 else b""

    def write(self, path: str, content: bytes) -> None:
        self._drafts[path] = content

    def rename(self, old: str, new: str) -> None:
        self._store.takes()
        self._store.name(new, self._drafts.pop(old))

    def remove(self, path: str) -> None:
        self._store.takes()

    def close(self) -> None:
        pass

    def replace(self, old: str, new: str) -> None: ...

    def make_directory(self, path: str) -> None: ...

    def look(self, directory: str) -> None: ...


class SlowS3:
    """Of boto3's client what a bucket uses."""

    meta = SimpleNamespace(region_name="us-east-1")

    def __init__(self, store: SlowStore) -> None:
        self._store = store

    def put_object(self, **what: Any) -> None:
        try:
            self._store.name(what["Key"], what["Body"])
        except TimeoutError as error:
            raise ReadTimeoutError(endpoint_url="", error=error) from error

    def head_object(self, **what: Any) -> dict[str, Any]:
        self._store.takes()
        if what["Key"] not in self._store.named:
            raise ClientError({"ResponseMetadata": {"HTTPStatusCode": 404}, "Error": {"Code": "404"}}, "HeadObject")  # type: ignore[typeddict-item]
        return {"ContentLength": len(self._store.named[what["Key"]])}

    def get_object(self, **what: Any) -> dict[str, Any]:
        self._store.takes()
        return {"Body": SimpleNamespace(iter_chunks=lambda _: self._pieces(what["Key"]))}

    def _pieces(self, key: str) -> Iterator[bytes]:
        for number in range(PIECES):
            self._store.takes()
            yield self._store.named[key] if number == 0 else b""


def folder(store: SlowStore) -> FileTransport:
    settings = FolderChannelSettings(host="127.0.0.1", port=1, username="bank", answer_timeout_seconds=ANSWER_SECONDS)
    return FolderTransport("sftp", settings, lambda: SlowFolder(store), CONNECT_SECONDS, lambda: store.now)


def bucket(store: SlowStore) -> FileTransport:
    made: Any = SlowS3(store)
    return BucketTransport(S3Bucket(made, "bank"), ANSWER_SECONDS, lambda: store.now)


@pytest.mark.parametrize("make", [folder, bucket])
@given(count=st.integers(1, 60), seconds=st.floats(0.1, ANSWER_SECONDS), lost=st.integers(1, 60))
def test_the_lease_outlasts_the_questions_after_a_lost_answer(make: Any, count: int, seconds: float, lost: int) -> None:
    store = SlowStore(seconds, lost)
    transport: FileTransport = make(store)
    of = [File(f"{number}.pdf", b"%d" % number, "", sha256(b"%d" % number).hexdigest()) for number in range(count)]
    files = Files(1, 1, tuple(of))
    granted: list[float] = []
    try:
        transport.send(files, lambda: granted.append(store.now))
    except InDoubt:
        try:
            transport.settle(files)
        except DeliveryFailure as failure:
            assert "more than 30 seconds" in failure.reply
    assert store.now - granted[0] <= transport.wire_seconds


@pytest.mark.parametrize("make", [folder, bucket])
def test_a_store_that_is_not_slow_is_asked_for_all_files(make: Any) -> None:
    store = SlowStore(0.1, lost=40)
    transport: FileTransport = make(store)
    of = [File(f"{number}.pdf", b"%d" % number, "", sha256(b"%d" % number).hexdigest()) for number in range(40)]
    files = Files(1, 1, tuple(of))
    with pytest.raises(InDoubt):
        transport.send(files, lambda: None)
    assert transport.settle(files) is not None
