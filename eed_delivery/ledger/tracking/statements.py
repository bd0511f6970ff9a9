"""The statements of tracking. What each WHERE keeps out is tested term by term."""

from sqlalchemy import DateTime, bindparam, case, func, literal, or_, select, update

from eed_delivery.database.clock import utc_in, utc_now
from eed_delivery.events import DeliveryOutcome, EventKind
from eed_delivery.ledger.schema import eed_attempt, eed_email, eed_event
from eed_delivery.model import EmailState, Verdict

PROOFS_OF_ACCEPTANCE = frozenset(
    {
        EventKind.SEND,
        EventKind.DELIVERY,
        EventKind.BOUNCE,
        EventKind.COMPLAINT,
        EventKind.DELAY,
        EventKind.OPEN,
        EventKind.CLICK,
    }
)
"""Kinds that can only come of an email that the provider had accepted."""
PROOFS_OF_REFUSAL = frozenset({EventKind.REJECT, EventKind.RENDERING_FAILURE})
"""Kinds that say it was stopped before it left."""

NOW = select(utc_now().label("now"))
ALREADY_TAKEN = select(eed_event.c.event_id).where(eed_event.c.event_id.in_(bindparam("ids", expanding=True)))

# In the order of time: should a mail server have given an id twice, the newer email is meant.
BY_MESSAGE_ID = (
    select(eed_attempt.c.message_id, eed_attempt.c.email_id, eed_attempt.c.gen)
    .where(eed_attempt.c.message_id.in_(bindparam("ids", expanding=True)))
    .order_by(eed_attempt.c.attempt_id)
)

EMAILS = select(
    eed_email.c.email_id,
    eed_email.c.source_key,
    eed_email.c.resend_of,
    eed_email.c.gen,
    eed_email.c.state,
    eed_email.c.address,
).where(eed_email.c.email_id.in_(bindparam("ids", expanding=True)))

_AT = bindparam("at", type_=DateTime())
_class = case(
    (eed_email.c.outcome == literal(DeliveryOutcome.COMPLAINED), 3),
    (eed_email.c.outcome == literal(DeliveryOutcome.HARD_BOUNCED), 2),
    else_=1,
)

# A step upwards in the order of `events.weight`, and never one down: so the last word is the same in any order.
OUTCOME = (
    update(eed_email)
    .where(eed_email.c.email_id == bindparam("id"))
    .where(eed_email.c.gen == bindparam("of_gen"))
    .where(
        or_(
            eed_email.c.outcome.is_(None),
            _class < bindparam("its_class"),
            (_class == bindparam("its_class")) & (eed_email.c.outcome_at < _AT),
            # of the same moment: whatever comes beside a delivery weighs as much or more
            (eed_email.c.outcome == literal(DeliveryOutcome.DELIVERED)) & (eed_email.c.outcome_at == _AT),
        )
    )
    .values(outcome=bindparam("to_outcome"), outcome_at=_AT)
)

SETTLE = (
    update(eed_email)
    .where(eed_email.c.email_id == bindparam("id"))
    .where(eed_email.c.gen == bindparam("of_gen"))
    .where(eed_email.c.state == EmailState.IN_DOUBT)
    .values(
        state=bindparam("to_state"),
        detail=bindparam("reason"),
        message_id=func.coalesce(bindparam("provider_id"), eed_email.c.message_id),
        changed_at=utc_now(),
    )
)

LAST_ATTEMPT = select(func.coalesce(func.max(eed_attempt.c.attempt_id), 0))
# Every doubt leaves an attempt that says so: a walk over the newest attempts finds those whose event was there first.
# The verdict is asked for speed alone: without it each attempt's email would be looked up.
DOUBTS_WITH_EVENTS = (
    select(eed_email.c.email_id, eed_email.c.gen, eed_event.c.kind, eed_event.c.message_id)
    .select_from(eed_attempt)
    .join(eed_email, eed_email.c.email_id == eed_attempt.c.email_id)
    .join(eed_event, (eed_event.c.email_id == eed_email.c.email_id) & (eed_event.c.gen == eed_email.c.gen))
    .where(eed_attempt.c.attempt_id > bindparam("beyond"))
    .where(eed_attempt.c.verdict == Verdict.IN_DOUBT)
    .where(eed_email.c.state == EmailState.IN_DOUBT)
)

# Locking: two bounces that come at once must see each other, or a threshold of two is never reached.
COUNTED = (
    select(eed_event.c.event_id)
    .where(eed_event.c.address == bindparam("address"))
    .where(eed_event.c.outcome == bindparam("its_outcome"))
    .where(eed_event.c.occurred_at > utc_in(-bindparam("within")))
    .limit(bindparam("threshold"))
    .with_for_update()
)
