"""Values that several requests have. One rule checks each, on every surface."""

from datetime import datetime, timedelta

from eed_delivery.addresses import NotAnAddress, listed, wire_form
from eed_delivery.operations.refusals import InvalidRequest
from eed_delivery.source.values import CATEGORY_LENGTH

REASON_LENGTH = 400
EVIDENCE_LENGTH = 200
"""As long as a text of the audit's particulars."""


def reason(value: str) -> str:
    """A reason in one line, as the ledger keeps it. Raises `InvalidRequest`."""
    line = " ".join(value.split())
    if not line or not line.isprintable() or len(line) > REASON_LENGTH:
        raise InvalidRequest(f"give a reason of 1 to {REASON_LENGTH} printable characters", which="reason")
    return line


def evidence(value: str) -> str:
    """Where a recipient's wish is kept, in one line. Raises `InvalidRequest`."""
    line = " ".join(value.split())
    if not line or not line.isprintable() or len(line) > EVIDENCE_LENGTH:
        what = f"evidence has 1 to {EVIDENCE_LENGTH} printable characters, and says where the recipient's wish is kept"
        raise InvalidRequest(what, which="evidence")
    return line


def address(value: str) -> str:
    """An address that an email can go to. Raises `InvalidRequest`."""
    try:
        wire_form(value)
    except NotAnAddress as error:
        raise InvalidRequest(f"{value!r} is not an address: {error}", which="address") from error
    return value.strip()


def listed_address(value: str) -> str:
    """One address that can be mailed, or *@domain. Raises `InvalidRequest`."""
    try:
        listed(value)
    except NotAnAddress as error:
        raise InvalidRequest(f"{value!r} is not an address: {error}", which="address") from error
    return value.strip()


def domain(value: str) -> str:
    """A domain, with or without what stands before it. Raises `InvalidRequest`."""
    name = value.rpartition("@")[2]
    try:
        return listed(f"@{name}").removeprefix("@")
    except NotAnAddress as error:
        raise InvalidRequest(f"{value!r} is not a domain: {error}", which="domain") from error


def category(value: str) -> str:
    """The name of a category, as jobs have it. Raises `InvalidRequest`."""
    name = value.strip()
    if not name.isprintable() or len(name) > CATEGORY_LENGTH:
        raise InvalidRequest(f"a category has up to {CATEGORY_LENGTH} printable characters", which="category")
    return name


def seconds_before(moment: float | datetime | None, now: datetime) -> float | None:
    """How long ago `moment` was.

    Seconds stay unchanged, and a time with its zone is counted by `now`, the database's clock.
    """
    if not isinstance(moment, datetime):
        return moment
    return max(0.0, (now - moment.replace(tzinfo=None)).total_seconds())


def moment_after(wait: float | datetime | None, now: datetime) -> datetime | None:
    """When `wait` is over, in UTC without a zone. It is seconds from `now`, the database's clock, or a time in UTC."""
    if wait is None:
        return None
    return wait.replace(tzinfo=None) if isinstance(wait, datetime) else now + timedelta(seconds=wait)


def seconds_until_moment(wait: float | datetime | None, now: datetime) -> float | None:
    """How long until `wait` is over: seconds unchanged, and a time in UTC by `now`, the database's clock."""
    if not isinstance(wait, datetime):
        return wait
    return (wait.replace(tzinfo=None) - now).total_seconds()
