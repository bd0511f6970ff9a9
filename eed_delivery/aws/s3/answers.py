"""What S3 says, and the class each answer falls into.

- Error codes: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
- 409 and 412 of conditional writes: https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
- KMS: https://docs.aws.amazon.com/kms/latest/APIReference/CommonErrors.html, passed on by S3 with "KMS." before it
- Regions: https://docs.aws.amazon.com/AmazonS3/latest/userguide/Redirects.html
"""

from collections.abc import Mapping

from botocore.exceptions import BotoCoreError, ClientError

from eed_delivery.aws.unanswered import may_have_arrived
from eed_delivery.errors import (
    DeliveryFailure,
    InDoubt,
    InfrastructureFailure,
    PermanentFailure,
    Throttled,
    TransientFailure,
)
from eed_delivery.untrusted import clean

TAKEN = 412
"""The answer to `If-None-Match: *` where an object has the key."""
MISSING = 404

_RIGHTS = "Check the role's policy, the bucket's policy, and the key's (docs/channels.md)"
_REGION = "Set region to the bucket's"
_KEYS = "Check the credentials of [aws]"
_KMS = "Check kms_key, and that the role may use it"
_CLOCK = "Set the clock of this host"
_BUCKET = "Check bucket"
_FOR_ALL = frozenset({_REGION, _KEYS, _CLOCK, _BUCKET})
"""What any file would have got."""
_LOCK = "Object Lock must be on in the bucket, and the role needs s3:PutObjectRetention"

_Meaning = tuple[type[DeliveryFailure], str]
ANSWERS: Mapping[str, _Meaning] = {
    "SlowDown": (Throttled, "S3 gets more requests than it wants for this prefix"),
    "ServiceUnavailable": (Throttled, "S3 cannot take the request now"),
    "RequestLimitExceeded": (Throttled, "Too many requests"),
    "KMS.ThrottlingException": (Throttled, "KMS gets too many requests. A bucket key in the bucket needs fewer"),
    "ConditionalRequestConflict": (TransientFailure, "Another client writes the same key. It is tried again"),
    "OperationAborted": (TransientFailure, "Another client changes the same. It is tried again"),
    "BadDigest": (TransientFailure, "The bytes changed on their way. It is tried again"),
    "XAmzContentSHA256Mismatch": (TransientFailure, "The bytes changed on their way. It is tried again"),
    "IncompleteBody": (TransientFailure, "Not all bytes arrived. It is tried again"),
    "RequestTimeout": (TransientFailure, "The upload was too slow. It is tried again"),
    "EntityTooLarge": (PermanentFailure, "An object of one PUT has at most 5 GB"),
    "KeyTooLongError": (PermanentFailure, "Shorten the path or the prefix"),
    "AccessDenied": (InfrastructureFailure, _RIGHTS),
    "AllAccessDisabled": (InfrastructureFailure, _RIGHTS),
    "AccountProblem": (InfrastructureFailure, "Ask AWS"),
    "InvalidAccessKeyId": (InfrastructureFailure, _KEYS),
    "SignatureDoesNotMatch": (InfrastructureFailure, _KEYS),
    "ExpiredToken": (InfrastructureFailure, _KEYS),
    "InvalidToken": (InfrastructureFailure, _KEYS),
    "RequestTimeTooSkewed": (InfrastructureFailure, _CLOCK),
    "NoSuchBucket": (InfrastructureFailure, _BUCKET),
    "InvalidBucketName": (InfrastructureFailure, _BUCKET),
    "PermanentRedirect": (InfrastructureFailure, _REGION),
    "TemporaryRedirect": (InfrastructureFailure, "The bucket is new. Wait until its name is known"),
    "AuthorizationHeaderMalformed": (InfrastructureFailure, _REGION),
    "IllegalLocationConstraintException": (InfrastructureFailure, _REGION),
    "InvalidStorageClass": (InfrastructureFailure, "Check storage_class"),
    "InvalidTag": (InfrastructureFailure, "Check tags"),
    "InvalidRequest": (InfrastructureFailure, _LOCK),
    "ObjectLockConfigurationNotFoundError": (InfrastructureFailure, _LOCK),
    "NotImplemented": (InfrastructureFailure, "The store lacks conditional writes, which are needed"),
    "QuotaExceeded": (InfrastructureFailure, "The quota of the store is used up"),
    "XMinioStorageFull": (InfrastructureFailure, "The store's disk is full"),
}
"""By error code: the class, and what to do. The last three are of other stores than AWS."""
_BY_STATUS: Mapping[int, _Meaning] = {
    301: ANSWERS["PermanentRedirect"],
    307: ANSWERS["TemporaryRedirect"],
    401: (InfrastructureFailure, _KEYS),
    403: (InfrastructureFailure, _RIGHTS),
    404: ANSWERS["NoSuchBucket"],
    429: ANSWERS["SlowDown"],
    501: ANSWERS["NotImplemented"],
    503: ANSWERS["ServiceUnavailable"],
    507: (InfrastructureFailure, "The store is full"),
}
"""For codes that are new to us, and answers to HEAD, which have no body."""


def status_of(error: ClientError) -> int:
    """The HTTP status; 0 if there is none."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def refused(error: ClientError, action: str, bucket: str, region: str) -> DeliveryFailure:
    """The class of an error answer. A 5xx that is not known for a no is in doubt: the object may be there."""
    detail = error.response.get("Error", {})
    status, code = status_of(error), str(detail.get("Code", ""))
    kind, remedy = _meaning(code, status)
    for_all = remedy in _FOR_ALL
    other = _other_region(error, region)
    if other and _BY_STATUS[301] in ((kind, remedy), _meaning("", status)):
        remedy = f'The bucket is in {other}. Set region = "{other}"'
    said = clean(f"S3 {status} {code}: {detail.get('Message', '')}").rstrip(". ")
    reply = f"S3 does not {action} {bucket}: {said}. {remedy}"
    if issubclass(kind, TransientFailure | PermanentFailure):  # no code: no mail server has said it of a recipient
        return kind(reply)
    return kind(reply, code=status, enhanced=clean(code) or None, for_all=for_all)


def broken(error: BotoCoreError, action: str, bucket: str) -> DeliveryFailure:
    """The class of a call that got no whole answer."""
    text = clean(f"S3, {action} {bucket}: {error}")
    return InDoubt(text) if may_have_arrived(error) else InfrastructureFailure(text)


def untold(failure: DeliveryFailure) -> DeliveryFailure:
    """A failure of a question: while S3 does not say what is there, it is S3's and not the file's."""
    if isinstance(failure, Throttled | InfrastructureFailure):
        return failure
    return InfrastructureFailure(failure.reply, code=failure.code, enhanced=failure.enhanced, for_all=failure.for_all)


def _meaning(code: str, status: int) -> _Meaning:
    if code in ANSWERS:
        return ANSWERS[code]
    if code.startswith("KMS."):
        return InfrastructureFailure, _KMS
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    return (InDoubt, "It is asked for") if status >= 500 else (TransientFailure, "It is tried again")


def _other_region(error: ClientError, region: str) -> str:
    """The bucket's region, where the answer says that it is another one."""
    headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    told = str(headers.get("x-amz-bucket-region") or error.response.get("Error", {}).get("Region") or "")
    return clean(told) if told != region else ""
