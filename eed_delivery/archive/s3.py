"""An archive in S3, with Object Lock where it is asked for.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html
"""

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, cast

from botocore.exceptions import BotoCoreError, ClientError, ConnectTimeoutError, EndpointConnectionError

from eed_delivery.errors import DeliveryFailure, InDoubt, InfrastructureFailure, PermanentFailure, Throttled
from eed_delivery.model import Accepted, File, Files
from eed_delivery.transports import Grant

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

SCHEME = "s3://"
# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
_THROTTLED = frozenset({"SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequests"})
_THERE = frozenset({"PreconditionFailed", "412"})
_NONE = frozenset({"NoSuchKey", "NotFound", "404"})


@dataclass(frozen=True, slots=True)
class ObjectProtection:
    """What each object is stored with. `days` is how long it cannot be deleted, in `mode`. `kms_key` is for SSE-KMS."""

    mode: Literal["governance", "compliance"] | None = None
    days: int = 0
    kms_key: str | None = None

    def arguments(self, now: datetime) -> dict[str, Any]:
        """For PutObject."""
        found: dict[str, Any] = {}
        if self.mode is not None:
            found |= {"ObjectLockMode": self.mode.upper(), "ObjectLockRetainUntilDate": now + timedelta(days=self.days)}
        if self.kms_key is not None:
            found |= {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": self.kms_key}
        return found


class S3Store:
    """Objects below `s3://bucket/prefix`. See `FileTransport` for the contract. The client may be shared by threads."""

    name = "s3"

    def __init__(
        self,
        client: "S3Client",
        place: str,
        protection: ObjectProtection | None = None,
        wire_seconds: float = 60.0,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`wire_seconds`: the client's timeouts together. `now`: for the end of a retention."""
        self._client = client
        self._bucket, _, prefix = place.removeprefix(SCHEME).partition("/")
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._protection = protection or ObjectProtection()
        self._now = now
        self.wire_seconds = wire_seconds

    def send(self, message: Files, grant: Grant) -> Accepted:
        """See `FileTransport.send`."""
        grant()
        for file in message.files:
            try:
                self._put(file, IfNoneMatch="*")
            except ClientError as error:
                if _code(error) not in _THERE:
                    raise self._failure(error) from error
                if not self._is_there(file):  # it was there a moment ago
                    raise InDoubt(f"{file.path}: S3 had it, and has it no more") from error
        return Accepted("stored in S3", 200, None)

    def settle(self, message: Files) -> Accepted | None:
        """See `FileTransport.settle`."""
        if all(self._is_there(file) for file in message.files):
            return Accepted("it is in S3", 200, None)
        return None

    def put(self, file: File) -> None:
        """See `FileTransport.put`."""
        try:
            self._put(file)
        except ClientError as error:
            raise self._failure(error) from error

    def probe(self) -> None:
        """See `FileTransport.probe`."""
        try:
            self._client.head_bucket(Bucket=self._bucket)
        except ClientError as error:
            raise self._failure(error) from error
        except BotoCoreError as error:
            raise InfrastructureFailure(f"S3 cannot be reached: {error}") from error

    def close(self) -> None:
        """The client is shared."""

    def _put(self, file: File, **condition: str) -> None:
        """S3 holds the checksum against what it has received, and keeps it."""
        digest = base64.b64encode(bytes.fromhex(file.sha256)).decode("ascii")
        try:
            more: dict[str, Any] = {**self._protection.arguments(self._now()), **condition}
            self._client.put_object(
                Bucket=self._bucket,
                Key=self._prefix + file.path,
                Body=cast("Any", file.content),
                ContentType=file.content_type,
                ChecksumAlgorithm="SHA256",  # Object Lock wants the algorithm too
                ChecksumSHA256=digest,
                **more,
            )
        except (EndpointConnectionError, ConnectTimeoutError) as error:
            raise InfrastructureFailure(f"S3 cannot be reached: {error}") from error
        except BotoCoreError as error:
            raise InDoubt(f"S3 did not answer: {error}") from error

    def _is_there(self, file: File) -> bool:
        """Whether the same bytes are there; False for none. Raises PermanentFailure for others."""
        key = self._prefix + file.path
        try:
            found = self._client.head_object(Bucket=self._bucket, Key=key, ChecksumMode="ENABLED")
            digest: str | None = found.get("ChecksumSHA256")
            if digest is None:  # an object of another origin
                body = self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read()
                digest = base64.b64encode(hashlib.sha256(body).digest()).decode("ascii")
        except ClientError as error:
            if _code(error) in _NONE:
                return False
            raise self._failure(error) from error
        except BotoCoreError as error:
            raise InfrastructureFailure(f"S3 cannot be reached: {error}") from error
        if base64.b64decode(digest).hex() != file.sha256:
            raise PermanentFailure(f"{file.path} is in S3 already, with other bytes")
        return True

    def _failure(self, error: ClientError) -> DeliveryFailure:
        code = _code(error)
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        if code in _THROTTLED or status == 429:
            return Throttled(f"S3 asks to slow down ({code})", code=status, enhanced=code)
        return InfrastructureFailure(f"S3 refuses access to {self._bucket}: {error}", code=status, enhanced=code)


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
