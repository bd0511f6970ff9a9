"""The terms that all packages share: jobs, emails, their states and what a transport can answer.

Frozen data, no I/O.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from mmap import mmap
from typing import Any

from eed_delivery.light_dataclass import light_dataclass


class EmailState(StrEnum):
    """Where one email stands. `TRANSITIONS` says which steps are possible."""

    PENDING = "pending"  # in the ledger, no message in the queue yet
    QUEUED = "queued"  # SQS has taken a message for it
    SENDING = "sending"  # a worker holds it under a lease and a fencing token
    SENT = "sent"  # the mail server or SES said yes
    FAILED = "failed"  # a permanent no, or out of attempts; can be requeued
    IN_DOUBT = "in_doubt"  # the connection died after the wire: sent or not is unknown
    SUPPRESSED = "suppressed"  # the address is on the suppression list
    CANCELLED = "cancelled"  # its job was cancelled or expired


END_STATES = frozenset(
    {EmailState.SENT, EmailState.FAILED, EmailState.IN_DOUBT, EmailState.SUPPRESSED, EmailState.CANCELLED}
)
OPEN_STATES = frozenset(EmailState) - END_STATES

TRANSITIONS: Mapping[EmailState, frozenset[EmailState]] = {
    EmailState.PENDING: frozenset(
        {EmailState.QUEUED, EmailState.SENDING, EmailState.CANCELLED, EmailState.FAILED, EmailState.SENT}
    ),
    EmailState.QUEUED: frozenset(
        {EmailState.PENDING, EmailState.SENDING, EmailState.CANCELLED, EmailState.FAILED, EmailState.SENT}
    ),
    EmailState.SENDING: frozenset(EmailState),
    EmailState.IN_DOUBT: frozenset({EmailState.SENT, EmailState.FAILED, EmailState.PENDING}),
    EmailState.FAILED: frozenset({EmailState.PENDING}),
    # Only where `source.job.known_rows` says so, and with a new generation: the source wants the row sent once more.
    EmailState.SENT: frozenset({EmailState.PENDING}),
    EmailState.SUPPRESSED: frozenset({EmailState.PENDING}),
    EmailState.CANCELLED: frozenset({EmailState.PENDING}),
}


DEFAULT_CHANNEL = "default"
"""The channel of every job that names none."""


class JobState(StrEnum):
    """Where one job stands. Only an ACTIVE job is given the wire."""

    ACTIVE = "active"
    PAUSED = "paused"
    HELD = "held"  # there is no channel of its name; it goes on by itself once there is
    CANCELLED = "cancelled"
    FAILED = "failed"  # nothing can be sent: a template does not compile, say
    FINISHED = "finished"


class HoldScope(StrEnum):
    """What kind of thing a person holds."""

    ALL = "all"
    CHANNEL = "channel"
    CATEGORY = "category"
    DOMAIN = "domain"  # of the recipients


@dataclass(frozen=True, slots=True)
class HoldTarget:
    """What is held: everything, or the channel, category or domain that `subject` names."""

    scope: HoldScope
    subject: str = ""


class WindowScope(StrEnum):
    """What a person opens for a while although its send windows are closed."""

    ALL = "all"
    CHANNEL = "channel"
    CATEGORY = "category"
    JOB = "job"


@dataclass(frozen=True, slots=True)
class WindowTarget:
    """What is opened: everything, or the channel, category or job that `subject` names."""

    scope: WindowScope
    subject: str = ""


class Verdict(StrEnum):
    """The class of an answer (docs/design.md#the-answers-table). It decides what happens next."""

    SENT = "sent"
    TEMPORARY = "temporary"  # retry later, counted
    PERMANENT = "permanent"  # failed at once
    THROTTLED = "throttled"  # slow down; not the recipient's fault, not counted
    INFRASTRUCTURE = "infrastructure"  # the breaker opens; not counted
    IN_DOUBT = "in_doubt"  # died after the wire


OUR_PREFIX = "eed_"
"""Template variables that begin like this are ours; no email may bring one."""


class Concerns(StrEnum):
    """Whom an answer concerns. This is decided before what follows from it."""

    RECIPIENT = "recipient"  # or this one email's content
    JOB = "job"  # its sender: every email of the job would get it
    OTHERS = "others"  # not the recipient: their domain, or all recipients. What others get decides
    EVERYBODY = "everybody"  # the relay, our address, the account


NEUTRAL = frozenset({Verdict.THROTTLED, Verdict.INFRASTRUCTURE})
"""Verdicts that cost no attempt (G4)."""


@dataclass(frozen=True, slots=True)
class PutFile:
    """A file that is in its store, without its content. `size`: bytes. `sha256`: in hexadecimal digits."""

    path: str
    size: int
    sha256: str


@light_dataclass
class Outcome:
    """What one attempt came to.

    `reply` is for people and is kept in the ledger. `code` is the SMTP reply code or HTTP status, and `enhanced` the
    RFC 3463 status ("5.1.1") or the SES error code. `message_id` is the provider's id of an accepted email.
    """

    verdict: Verdict
    reply: str = ""
    code: int | None = None
    enhanced: str | None = None
    message_id: str | None = None
    for_all: bool = False  # any email would have got it: it says nothing about this one
    concerns: Concerns = Concerns.RECIPIENT
    again: int = 0  # how often this process had it for the same email before, uncounted
    sha256: bytes | None = None  # of the content that was handed to the transport; None: there was no wire
    copy_lost: bool = False  # an archive is set, and no copy could be kept for it
    files: tuple[PutFile, ...] = ()  # what was put, by a channel that puts files


@light_dataclass
class AttachmentRef:
    """An attachment as the source names it. `location` is a path below the attachments root, or `s3://bucket/key`."""

    location: str
    filename: str | None = None
    content_type: str | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A job as the ledger and the source know it together. It holds what every one of its emails shares.

    `revision` grows whenever an operator requeues or resumes, so that cached templates are read anew.
    `category` is what its recipients may want no more of, as the suppression list names it. "" means none.
    `name` is for people. `created_at` is when the ledger received it, in UTC. None means that it is not known.
    """

    job_id: int
    key: str
    revision: int
    sender: str
    subject: str
    reply_to: str | None = None
    html_template: str | None = None
    text_template: str | None = None
    attachments: tuple[AttachmentRef, ...] = ()
    category: str = ""
    track_opens: bool = False
    track_clicks: bool = False
    name: str = ""
    created_at: datetime | None = None


RESENT_AS = "~"
"""Between the key of an email and the number of its resend: "1047~2" is the second one of 1047."""
KEY_LENGTH = 191
"""Characters of a text key of the source that the ledger keeps."""
LARGEST_KEY = 2**63 - 1
"""The largest number that it keeps, signed 64-bit: https://dev.mysql.com/doc/refman/8.0/en/integer-types.html"""
RESEND_IDS = range(2**53 - 2**32, 2**53)
"""The numbers of resends where the source has numbers: no row of the source may have one of these. They are the last
that every reader of JSON keeps exactly (RFC 8259, section 6), and far beyond those of any counter."""


def content_key(key: str, resend_of: int | None) -> str:
    """The key of the source's row that an email's content comes from. It is its own, or a resend's original's."""
    return key if resend_of is None else key.rpartition(RESENT_AS)[0]


@light_dataclass
class Email:
    """One email that a worker has claimed, with its place in the ledger (ids, token, counts) and its content from the
    source.

    `variables` is what the source's column held, JSON text or an object the driver has decoded already. `columns` are
    further source columns offered to the templates by name.

    `resend_of` is the email that an operator had sent once more. This one has its content, and a key of its own.
    `redirected` means that it goes to `recipient`, whatever the source says. `refused_before` means that its last try
    ended with an answer after which it is tried again.
    """

    email_id: int
    job_id: int
    key: str
    gen: int
    token: int
    attempts: int
    recipient: str
    recipient_name: str | None = None
    variables: Any = None
    columns: Mapping[str, Any] = field(default_factory=dict)
    attachments: tuple[AttachmentRef, ...] = ()
    settled_elsewhere: bool = False  # the source's status no longer says that it is to be sent
    problem: str = ""  # why its content in the source cannot be used; it fails with that
    resend_of: int | None = None
    redirected: bool = False
    refused_before: bool = False
    job_key: str = ""

    @property
    def content_key(self) -> str:
        """The key of the source's row that its content comes from."""
        return content_key(self.key, self.resend_of)

    def log_facts(self) -> dict[str, object]:
        """What a log line about it says of it. `job` and `email` are the source's keys, the ids the ledger's."""
        return {
            "job": self.job_key,
            "job_id": self.job_id,
            "email": self.key,
            "email_id": self.email_id,
            "gen": self.gen,
        }


@dataclass(frozen=True, slots=True)
class Depth:
    """SQS's own approximate counts of a queue's messages."""

    visible: int
    in_flight: int
    delayed: int

    @property
    def empty(self) -> bool:
        return self.visible == self.in_flight == self.delayed == 0


@light_dataclass
class Ticket:
    """What one SQS message says. It names the email, its generation, and how many tries were counted before it.

    `group` is the job (SQS's MessageGroupId). With it fair queues keep one huge job from starving a small one. It
    stands beside the body, not in it, and a copy of a message has it too.
    """

    email_id: int
    gen: int
    base: int
    group: str = ""
    token: int | None = field(default=None, compare=False)  # the row's token when its message was made; not sent


@light_dataclass
class Rendered:
    """A finished message. The envelope is here as data, and is never parsed out of the headers."""

    email_id: int
    gen: int
    envelope_sender: str
    recipient: str
    message_id: str  # with its angle brackets
    content: bytes  # RFC 5322, CRLF line ends; before SMTP's dot-stuffing
    needs_smtputf8: bool = False
    rows: tuple[tuple[int, int], ...] = ()
    """Where `content` holds nothing but base64 in rows of 76 and CRLF: begin and end of each place, in order. A
    transport may trust that there are no other line ends and no leading dots."""
    missing: tuple[str, ...] = ()
    """What the templates were to print and the email had no value for, as they call it: "balance", "order.total"."""

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.content)


Content = bytes | mmap
"""Of a file. One that would not fit into memory is mapped from the disk."""


@dataclass(frozen=True, slots=True)
class File:
    """One file that a file channel puts.

    `path`: relative to the channel's root, with "/" between its parts, none of which is "", "." or "..". `sha256`: in
    hexadecimal digits.
    """

    path: str
    content: Content
    content_type: str
    sha256: str

    @property
    def as_put(self) -> PutFile:
        """What is kept of it once it is in its store."""
        return PutFile(self.path, len(self.content), self.sha256)


@dataclass(frozen=True, slots=True)
class Files:
    """What a file channel puts for one email: its documents. Each try of the email makes the same bytes of them."""

    email_id: int
    gen: int
    files: tuple[File, ...]
    missing: tuple[str, ...] = ()
    """As in `Rendered`."""

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(len(file.content) for file in self.files)


@light_dataclass
class Accepted:
    """The yes of a mail server, of SES, or of a store of files. `code` and `message_id`: None where there is none."""

    reply: str
    code: int | None
    message_id: str | None


@dataclass(frozen=True, slots=True)
class ReadyJob:
    """A job that the source says may go out.

    `key` is an int where the source has integer keys. `expires_in_seconds` is counted by the source's own clock, so
    that time zones don't matter. None means that it never expires. `recipient` is known where the job's row is its one
    email. `again` means that the ledger has finished it before. `send_window` is its own windows, in JSON.
    `due_in_seconds` is until its deadline, by the source's clock.
    """

    key: int | str
    name: str
    expires_in_seconds: float | None = None
    recipient: str | None = None
    category: str = ""
    again: bool = False
    channel: str = DEFAULT_CHANNEL
    send_window: str | None = None
    due_in_seconds: float | None = None

    @property
    def expired(self) -> bool:
        """True when it must not go out any more."""
        return self.expires_in_seconds is not None and self.expires_in_seconds <= 0


@dataclass(frozen=True, slots=True)
class WaitingJob:
    """A job that is ready by its status and whose time has not come. `scheduled_at` is in UTC, to the second. None
    means further away than any time that is meant (a schedule of the year 9999)."""

    key: int | str
    name: str
    category: str
    scheduled_at: datetime | None
    expires_in_seconds: float | None
    channel: str = DEFAULT_CHANNEL
    send_window: str | None = None
    due_in_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class SourceRow:
    """An email of the source that is not sent yet, as the ledger enlists it. `recipient` is "" where there is none."""

    key: int | str
    recipient: str
