"""What single values must look like. Each check raises a mistake that says what is wrong, and what would be right."""

import re
from ipaddress import ip_address
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
HOST_NAME = re.compile(rf"(?=.{{1,253}}$){LABEL}(\.{LABEL})*")
ADDRESS = re.compile(r"[^\s@<>\"(),:;\[\]\\]{1,64}@(?P<domain>[^@\s]+)")
BASE_URL = re.compile(r"https://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~-]+)*/?")
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
S3_PREFIX = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^\s]*)?")
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-queue-message-identifiers.html
SQS_HOST = re.compile(r"(sqs\.(?P<new>[a-z0-9-]+)|(?P<old>[a-z0-9-]+)\.queue)\.amazonaws\.com(\.cn)?")
MAX_BASE_URL = 200
"""Characters: a whole one-click address is one line of a header, which ends at 998 (RFC 5322, section 2.1.1)."""


def mistake(what: str, remedy: str) -> PydanticCustomError:
    """An error in a value that carries both halves of a `Problem`."""
    return PydanticCustomError("mistake", "{what}. {remedy}", {"what": what, "remedy": remedy})


def _region(text: str) -> str:
    try:
        return normalise_region(text)
    except ValueError as error:
        raise mistake(f"{text!r} is not an AWS region", f"{error}.") from None


def _http_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        host, secret = parts.hostname, parts.username or parts.password
    except ValueError:
        host = secret = None
    if secret:
        raise mistake("there is a user or password in the address", "Remove them. They are not used.")
    if not host or not text.startswith(("https://", "http://")) or re.search(r"\s", text):
        raise mistake(f"{text!r} is not a web address", "Give one that begins with https:// and names a host.")
    return text


def _base_url(text: str) -> str:
    """What signed links begin with. RFC 8058, section 3.1, wants https for the one-click address."""
    _http_url(text)
    if not BASE_URL.fullmatch(text) or len(text) > MAX_BASE_URL:
        raise mistake(
            f"{text!r} cannot be the base URL of links in emails",
            "Give https:// and a host, like https://links.example.com. A port and a plain path are allowed.",
        )
    return text


def _queue_url(text: str) -> str:
    _http_url(text)
    if not urlsplit(text).path.strip("/"):
        raise mistake(
            f"{text!r} names no queue",
            "Give the queue's URL, like https://sqs.us-east-2.amazonaws.com/123456789012/eed-delivery.",
        )
    if text.endswith(".fifo"):
        raise mistake(
            "this is a FIFO queue",
            "Use a standard queue. In a FIFO queue, one slow email delays every other email of its job.",
        )
    return text


def region_of_queue(url: str) -> str | None:
    """The region that an SQS queue URL names. None for an emulator or a private endpoint."""
    found = SQS_HOST.fullmatch(urlsplit(url).hostname or "")
    return (found["new"] or found["old"]) if found else None


def _host_name(text: str) -> str:
    if not HOST_NAME.fullmatch(text):
        raise mistake(f"{text!r} is not a host name", "Give a name like mail.example.com.")
    return text


def _mail_host(text: str) -> str:
    return text if _is_ip_address(text) else _host_name(text)


def _helo_name(text: str) -> str:
    """A name, or an address literal in brackets (RFC 5321, section 4.1.3)."""
    literal = text[1:-1].removeprefix("IPv6:") if text.startswith("[") and text.endswith("]") else ""
    return text if _is_ip_address(literal) else _host_name(text)


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine itself by its name or address. What goes there passes no network."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _is_ip_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _endpoint(text: str) -> str:
    host, colon, port = text.rpartition(":")
    host = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not colon or not _is_ip_address(host) or not re.fullmatch(r"[1-9][0-9]{0,4}", port) or int(port) > 65_535:
        raise mistake(f"{text!r} is not an IP address and a port", "Give them like 127.0.0.1:2424 or [::1]:2424.")
    return text


def host_and_port(endpoint: str) -> tuple[str, int]:
    """The two parts of an `Endpoint`."""
    host, _, port = endpoint.rpartition(":")
    return host.strip("[]"), int(port)


def _address(text: str) -> str:
    found = ADDRESS.fullmatch(text)
    if found is None or not HOST_NAME.fullmatch(found["domain"]):
        raise mistake("this is not an email address", "Give a bare address, like bounces@example.com.")
    return text


def _s3_prefix(text: str) -> str:
    if not S3_PREFIX.fullmatch(text):
        raise mistake(f"{text!r} is not a place in S3", "Give s3://bucket or s3://bucket/prefix.")
    return text


def _unsubscribe(text: str) -> str:
    if not re.fullmatch(r"<(https|mailto):[^<>\r\n]+>(, ?<(https|mailto):[^<>\r\n]+>)*", text):
        raise mistake(
            "List-Unsubscribe must hold https: or mailto: links in angle brackets (RFC 2369, section 2)",
            'Give, for example, "<https://example.com/unsubscribe/{{ email_id }}>".',
        )
    return text


def _rate(value: Any) -> Any:
    if value == "ses":
        return value
    try:
        rate = float(value) if not isinstance(value, bool) else -1
    except (TypeError, ValueError):
        rate = -1
    if not 0 <= rate < float("inf"):
        raise mistake(
            f"{value!r} is not a rate",
            'Give emails per second, 0 for no limit, or "ses" for the rate that SES allows the account.',
        )
    return rate


def _status(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | str) or value == "":
        raise mistake(f"{value!r} is not a status", "Give the word or the whole number that the column holds.")
    return value


def _table(text: str) -> str:
    parts = text.split(".")
    if len(parts) > 2:
        raise mistake(f"{text!r} is not a table name", "Give the table, or schema.table.")
    for part in parts:
        _identifier(part)
    return text


def _column(text: str) -> str:
    if "." in text:
        raise mistake(f"{text!r} is not a column name", "Give the column alone, without its table.")
    return _identifier(text)


def _identifier(text: str) -> str:
    """Any name that MySQL takes in quotes, reserved words too.

    https://dev.mysql.com/doc/refman/8.0/en/identifiers.html
    """
    if not text or text != text.strip():
        raise mistake(f"{text!r} is not a name", "Give a name that is not empty and has no space at its ends.")
    if len(text) > 64:
        raise mistake(f"{text!r} is longer than 64 characters", "Give the name that the database has.")
    if not text.isprintable() or "`" in text or '"' in text:
        raise mistake(f"{text!r} holds a quote or an unprintable character", "Give the name without quotes.")
    return text


def _optional(text: str) -> str:
    return _column(text) if text else text


Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
SecondsOrNone = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Region = Annotated[str, AfterValidator(_region)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
BaseUrl = Annotated[str, AfterValidator(_base_url)]
QueueUrl = Annotated[str, AfterValidator(_queue_url)]
HostName = Annotated[str, AfterValidator(_host_name)]
MailHost = Annotated[str, AfterValidator(_mail_host)]
HeloName = Annotated[str, AfterValidator(_helo_name)]
Endpoint = Annotated[str, AfterValidator(_endpoint)]
Address = Annotated[str, AfterValidator(_address)]
S3Prefix = Annotated[str, AfterValidator(_s3_prefix)]
Unsubscribe = Annotated[str, AfterValidator(_unsubscribe)]
Table = Annotated[str, AfterValidator(_table)]
OptionalTable = Annotated[str, AfterValidator(lambda text: _table(text) if text else text)]
Column = Annotated[str, AfterValidator(_column)]
OptionalColumn = Annotated[str, AfterValidator(_optional)]
Status = Annotated[int | str, BeforeValidator(_status)]
Rate = Annotated[float | Literal["ses"], BeforeValidator(_rate)]


# us-east-2, us-gov-west-1, us-iso-east-1, eusc-de-east-1; the shape only, so that a new region needs no new release.
# https://docs.aws.amazon.com/general/latest/gr/rande.html
REGION = re.compile(r"[a-z]{2,4}(-[a-z]{2,12}){1,2}-[0-9]{1,2}")
AVAILABILITY_ZONE = re.compile(rf"({REGION.pattern})[a-z]")


def normalise_region(text: str) -> str:
    """The region in AWS's own spelling. `US_EAST_2` and `us_east_2`, as Java projects write it, become `us-east-2`.

    Raises ValueError, with what would be right, for anything that cannot be a region.
    """
    region = text.strip().lower().replace("_", "-")
    if REGION.fullmatch(region):
        return region
    if zone := AVAILABILITY_ZONE.fullmatch(region):
        raise ValueError(f"This is an availability zone. Its region is {zone[1]}")
    raise ValueError("A region looks like us-east-2")
