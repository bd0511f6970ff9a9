"""One bucket: one PUT a file, with its SHA-256 for S3 to check.

An object is seen when all of it is there. `If-None-Match: *` is refused where the key is taken, and then S3 is asked
whether it has the same bytes.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
"""

import base64
import hashlib
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from mmap import mmap
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from botocore.exceptions import BotoCoreError, ClientError

from eed_delivery.aws.s3.answers import MISSING, TAKEN, broken, refused, status_of, untold
from eed_delivery.errors import DeliveryFailure, InfrastructureFailure, OtherBytes, PermanentFailure, TransientFailure
from eed_delivery.model import Content, File

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MAX_KEY_BYTES = 1024
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html"""
_NO_TAG = '"00000000000000000000000000000000"'
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class ObjectOptions:
    """What each object is stored with.

    `kms_key` is for SSE-KMS. No one can delete the object for `lock_days` from its PUT on, in `lock_mode`.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html
    """

    kms_key: str | None = None
    storage_class: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    lock_mode: str | None = None
    lock_days: int | None = None

    def arguments(self, now: datetime) -> dict[str, Any]:
        """For PutObject."""
        found: dict[str, Any] = {}
        if self.kms_key is not None:
            found |= {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": self.kms_key}
        if self.storage_class is not None:
            found["StorageClass"] = self.storage_class
        if self.tags:
            found["Tagging"] = urlencode(self.tags)
        if self.lock_mode is not None and self.lock_days is not None:
            until = now + timedelta(days=self.lock_days)
            found |= {"ObjectLockMode": self.lock_mode.upper(), "ObjectLockRetainUntilDate": until}
        return found


class S3Bucket:
    """The objects below a prefix. Threads may share it. `client` is as `bucket_client` makes it, and its maker's.

    Each method raises a `DeliveryFailure`. Questions raise InfrastructureFailure or Throttled while S3 does not answer.
    """

    def __init__(
        self,
        client: "S3Client",
        name: str,
        prefix: str = "",
        options: ObjectOptions | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`now`: for the end of a retention."""
        self._client: Any = client
        self._name = name
        self._prefix = prefix
        self._options = options or ObjectOptions()
        self._now = now

    def key(self, file: File) -> str:
        """The object's key. Raises PermanentFailure for one that is too long."""
        key = self._prefix + file.path
        if len(key.encode()) > MAX_KEY_BYTES:
            words = f"its key is longer than {MAX_KEY_BYTES:,} bytes. Shorten path"
            raise PermanentFailure(f"document {key[:80]!r}: {words}")
        return key

    def put_new(self, file: File, in_time: Callable[[], None]) -> None:
        """Put a file that replaces nothing. The same bytes that are there count. `in_time`: as in `has`."""
        try:
            self._put(file, IfNoneMatch="*")
        except ClientError as error:
            if status_of(error) != TAKEN:
                raise self._refused(error, "take the file for") from error
            if not self.has(file, in_time):  # it has gone meanwhile
                raise TransientFailure("S3 has refused the key as taken, and has no such object") from error

    def has(self, file: File, in_time: Callable[[], None]) -> bool:
        """Whether the same bytes are there. Raises PermanentFailure for other bytes.

        `in_time` is called before each question and each piece of a content, and raises when there is no more time.
        """
        key = self.key(file)
        in_time()
        found = self._asked("tell of the file in", self._client.head_object, Key=key, ChecksumMode="ENABLED")
        if found is None:
            return False
        same = found["ContentLength"] == len(file.content) and self._sha256(key, found, in_time) == file.sha256
        if not same:
            raise OtherBytes(f"document {key[-200:]!r}: the bucket has one with other bytes, which stays", file.path)
        return True

    def look(self) -> None:
        """See whether the bucket is there."""
        self._asked("show", self._client.head_bucket)

    def trial(self) -> None:
        """A PUT that every store must refuse, after it has looked at the rights: no object is there to match."""
        content = b"eed-delivery check"
        file = File(f".eed-check-{secrets.token_hex(8)}", content, "text/plain", hashlib.sha256(content).hexdigest())
        try:
            self._put(file, IfMatch=_NO_TAG)
        except ClientError as error:
            if status_of(error) != TAKEN and error.response["Error"]["Code"] != "NoSuchKey":
                raise untold(self._refused(error, "take files for")) from error
        except DeliveryFailure as failure:
            raise untold(failure) from failure
        else:
            words = f"the store at {self._client.meta.endpoint_url} ignores conditions, so files could replace others"
            raise InfrastructureFailure(f"{words}. Remove the object {self.key(file)}, and use another store")

    def _put(self, file: File, **condition: str) -> None:
        """S3 compares the checksum with what it has received, and keeps it. Object Lock needs the algorithm too."""
        try:
            self._client.put_object(
                Bucket=self._name,
                Key=self.key(file),
                Body=_from_its_beginning(file.content),
                ContentType=file.content_type,
                ChecksumAlgorithm="SHA256",
                ChecksumSHA256=base64.b64encode(bytes.fromhex(file.sha256)).decode(),
                **self._options.arguments(self._now()),
                **condition,
            )
        except BotoCoreError as error:
            raise broken(error, "put into", self._name) from error

    def _sha256(self, key: str, found: Any, in_time: Callable[[], None]) -> str:
        """What S3 has calculated of all bytes; else the object is read. One of several parts has a sum of sums."""
        told = found.get("ChecksumSHA256", "")
        if told and "-" not in told:
            return base64.b64decode(told).hex()
        digest = hashlib.sha256()
        answer = self._asked("give the file in", self._client.get_object, Key=key)
        try:
            for piece in answer["Body"].iter_chunks(_PIECE) if answer else ():
                digest.update(piece)
                in_time()
        except BotoCoreError as error:
            raise untold(broken(error, "read from", self._name)) from error
        return digest.hexdigest()

    def _asked(self, action: str, ask: Any, **what: Any) -> Any:
        """The answer; None if there is no such object."""
        try:
            return ask(Bucket=self._name, **what)
        except ClientError as error:
            if what and status_of(error) == MISSING and error.response["Error"]["Code"] != "NoSuchBucket":
                return None
            raise untold(self._refused(error, action)) from error
        except BotoCoreError as error:
            raise untold(broken(error, action, self._name)) from error

    def _refused(self, error: ClientError, action: str) -> DeliveryFailure:
        return refused(error, action, self._name, self._client.meta.region_name)


def _from_its_beginning(content: Content) -> Content:
    if isinstance(content, mmap):
        content.seek(0)
    return content
