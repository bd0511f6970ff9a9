"""The section `[shadow]`: where the old server leaves what it has sent, and what may differ from it."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from eed_delivery.config.formats import OptionalColumn, mistake
from eed_delivery.config.section import Section
from eed_delivery.config.send_windows import ZoneName

MOST_PROCESSES = 64
_HEADER_NAME = re.compile(r"[!-9;-~]{1,76}")
COPY_KEY = re.compile(r"file_name|message_id|header:[!-9;-~]{1,76}")
ShadowField = Literal[
    "status",
    "copy",
    "recipient",
    "recipient_name",
    "sender",
    "reply_to",
    "subject",
    "header",
    "text",
    "html",
    "attachment",
    "attachment_name",
    "attachment_hash",
    "attachment_type",
]
"""What of an email is compared."""
IGNORED_HEADERS = (
    "arc-*",
    "authentication-results",
    "auto-submitted",
    "bcc",
    "cc",
    "content-*",
    "date",
    "delivered-to",
    "dkim-signature",
    "domainkey-signature",
    "envelope-to",
    "feedback-id",
    "from",
    "list-unsubscribe",
    "list-unsubscribe-post",
    "message-id",
    "mime-version",
    "received",
    "received-spf",
    "reply-to",
    "return-path",
    "subject",
    "to",
    "user-agent",
    "x-*",
)
"""Headers that differ between any two servers, or are compared by themselves."""


def _pattern(given: str) -> str:
    try:
        re.compile(given)
    except re.error as error:
        raise mistake(f"{given!r} is not a regular expression: {error}", "Correct it.") from None
    return given


def _copy_key(given: str) -> str:
    if COPY_KEY.fullmatch(given) is None:
        what = f"{given!r} does not say how the email of a copy is found"
        raise mistake(what, 'Give "file_name", "message_id", or "header:" and the name of a header.')
    return given


def _header(given: Any) -> Any:
    if not isinstance(given, str) or _HEADER_NAME.fullmatch(given) is None:
        raise mistake(f"{given!r} is not the name of a header", 'Give one, in which "*" stands for anything.')
    return given.lower()


Pattern = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_pattern)]
RuleName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=64)]
Words = Annotated[str, Field(min_length=1, max_length=255)]


class ShadowCopies(Section):
    """Copies of what the old server has sent. `eml`: files in a folder and those below it. `key` says how the email of
    one is found: `file_name` is its key and `.eml`, `message_id` is in the mapped column, `header:NAME` has its key.
    """

    path: Path
    kind: Literal["eml", "maildir", "mbox"] = "eml"
    key: Annotated[str, AfterValidator(_copy_key)] = "file_name"


class ShadowRule(Section):
    """What is made the same in both emails before they are compared. `to` may name groups of `pattern`, as in a
    replacement of Python's `re`. With `unquote` the result is percent-decoded, as is a link behind a tracking link.
    """

    name: RuleName
    field: Literal["subject", "text", "html", "body"] = "body"
    pattern: Pattern
    to: Annotated[str, Field(max_length=500)] = ""
    unquote: bool = False


class ShadowAcceptance(Section):
    """A difference that is accepted: its field, what its description has, by whom, and why."""

    name: RuleName
    field: ShadowField
    pattern: Pattern
    by: Words
    reason: Words


class ShadowSettings(Section):
    """`copy_column` is a column of the table of emails that has what was sent. `relay_logs` are paths, in which *
    stands for anything. `relay_log_zone` is of times that name none. `settle_seconds` is how long after a job's end it
    is compared. A job that does not move for `patience_seconds` is compared as it stands. `processes` render.
    """

    copies: Annotated[tuple[ShadowCopies, ...], Field(max_length=20)] = ()
    copy_column: OptionalColumn = ""
    relay_logs: Annotated[tuple[Words, ...], Field(max_length=20)] = ()
    relay_log_zone: ZoneName = "UTC"
    settle_seconds: Annotated[float, Field(ge=0, le=86_400)] = 60.0
    patience_seconds: Annotated[float, Field(ge=60, le=604_800)] = 21_600.0
    processes: Annotated[int, Field(ge=1, le=MOST_PROCESSES)] = 1
    ignored_headers: tuple[Annotated[str, BeforeValidator(_header)], ...] = IGNORED_HEADERS
    rules: Annotated[tuple[ShadowRule, ...], Field(max_length=100)] = ()
    accepted: Annotated[tuple[ShadowAcceptance, ...], Field(max_length=200)] = ()
