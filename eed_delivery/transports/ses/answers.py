"""What SES says, and what happens to a call that gets no answer, by the class each falls into.

Error codes: https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html and
CommonErrors.html there."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

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

THROTTLING = frozenset(
    {"TooManyRequestsException", "ThrottlingException", "Throttling", "RequestThrottled", "LimitExceededException"}
)
"""SES throttles with ThrottlingException or TooManyRequestsException; the daily quota comes under the same
codes and differs only in its text:
https://docs.aws.amazon.com/ses/latest/dg/manage-sending-quotas-errors.html"""

ACCOUNT = frozenset(
    {
        # The account may not send.
        "AccountSuspendedException",
        "AccountSendingPausedException",
        "SendingPausedException",
        "ConfigurationSetSendingPausedException",
        # The configuration set named in [ses] is not there.
        "NotFoundException",
        "ConfigurationSetDoesNotExist",
        "ConfigurationSetDoesNotExistException",
        # Credentials, rights and the host's clock.
        "AccessDenied",
        "AccessDeniedException",
        "NotAuthorized",
        "UnrecognizedClientException",
        "InvalidClientTokenId",
        "InvalidAccessKeyId",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "IncompleteSignature",
        "IncompleteSignatureException",
        "SignatureDoesNotMatch",
        "InvalidSignatureException",
        "ExpiredToken",
        "ExpiredTokenException",
        "RequestExpired",
        "RequestTimeTooSkewed",
        "OptInRequired",
    }
)
"""The same for every email and recipient."""

MESSAGE = frozenset(
    {
        "MessageRejected",
        "BadRequestException",
        "ValidationException",
        "ValidationError",
        "InvalidParameterValue",
        # An unverified sender is its job's mistake. Were it called infrastructure, one job would stop all
        # the others, and the breaker would never settle: the probe cannot see it. As a permanent answer it
        # shows its reason, and the worker pauses the job when most of its emails get it. MessageRejected
        # comes for the same thing too ("Email address is not verified"), so both are treated alike.
        "MailFromDomainNotVerifiedException",
    }
)
"""This message, its recipient or its job's sender."""

_DAILY_QUOTA = re.compile(r"daily (?:message|sending) quota", re.IGNORECASE)
_ACCOUNT_PAUSED = re.compile(r"\bsending (?:is )?(?:currently )?(?:paused|suspended|disabled)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class SesAccount:
    """What GetAccount says. `max_send_rate` is emails a second, `max_24_hour_send` emails in 24 hours (-1:
    no limit)."""

    max_send_rate: float
    max_24_hour_send: float
    sent_last_24_hours: float
    sending_enabled: bool


def account_from(response: Mapping[str, Any]) -> SesAccount:
    """A GetAccount response in our words. What is missing counts as 0, and sending as disabled."""
    quota = response.get("SendQuota") or {}
    return SesAccount(
        max_send_rate=float(quota.get("MaxSendRate", 0)),
        max_24_hour_send=float(quota.get("Max24HourSend", 0)),
        sent_last_24_hours=float(quota.get("SentLast24Hours", 0)),
        sending_enabled=bool(response.get("SendingEnabled", False)),
    )


def refused_call(error: ClientError) -> DeliveryFailure:
    """The class of an error answer.

    An HTTP 5xx is in doubt whatever it says, because the message may have been taken.
    """
    detail = error.response.get("Error", {})
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    # "com.amazonaws…#ThrottlingException:http://…" in some answers: the name is what counts.
    code = str(detail.get("Code", "")).rsplit("#", 1)[-1].split(":", 1)[0]
    text = str(detail.get("Message", ""))
    kind = _kind(code, text, status)
    for_all = kind is Throttled or _DAILY_QUOTA.search(text) is not None
    return kind(clean(f"SES {status} {code}: {text}"), code=status, enhanced=clean(code) or None, for_all=for_all)


def _kind(code: str, text: str, status: int) -> type[DeliveryFailure]:
    if not 400 <= status <= 499:
        return InDoubt
    if _DAILY_QUOTA.search(text) or _ACCOUNT_PAUSED.search(text) or code in ACCOUNT:
        return InfrastructureFailure
    if code in THROTTLING or status == 429:
        return Throttled
    if code in MESSAGE or status == 413:
        return PermanentFailure
    if status in (401, 403, 404, 407):
        return InfrastructureFailure
    # A code that is new to us. A 4xx is a definite no; whose fault it is we cannot say. So it is tried
    # again, but not for ever.
    return TransientFailure


def broken_call(error: BotoCoreError) -> DeliveryFailure:
    """The class of a call that got no whole answer."""
    text = clean(f"SES: {error}")
    if isinstance(error, ParamValidationError):
        return PermanentFailure(text)
    if may_have_arrived(error):
        return InDoubt(text)
    # Credentials, region, endpoint, no connection, no TLS: the request was never written.
    return InfrastructureFailure(text)
