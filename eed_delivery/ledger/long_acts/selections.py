"""Which emails or entries a long act is about, from the JSON that the ledger keeps."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Select, bindparam, or_, select, update

from eed_delivery.database.clock import utc_now
from eed_delivery.ledger.operating import Selection
from eed_delivery.ledger.schema import eed_email, eed_job
from eed_delivery.ledger.suppression.listing import SuppressionFilter
from eed_delivery.model import EmailState, JobState

_e = eed_email.c
WAITS_FOR_RETRY = (_e.state.in_([EmailState.PENDING, EmailState.QUEUED]), _e.not_before > utc_now())
RETRY_NOW = (
    update(eed_email)
    .where(_e.email_id == bindparam("id"))
    .where(_e.gen == bindparam("of_gen"))
    .where(*WAITS_FOR_RETRY)
    # The message that waits in the queue comes later, and finds nothing to do. A fresh one is published now.
    .values(state=EmailState.PENDING, not_before=None, changed_at=utc_now())
)


def moment(selection: Mapping[str, Any], name: str) -> datetime | None:
    """A time of a selection, in UTC and without a zone."""
    given = selection.get(name)
    return None if given is None else datetime.fromisoformat(given)


def emails_of(selection: Mapping[str, Any], since: datetime | None = None) -> Selection:
    """The emails of a requeue or a settlement. With `since`, those that have come to it since then."""
    from_when = moment(selection, "since")
    later = [one for one in (from_when, since) if one is not None]
    return Selection(
        state=EmailState(selection["state"]),
        jobs=tuple(selection["job_ids"]),
        emails=tuple(selection["email_ids"]),
        error_like=selection.get("error_like"),
        changed_since=max(later) if later else None,
        changed_until=moment(selection, "until"),
    )


def waiting_of(selection: Mapping[str, Any], since: datetime | None = None) -> Select[tuple[int, int, int]]:
    """The emails that wait for a retry, of jobs that are being sent."""
    found = (
        select(_e.email_id, _e.job_id, _e.gen)
        .join(eed_job, eed_job.c.job_id == _e.job_id)
        .where(*WAITS_FOR_RETRY, eed_job.c.state == JobState.ACTIVE)
    )
    if selection["job_ids"]:
        found = found.where(_e.job_id.in_(selection["job_ids"]))
    if selection["email_ids"]:
        found = found.where(_e.email_id.in_(selection["email_ids"]))
    if selection.get("error_like") is not None:
        found = found.where(_e.detail.like(selection["error_like"], escape="/"))
    if since is not None:
        found = found.where(_e.changed_at > since)
    until = moment(selection, "until")
    return found if until is None else found.where(or_(_e.changed_at.is_(None), _e.changed_at <= until))


def entries_of(selection: Mapping[str, Any]) -> SuppressionFilter:
    """The entries of the suppression list, if no addresses are named."""
    return SuppressionFilter(None, selection.get("domain"), selection.get("category"), selection.get("source"))
