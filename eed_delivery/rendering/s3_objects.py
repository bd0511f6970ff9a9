"""Attachments from S3, only below the prefixes that the configuration allows."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from eed_delivery.errors import InfrastructureFailure, RenderError, Throttled
from eed_delivery.rendering.local_files import check_length

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

SCHEME = "s3://"

# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
_THROTTLED = frozenset({"SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequests"})
_THIS_OBJECT: Mapping[str, str] = {
    "NoSuchKey": "there is no such object",
    "404": "there is no such object",
    "InvalidObjectState": "it is archived, and must be restored first",
    "KeyTooLongError": "its key is too long",
    "AccessDenied": "there is no such object, or this service may not read it (s3:ListBucket tells them apart)",
    "403": "there is no such object, or this service may not read it (s3:ListBucket tells them apart)",
}
"""Faults of one object. Without s3:ListBucket S3 answers AccessDenied for a missing key, so that must not stop
other emails; when it is the role, every email says so, and the worker pauses the job for that.
Every other code (credentials, bucket, KMS, 5xx) is the way's fault, not the email's."""


def read_object(client: "S3Client | None", allowed: Sequence[str], location: str, limit: int) -> bytes:
    """The content of `s3://bucket/key`.

    Raises RenderError for what is wrong with this object, Throttled or InfrastructureFailure when S3 is.
    """
    bucket, key = _split(location)
    if client is None or not any(_inside(location, prefix) for prefix in allowed):
        raise RenderError(f"attachment {location!r}: it is not below one of rendering.attachments_s3")
    try:
        answer = client.get_object(Bucket=bucket, Key=key)
        check_length(answer["ContentLength"], location, limit)
        return _read_at_most(answer["Body"], limit + 1)  # botocore raises if it ends before its ContentLength
    except ClientError as error:
        raise _failure(error, location) from error
    except BotoCoreError as error:
        raise InfrastructureFailure(f"S3 cannot be reached for an attachment: {error}") from error


def _split(location: str) -> tuple[str, str]:
    bucket, _, key = location.removeprefix(SCHEME).partition("/")
    if not bucket or not key or {".", ".."} & set(key.split("/")):
        raise RenderError(f"attachment {location!r} is not a place in S3 like s3://bucket/key")
    return bucket, key


def _inside(location: str, prefix: str) -> bool:
    """True below `prefix` as a directory. s3://bank/statements does not allow s3://bank/statements-2024/x."""
    return location.startswith(f"{prefix.rstrip('/')}/")


def _read_at_most(body: Any, limit: int) -> bytes:
    pieces, left = [], limit
    try:
        while left > 0 and (piece := body.read(min(left, 1 << 20))):
            pieces.append(piece)
            left -= len(piece)
    finally:
        body.close()
    return b"".join(pieces)


def _failure(error: ClientError, location: str) -> RenderError | Throttled | InfrastructureFailure:
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    if code in _THROTTLED or status == 429:
        return Throttled(f"S3 asks to slow down ({code})", code=status, enhanced=code)
    if code in _THIS_OBJECT:
        return RenderError(f"attachment {location!r}: {_THIS_OBJECT[code]}", code=status, enhanced=code)
    return InfrastructureFailure(f"S3 refuses access to attachments: {error}", code=status, enhanced=code)
