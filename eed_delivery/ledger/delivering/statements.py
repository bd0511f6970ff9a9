"""The worker's statements. What each WHERE keeps out is the product, and a mutation run drops every term once."""

from typing import Any

from sqlalchemy import BindParameter, and_, bindparam, case, exists, func, insert, literal, or_, select, tuple_, update
from sqlalchemy.sql.elements import ColumnElement

from eed_delivery.database.clock import seconds_until, utc_in, utc_now
from eed_delivery.database.insert import unless_there
from eed_delivery.database.sql_function import picked
from eed_delivery.ledger.delivering.domain_holds import IS_HELD
from eed_delivery.ledger.holds.held import DOMAIN_NOT_HELD, JOB_NOT_HELD
from eed_delivery.ledger.schema import (
    eed_archive_copy,
    eed_attempt,
    eed_email,
    eed_file,
    eed_former_address,
    eed_job,
    eed_manifest,
    eed_suppression,
)
from eed_delivery.ledger.suppression.erased import HAS_PSEUDONYMS
from eed_delivery.ledger.suppression.statements import ENTRY_OF_DOMAIN, ENTRY_OF_EMAIL, OF_DOMAIN, SUPPRESSED
from eed_delivery.ledger.windows.is_open import WINDOW_IS_OPEN
from eed_delivery.model import EmailState, JobState

_BY_ITSELF = frozenset({"attempt_id", "ended_at"})
"""Columns of an attempt that the database fills."""


def _state_is_one_of(*states: EmailState) -> ColumnElement[bool]:
    """`IN` over fixed values. A list would be spelt out at each execution, and these go out for each email."""
    return eed_email.c.state.in_([literal(state) for state in states])


# Nothing is written under a token or a generation that is not ours any more (G3).
_FENCED = (
    update(eed_email)
    .where(eed_email.c.email_id == bindparam("id"))
    .where(eed_email.c.gen == bindparam("of_gen"))
    .where(eed_email.c.token == bindparam("our_token"))
)

_expired_before_the_wire = (
    (eed_email.c.state == EmailState.SENDING) & eed_email.c.wire_at.is_(None) & (eed_email.c.lease_until < utc_now())
)
_its_time_has_come = or_(eed_email.c.not_before.is_(None), eed_email.c.not_before <= utc_now())
_free = eed_email.c.state.in_([EmailState.PENDING, EmailState.QUEUED]) & _its_time_has_come

_ITS_JOB_MAY_SEND = (
    eed_job.c.state == JobState.ACTIVE,
    or_(eed_job.c.expires_at.is_(None), eed_job.c.expires_at > utc_now()),
)

CLAIM = (
    update(eed_email)
    .where(eed_email.c.email_id.in_(bindparam("ids", expanding=True)))
    .where(eed_email.c.gen == bindparam("of_gen"))
    .where(or_(_free, _expired_before_the_wire))
    .values(
        state=EmailState.SENDING,
        token=bindparam("new_token"),
        lease_until=utc_in(bindparam("lease")),
        wire_at=None,
        not_before=None,
        changed_at=utc_now(),
    )
)

# A retry keeps the answer to the last try. One whose domain is held has had none yet.
_REFUSED_BEFORE = and_(
    eed_email.c.detail.is_not(None), eed_email.c.detail.not_like(f"%{IS_HELD}%")
).label("refused_before")  # fmt: skip

# What a claim has got and may go on with: nearly always all that it asked for, so nothing is read here that only the
# others need. Why one is not among these, STANDING tells.
_HELD_COLUMNS = (
    eed_email.c.email_id,
    eed_email.c.job_id,
    eed_email.c.source_key,
    eed_email.c.gen,
    eed_email.c.attempts,
    eed_email.c.recipient,
    eed_email.c.address,
    eed_email.c.resend_of,
    eed_email.c.redirected,
    _REFUSED_BEFORE,
    eed_job.c.source_key.label("job_key"),
    eed_job.c.revision,
)
_IS_HELD_BY_US = (
    eed_email.c.email_id.in_(bindparam("ids", expanding=True)),
    eed_email.c.token == bindparam("our_token"),
    eed_email.c.state == EmailState.SENDING,
    *_ITS_JOB_MAY_SEND,
    eed_job.c.channel == bindparam("of_channel"),
    JOB_NOT_HELD,
    WINDOW_IS_OPEN,
    DOMAIN_NOT_HELD,
)
HELD = (
    select(*_HELD_COLUMNS, HAS_PSEUDONYMS.label("has_pseudonyms"))
    .join(eed_job, eed_job.c.job_id == eed_email.c.job_id)
    .outerjoin(eed_suppression, ENTRY_OF_EMAIL)
    .outerjoin(OF_DOMAIN, ENTRY_OF_DOMAIN)
    .where(*_IS_HELD_BY_US)
    .where(eed_suppression.c.address.is_(None))
    .where(OF_DOMAIN.c.address.is_(None))
)
# Of a channel that puts files: nothing goes to the recipient's address, so the suppression list says nothing of it.
HELD_FOR_FILES = select(*_HELD_COLUMNS).join(eed_job, eed_job.c.job_id == eed_email.c.job_id).where(*_IS_HELD_BY_US)

STANDING = (
    select(
        eed_email.c.email_id,
        eed_email.c.job_id,
        eed_email.c.source_key,
        eed_email.c.gen,
        eed_email.c.token,
        eed_email.c.state,
        eed_email.c.attempts,
        eed_email.c.recipient,
        eed_email.c.address,
        eed_email.c.resend_of,
        eed_email.c.redirected,
        _REFUSED_BEFORE,
        eed_email.c.wire_at,
        seconds_until(eed_email.c.lease_until).label("lease_left"),
        seconds_until(eed_email.c.not_before).label("wait_left"),
        eed_job.c.state.label("job_state"),
        eed_job.c.reason.label("job_reason"),
        eed_job.c.channel,
        case((JOB_NOT_HELD & WINDOW_IS_OPEN & DOMAIN_NOT_HELD, False), else_=True).label("is_held"),
        eed_job.c.source_key.label("job_key"),
        eed_job.c.revision,
        case((eed_job.c.expires_at <= utc_now(), True), else_=False).label("expired"),
        SUPPRESSED.label("suppressed"),
        HAS_PSEUDONYMS.label("has_pseudonyms"),
    )
    .join(eed_job, eed_job.c.job_id == eed_email.c.job_id)
    .where(eed_email.c.email_id.in_(bindparam("ids", expanding=True)))
)

# What several threads write goes out as one statement. Each email is fenced by its own token and no other: what one
# thread has lost, another that asks beside it may hold by now. `ids` say nothing more; MariaDB looks for an index in
# them alone.
_IDS: BindParameter[Any] = bindparam("ids", expanding=True)
_EACH_FENCED = (
    update(eed_email)
    .where(eed_email.c.email_id.in_(_IDS))
    .where(tuple_(eed_email.c.email_id, eed_email.c.gen, eed_email.c.token).in_(bindparam("fences", expanding=True)))
)

WIRE = (
    _EACH_FENCED.where(eed_email.c.state == EmailState.SENDING)
    .where(eed_email.c.wire_at.is_(None))
    .where(eed_email.c.lease_until > utc_now())
    .where(
        exists()
        .where(eed_job.c.job_id == eed_email.c.job_id, *_ITS_JOB_MAY_SEND)
        .where(JOB_NOT_HELD, WINDOW_IS_OPEN, DOMAIN_NOT_HELD)
        .correlate(eed_email)
    )
    .values(
        wire_at=utc_now(),
        attempts=eed_email.c.attempts + 1,
        lease_until=utc_in(bindparam("lease")),
        changed_at=utc_now(),
    )
)

_RECORD = _FENCED.values(
    state=bindparam("to_state"),
    attempts=bindparam("tries"),
    detail=bindparam("reply"),
    message_id=bindparam("provider_id"),
    lease_until=None,
    changed_at=utc_now(),
)
# Late truth may still settle an email that the sweeper has put in doubt meanwhile.
RECORD_END = _RECORD.where(_state_is_one_of(EmailState.SENDING, EmailState.IN_DOUBT))
RECORD_RETRY = _RECORD.where(eed_email.c.state == EmailState.SENDING).values(
    wire_at=None, not_before=utc_in(bindparam("delay"))
)

# Late success beats a sweeper's resend, too: no new claim has changed the token, so nothing is on its way yet.
RECORD_SENT = _EACH_FENCED.where(
    _state_is_one_of(EmailState.SENDING, EmailState.IN_DOUBT, EmailState.PENDING, EmailState.QUEUED)
).values(
    state=EmailState.SENT,
    attempts=bindparam("tries"),
    detail=picked(eed_email.c.email_id, _IDS, bindparam("replies", expanding=True)),
    message_id=picked(eed_email.c.email_id, _IDS, bindparam("provider_ids", expanding=True)),
    lease_until=None,
    changed_at=utc_now(),
)
RECORD_DOUBT = _RECORD.where(eed_email.c.state == EmailState.SENDING)
# A definite "not now" that comes after the sweeper's doubt: the email may go out again without risk.
RECORD_LATE_NO = _RECORD.where(eed_email.c.state == EmailState.IN_DOUBT).values(
    wire_at=None, not_before=utc_in(bindparam("delay"))
)
WIRED_AGAIN = (
    _FENCED.where(eed_email.c.state == EmailState.SENDING)
    .where(eed_email.c.wire_at.is_not(None))
    .values(lease_until=utc_in(bindparam("lease")))
)

ATTEMPT = insert(eed_attempt).values(
    **{column.name: bindparam(f"its_{column.name}") for column in eed_attempt.c if column.name not in _BY_ITSELF},
    ended_at=utc_now(),
)

COPY_LOST = insert(eed_archive_copy).values(
    job_id=bindparam("its_job_id"),
    email_id=bindparam("its_email_id"),
    gen=bindparam("its_gen"),
    sha256=bindparam("its_sha256"),
    size=0,
    archived_at=None,
)

_ENDS_SO_FAR = (
    select(func.max(eed_manifest.c.round)).where(eed_manifest.c.job_id == bindparam("its_job_id")).scalar_subquery()
)
FILE_PUT = insert(eed_file).values(
    {
        name: bindparam(f"its_{name}")
        for name in ("job_id", "email_id", "gen", "number", "channel", "path", "size", "sha256")
    }
    | {"put_at": utc_now(), "round": func.coalesce(_ENDS_SO_FAR, 0) + 1}
)

_BEFORE_THE_WIRE = _FENCED.where(eed_email.c.state == EmailState.SENDING).where(eed_email.c.wire_at.is_(None))
PUT_BACK = _BEFORE_THE_WIRE.values(
    state=bindparam("to_state"), detail=bindparam("reply"), lease_until=None, changed_at=utc_now()
)
# The source has another recipient than when the email was enlisted or last claimed.
READDRESS = _BEFORE_THE_WIRE.values(recipient=bindparam("its_recipient"), address=bindparam("its_address"))
FORMER_ADDRESS = unless_there(insert(eed_former_address)).values(
    address=bindparam("its_address"), email_id=bindparam("id")
)
# Tries of releases that did not write it down went to the address that was frozen then.
WENT_BEFORE = (
    update(eed_attempt)
    .where(eed_attempt.c.email_id == bindparam("id"))
    .where(eed_attempt.c.recipient.is_(None))
    .where(or_(eed_attempt.c.took_ms.is_not(None), eed_attempt.c.counted.is_(True)))
    .values(recipient=bindparam("so_far"))
)
# Its domain is held: it waits in the ledger, without a message, until the publisher may give it a new one.
DEFER = _BEFORE_THE_WIRE.values(
    state=EmailState.PENDING, detail=bindparam("reply"), lease_until=None, not_before=utc_in(bindparam("delay")),
    changed_at=utc_now(),
)  # fmt: skip
# Its destination has no turn now: likewise. The answer to its last try stays.
PUT_OFF = _BEFORE_THE_WIRE.values(
    state=EmailState.PENDING, lease_until=None, not_before=utc_in(bindparam("delay")), changed_at=utc_now()
)
RELEASE = _BEFORE_THE_WIRE.values(state=EmailState.QUEUED, lease_until=None, not_before=None, changed_at=utc_now())

RENEW = (
    update(eed_email)
    .where(eed_email.c.email_id.in_(bindparam("ids", expanding=True)))
    .where(eed_email.c.token == bindparam("our_token"))
    .where(eed_email.c.state == EmailState.SENDING)
    .where(eed_email.c.wire_at.is_(None))
    .where(eed_email.c.lease_until > utc_now())
    .values(lease_until=utc_in(bindparam("lease")))
)
