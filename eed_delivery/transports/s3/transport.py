"""Puts files into a bucket: one PUT each, with its SHA-256 for S3 to check, that replaces nothing.

An object is seen when all of it is there. `If-None-Match: *` is refused where the key is taken, and then S3 is asked
whether it has the same bytes.
"""

import base64
import hashlib
import time
from datetime import UTC, datetime, timedelta
from mmap import mmap
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from botocore.exceptions import BotoCoreError, ClientError

from eed_delivery.errors import DeliveryFailure, InDoubt, InfrastructureFailure, PermanentFailure, TransientFailure
from eed_delivery.model import Accepted, Content, File, Files
from eed_delivery.transports import Grant
from eed_delivery.transports.s3.answers import MISSING, TAKEN, broken, refused, status_of, untold
from eed_delivery.transports.s3.settings import S3Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MAX_KEY_BYTES = 1024
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html"""
GRANTED_SECONDS = 60.0
"""From the grant on, no further file is begun after this time. It is in doubt then, and `settle` tells."""
SENDING_SECONDS = 120.0
"""What we allow for the upload of the last file: the SDK has a timeout for each write, and not for all."""
_NO_TAG = '"00000000000000000000000000000000"'
_PIECE = 1 << 20


def wire_seconds(settings: S3Settings) -> float:
    """The longest time from the grant to the end of `send`: the last file is put, asked for, and read."""
    answer = settings.connect_timeout_seconds + settings.read_timeout_seconds
    return GRANTED_SECONDS + SENDING_SECONDS + 3 * answer


class S3Transport:
    """See `FileTransport` for the contract. `client` never retries, and is its maker's: `close` leaves it open."""

    name = "s3"

    def __init__(self, client: "S3Client", settings: S3Settings) -> None:
        self._client: Any = client
        self._settings = settings
        self.wire_seconds = wire_seconds(settings)

    def send(self, message: Files, grant: Grant) -> Accepted:
        """See `FileTransport.send`."""
        keys = [self._key(file) for file in message.files]
        grant()
        until = time.monotonic() + GRANTED_SECONDS
        for key, file in zip(keys, message.files, strict=True):
            if time.monotonic() > until:
                raise InDoubt(f"S3 needed more than {GRANTED_SECONDS:g} seconds for the files before this one")
            self._put_new(key, file)
        return _accepted(message)

    def settle(self, message: Files) -> Accepted | None:
        """See `FileTransport.settle`."""
        return _accepted(message) if all(self._is_there(self._key(file), file) for file in message.files) else None

    def put(self, file: File) -> None:
        """See `FileTransport.put`. Where the bucket keeps versions, the one before stays as such."""
        key = self._key(file)
        try:
            self._client.put_object(**self._object(key, file))
        except ClientError as error:
            raise self._refused(error, "take the file for") from error
        except BotoCoreError as error:
            raise broken(error, "put into", self._settings.bucket) from error

    def probe(self) -> None:
        """Ask for the bucket. See `Transport.probe`."""
        self._asked("show", self._client.head_bucket)

    def trial(self) -> None:
        """A PUT that every store must refuse, after it has looked at the rights: no object is there to match."""
        content = b"eed-delivery check"
        key = f"{self._settings.prefix}.eed-check-{hashlib.sha256(str(time.time_ns()).encode()).hexdigest()[:16]}"
        file = File(key, content, "text/plain", hashlib.sha256(content).hexdigest())
        try:
            self._client.put_object(**self._object(key, file), IfMatch=_NO_TAG)
        except ClientError as error:
            if status_of(error) != TAKEN and error.response["Error"]["Code"] != "NoSuchKey":
                raise untold(self._refused(error, "take files for")) from error
        except BotoCoreError as error:
            raise untold(broken(error, "put into", self._settings.bucket)) from error
        else:
            words = f"the store at {self._settings.endpoint_url} ignores conditions, so files could replace others"
            raise InfrastructureFailure(f"{words}. Remove the object {key}, and use another store")

    def close(self) -> None:
        """Do nothing, because the client belongs to its maker."""

    def _put_new(self, key: str, file: File) -> None:
        try:
            self._client.put_object(**self._object(key, file), IfNoneMatch="*")
        except ClientError as error:
            if status_of(error) != TAKEN:
                raise self._refused(error, "take the file for") from error
            if not self._is_there(key, file):  # it has gone meanwhile
                raise TransientFailure("S3 has refused the key as taken, and has no such object") from error
        except BotoCoreError as error:
            raise broken(error, "put into", self._settings.bucket) from error

    def _is_there(self, key: str, file: File) -> bool:
        """Whether the same bytes are there. Raises PermanentFailure for other bytes."""
        found = self._asked("tell of the file in", self._client.head_object, Key=key, ChecksumMode="ENABLED")
        if found is None:
            return False
        same = found["ContentLength"] == len(file.content) and self._sha256(key, found) == file.sha256
        if not same:
            raise PermanentFailure(f"document {key[-200:]!r}: the bucket has one with other bytes, which stays")
        return True

    def _sha256(self, key: str, found: Any) -> str:
        """What S3 has calculated of all bytes; else the object is read. One of several parts has a sum of sums."""
        told = found.get("ChecksumSHA256", "")
        if told and "-" not in told:
            return base64.b64decode(told).hex()
        digest = hashlib.sha256()
        answer = self._asked("give the file in", self._client.get_object, Key=key)
        try:
            for piece in answer["Body"].iter_chunks(_PIECE) if answer else ():
                digest.update(piece)
        except BotoCoreError as error:
            raise untold(broken(error, "read from", self._settings.bucket)) from error
        return digest.hexdigest()

    def _asked(self, action: str, ask: Any, **what: Any) -> Any:
        """The answer; None if there is no such object. Raises InfrastructureFailure or Throttled."""
        try:
            return ask(Bucket=self._settings.bucket, **what)
        except ClientError as error:
            if what and status_of(error) == MISSING and error.response["Error"]["Code"] != "NoSuchBucket":
                return None
            raise untold(self._refused(error, action)) from error
        except BotoCoreError as error:
            raise untold(broken(error, action, self._settings.bucket)) from error

    def _refused(self, error: ClientError, action: str) -> DeliveryFailure:
        return refused(error, action, self._settings.bucket, self._settings.region)

    def _key(self, file: File) -> str:
        key = self._settings.prefix + file.path
        if len(key.encode()) > MAX_KEY_BYTES:
            words = f"its key is longer than {MAX_KEY_BYTES:,} bytes. Shorten path"
            raise PermanentFailure(f"document {key[:80]!r}: {words}")
        return key

    def _object(self, key: str, file: File) -> dict[str, Any]:
        settings = self._settings
        request: dict[str, Any] = {
            "Bucket": settings.bucket,
            "Key": key,
            "Body": _from_its_beginning(file.content),
            "ContentType": file.content_type,
            "ChecksumAlgorithm": "SHA256",
            "ChecksumSHA256": base64.b64encode(bytes.fromhex(file.sha256)).decode(),
        }
        if settings.kms_key is not None:
            request |= {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": settings.kms_key}
        if settings.storage_class is not None:
            request["StorageClass"] = settings.storage_class
        if settings.tags:
            request["Tagging"] = urlencode(settings.tags)
        if settings.object_lock_mode is not None and settings.object_lock_days is not None:
            until = datetime.now(UTC) + timedelta(days=settings.object_lock_days)
            request |= {"ObjectLockMode": settings.object_lock_mode, "ObjectLockRetainUntilDate": until}
        return request


def _from_its_beginning(content: Content) -> Content:
    if isinstance(content, mmap):
        content.seek(0)
    return content


def _accepted(message: Files) -> Accepted:
    size, count = message.size, len(message.files)
    return Accepted(f"put {count} {'object' if count == 1 else 'objects'}, {size:,} bytes", 200, None)
