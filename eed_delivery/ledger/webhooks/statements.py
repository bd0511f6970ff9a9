"""The statements of the role `webhooks`. Nothing is written under a token that is not ours any more."""

from sqlalchemy import bindparam, case, delete, func, insert, literal, or_, select, update

from eed_delivery.database.clock import utc_in, utc_now
from eed_delivery.ledger.schema import eed_attempt, eed_email, eed_job, eed_webhook, eed_webhook_endpoint
from eed_delivery.ledger.webhooks.outbox import DONE, FAILED, WAITING

NEVER_TRIED = "the endpoint was down or paused all the time"

_endpoint = eed_webhook_endpoint.c
ENDPOINT = select(eed_webhook_endpoint).where(_endpoint.endpoint_id == bindparam("its_id"))
NEW_ENDPOINT = insert(eed_webhook_endpoint).values(endpoint_id=bindparam("its_id"), failures=0, probe_at=utc_now())
_THIS = update(eed_webhook_endpoint).where(_endpoint.endpoint_id == bindparam("its_id"))
# The process that gets this sends one, and no other sends any for as long as that may take.
PROBE = _THIS.where(_endpoint.probe_at <= utc_now()).values(probe_at=utc_in(bindparam("lease")))
UP = _THIS.values(failures=0)
DOWN = _THIS.values(failures=bindparam("in_a_row"), probe_at=utc_in(bindparam("pause")))
PAUSE = _THIS.values(paused_at=utc_now(), reason=bindparam("why"))
GO_ON = _THIS.values(paused_at=None, reason=None, failures=0, probe_at=utc_now())

_row = eed_webhook.c
DUE = (
    select(_row.webhook_id, _row.due_at)
    .where(_row.state == WAITING)
    .where(_row.due_at <= utc_now())
    .order_by(_row.due_at)
    .limit(bindparam("at_most"))
)
HOLD = (
    update(eed_webhook)
    .where(_row.webhook_id.in_(bindparam("ids", expanding=True)))
    .where(_row.state == WAITING)
    .where(_row.due_at <= utc_now())
    .values(token=bindparam("new_token"), due_at=utc_in(bindparam("lease")), tries=_row.tries + 1)
)
_its_email = eed_email.c.email_id == _row.email_id
_its_job = eed_job.c.job_id == func.coalesce(_row.job_id, eed_email.c.job_id)
# What an earlier generation went to may have been corrected since.
_WENT_TO = (
    select(eed_attempt.c.recipient)
    .where(eed_attempt.c.email_id == _row.email_id, eed_attempt.c.gen == _row.gen)
    .where(eed_attempt.c.recipient.is_not(None))
    .order_by(eed_attempt.c.attempt_id.desc())
    .limit(1)
    .correlate(eed_webhook)
    .scalar_subquery()
)
_ITS_ADDRESS = case(
    (_row.gen < eed_email.c.gen, func.coalesce(_WENT_TO, eed_email.c.recipient)), else_=eed_email.c.recipient
)
# By ids for speed alone: the token says whose they are. With the keys that the reader knows; where an email's or job's
# row has gone, its key is not told.
HELD = (
    select(
        _row.webhook_id,
        _row.nonce,
        _row.kind,
        eed_job.c.source_key.label("job_key"),
        eed_email.c.source_key.label("email_key"),
        eed_email.c.email_id,
        _ITS_ADDRESS.label("recipient"),
        _row.gen,
        _row.event_id,
        _row.facts,
        _row.occurred_at,
        _row.tries,
    )
    .outerjoin(eed_email, _its_email)
    .outerjoin(eed_job, _its_job)
    .where(_row.webhook_id.in_(bindparam("ids", expanding=True)))
    .where(_row.token == bindparam("our_token"))
    .order_by(_row.webhook_id)
)

# A token is on what waits alone: whatever ends a row takes it away.
_OURS = update(eed_webhook).where(_row.webhook_id == bindparam("id")).where(_row.token == bindparam("our_token"))
# Those that were taken, all at once: there are many, and nothing is to be told apart.
TOLD = (
    update(eed_webhook)
    .where(_row.webhook_id.in_(bindparam("ids", expanding=True)))
    .where(_row.token == bindparam("our_token"))
    .values(
        state=DONE,
        token=None,
        due_at=utc_in(bindparam("keep")),
        tried_at=utc_now(),
        status=bindparam("its_status"),
        answer=None,
    )
)
_ANSWERED = _OURS.values(token=None, tried_at=utc_now(), status=bindparam("its_status"), answer=bindparam("words"))
# Once more, unless it would be too old by then.
AGAIN = _ANSWERED.where(_row.waiting_since > utc_in(-bindparam("within"))).values(due_at=utc_in(bindparam("delay")))
GIVE_UP = _ANSWERED.values(state=FAILED, due_at=utc_in(bindparam("keep")))
RELEASE = _OURS.values(token=None, due_at=bindparam("was_due"), tries=_row.tries - 1)

# What was never tried is due since it was written: while an endpoint is down, the oldest are the first here.
TOO_OLD = (
    select(_row.webhook_id)
    .where(_row.state == WAITING)
    .where(_row.due_at < utc_in(-bindparam("max_age")))
    .order_by(_row.due_at)
    .limit(bindparam("at_most"))
)
EXPIRE = (
    update(eed_webhook)
    .where(_row.webhook_id == bindparam("id"))
    .where(_row.state == WAITING)
    .where(_row.due_at < utc_in(-bindparam("max_age")))
    .values(
        state=FAILED,
        token=None,
        due_at=utc_in(bindparam("keep")),
        answer=case((_row.answer.is_(None), literal(NEVER_TRIED)), else_=_row.answer),
    )
)
FORGETTABLE = (
    select(_row.webhook_id)
    .where(_row.state == bindparam("ended"))
    .where(_row.due_at <= utc_now())
    .order_by(_row.due_at)
    .limit(bindparam("at_most"))
)
FORGET = (
    delete(eed_webhook)
    .where(_row.webhook_id == bindparam("id"))
    .where(_row.state.in_([DONE, FAILED]))
    .where(_row.due_at <= utc_now())
)

TELL_ANEW = (
    update(eed_webhook)
    .where(_row.webhook_id == bindparam("id"))
    .where(_row.state == FAILED)
    .values(state=WAITING, token=None, tries=0, waiting_since=utc_now(), due_at=utc_now())
)
_LISTED = (
    select(
        _row.webhook_id,
        _row.nonce,
        _row.kind,
        eed_job.c.source_key.label("job_key"),
        eed_email.c.source_key.label("email_key"),
        eed_email.c.email_id,
        _row.state,
        _row.tries,
        _row.occurred_at,
        _row.due_at,
        _row.status,
        _row.answer,
    )
    .outerjoin(eed_email, _its_email)
    .outerjoin(eed_job, _its_job)
    .limit(bindparam("at_most"))
)
OF_EMAIL = _LISTED.where(_row.email_id == bindparam("its_email_id")).order_by(_row.webhook_id.desc())
LISTED = _LISTED.where(_row.state == bindparam("its_state")).order_by(_row.due_at, _row.webhook_id)
LISTED_AFTER = LISTED.where(_row.due_at >= bindparam("after_due")).where(
    or_(_row.due_at > bindparam("after_due"), _row.webhook_id > bindparam("after_id"))
)
"""The first term is for the database, which reads the index from there on."""
GIVEN_UP = (
    select(_row.webhook_id)
    .where(_row.state == FAILED)
    .where(_row.webhook_id > bindparam("beyond"))
    .order_by(_row.webhook_id)
    .limit(bindparam("at_most"))
)
COUNTS = select(_row.state, func.count()).group_by(_row.state)
