"""A file of recipients in S3, only below the prefixes that the configuration allows."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import IO, TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from eed_delivery.errors import InfrastructureFailure
from eed_delivery.operations.refusals import InvalidRequest, WrongState

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

LARGEST = 2**30
"""Bytes."""
_PIECE = 2**20
_ITS_OWN_FAULT = frozenset(
    {"NoSuchKey", "NoSuchVersion", "404", "403", "AccessDenied", "InvalidArgument", "MethodNotAllowed"}
)
_CHANGED = frozenset({"PreconditionFailed", "412"})
WHICH = "recipients"


@dataclass(frozen=True, slots=True)
class S3Reference:
    """A file in S3. `version_id` and `sha256` say which content is meant. None: whatever is there. `etag` is that of
    a file that was looked at before, and must be there still."""

    location: str
    version_id: str | None = None
    sha256: str | None = None
    etag: str | None = None


class S3Recipients:
    """Fetches files of recipients."""

    def __init__(self, client: "Callable[[], S3Client]", allowed: Sequence[str]) -> None:
        self._client = client
        self._allowed = allowed

    def fetch(self, wanted: S3Reference, into: IO[bytes], each: Callable[[], None] = lambda: None) -> None:
        """Write a file into another. `each` is called after each piece.

        Raises `OperationRefused` for what is wrong with it, and `InfrastructureFailure` when S3 is."""
        with self._opened(wanted) as answer:
            digest = _copied(answer["Body"], into, each)  # botocore raises if it ends before its ContentLength
        if wanted.sha256 is not None and digest != wanted.sha256.lower():
            what = "the file in S3 is not the one that is meant: it has another sha256"
            raise WrongState(what, which=WHICH, do="Nothing was registered. Name the version, or the new sha256.")

    def longer_than(self, wanted: S3Reference, lines: int, each: Callable[[], None]) -> S3Reference | None:
        """The file as it is now, if it has more lines. It is read no further. Raises as `fetch` does."""
        with self._opened(wanted) as answer:
            body, left = answer["Body"], lines
            try:
                while piece := body.read(_PIECE):
                    each()
                    left -= line_ends(piece)
                    if left < 0:
                        return replace(wanted, etag=answer["ETag"])
            finally:
                body.close()
        return None

    @contextmanager
    def _opened(self, wanted: S3Reference) -> Iterator[Any]:
        bucket, key = self._place(wanted.location)
        given: Any = {"VersionId": wanted.version_id} if wanted.version_id is not None else {}
        if wanted.etag is not None:
            given["IfMatch"] = wanted.etag
        try:
            answer = self._client().get_object(Bucket=bucket, Key=key, **given)
            if answer["ContentLength"] > LARGEST:
                raise InvalidRequest(f"the file in S3 has more than {LARGEST:,} bytes", which=WHICH)
            yield answer
        except ClientError as error:
            raise _failure(error) from error
        except BotoCoreError as error:
            raise InfrastructureFailure(f"S3 cannot be reached: {type(error).__name__}") from error

    def _place(self, location: str) -> tuple[str, str]:
        bucket, _, key = location.removeprefix("s3://").partition("/")
        is_one = location.startswith("s3://") and bucket and key and not {".", ".."} & set(key.split("/"))
        if not is_one or not any(location.startswith(f"{prefix.rstrip('/')}/") for prefix in self._allowed):
            what = "the file is not below one of the prefixes of operators.submit_s3"
            raise InvalidRequest(what, which=WHICH, do="Put it there, or allow its prefix.")
        return bucket, key


def line_ends(piece: bytes) -> int:
    """How many lines end in a piece of a file, by its line feeds, or by its carriage returns if it has no others."""
    return piece.count(b"\n") or piece.count(b"\r")


def _copied(body: Any, into: IO[bytes], each: Callable[[], None]) -> str:
    digest = hashlib.sha256()
    try:
        while piece := body.read(_PIECE):
            digest.update(piece)
            into.write(piece)
            each()
    finally:
        body.close()
    return digest.hexdigest()


def _failure(error: ClientError) -> Exception:
    code = str(error.response.get("Error", {}).get("Code", ""))
    if code in _CHANGED:
        what = "the file in S3 has changed since the request"
        return WrongState(what, which=WHICH, do="Nothing was registered. Send the request again.")
    if code in _ITS_OWN_FAULT:
        what = f"there is no such file in S3, or this service may not read it ({code})"
        return WrongState(what, which=WHICH, do="Check its key and version, and s3:GetObject and s3:GetObjectVersion.")
    return InfrastructureFailure(f"S3 refuses to give the file: {code}")
