"""Each UPDATE that moves a long act or its approval. A test spoils one term after the other."""

from sqlalchemy import bindparam, case, func, or_, update

from eed_delivery.database.clock import utc_in, utc_now
from eed_delivery.ledger.long_acts.long_act import ENDED, LongActState
from eed_delivery.ledger.schema import eed_approval, eed_operation

_o = eed_operation.c
_ONE = update(eed_operation).where(_o.operation_id == bindparam("id"))
_OURS = _ONE.where(_o.token == bindparam("our_token"), _o.state == LongActState.RUNNING)
FREE = or_(_o.lease_until.is_(None), _o.lease_until <= utc_now())

TAKE = (
    _ONE.where(_o.state.in_([LongActState.WAITING, LongActState.RUNNING]))
    .where(FREE)
    .values(
        state=LongActState.RUNNING,
        token=bindparam("new_token"),
        lease_until=utc_in(bindparam("lease")),
        tries=_o.tries + 1,
        started_at=func.coalesce(_o.started_at, utc_now()),
    )
)
# The cursor stands in the condition: a chunk whose commit was answered by nobody is not counted twice.
ADVANCE = _OURS.where(_o.after_key == bindparam("from_key")).values(
    after_key=bindparam("to_key"),
    done=_o.done + bindparam("more_done"),
    skipped=_o.skipped + bindparam("more_skipped"),
    state=bindparam("to_state"),
    tries=0,
    total=func.coalesce(bindparam("its_total"), _o.total),
    result=func.coalesce(bindparam("its_result"), _o.result),
    lease_until=utc_in(bindparam("lease")),  # NULL in, NULL out: any process may do the next chunk
    moved_at=utc_now(),
)
RENEW = _OURS.values(lease_until=utc_in(bindparam("lease")), done=bindparam("its_done"), moved_at=utc_now())
PUT_BACK = _OURS.values(lease_until=None, tries=_o.tries - 1, moved_at=utc_now())
END = _OURS.values(
    state=bindparam("to_state"),
    errors=bindparam("its_errors"),
    result=func.coalesce(bindparam("its_result"), _o.result),
    selection=bindparam("its_selection"),
    lease_until=None,
    moved_at=utc_now(),
    ended_at=utc_now(),
)
STOP = _ONE.where(_o.state.not_in(sorted(ENDED))).values(
    state=LongActState.STOPPED,
    selection=bindparam("its_selection"),
    lease_until=None,
    moved_at=utc_now(),
    ended_at=utc_now(),
)
GO_ON = _ONE.where(_o.state == LongActState.CANARY).values(state=LongActState.WAITING, canary=None, moved_at=utc_now())
APPROVED = _ONE.where(_o.state == LongActState.UNAPPROVED).values(state=LongActState.WAITING, moved_at=utc_now())

WAITS, APPROVE, REFUSE = "waiting", "approved", "refused"
"""The state of an approval."""
_a = eed_approval.c
DECIDE = (
    update(eed_approval)
    .where(_a.operation_id == bindparam("id"))
    .where(_a.state == WAITS)
    .where(_a.until_at > utc_now())
    .values(
        state=bindparam("to_state"),
        decided_by=bindparam("who"),
        decided_subject=bindparam("its_subject"),
        decided_at=utc_now(),
        reason=bindparam("why"),
    )
)
IS_OVER = case((_a.until_at <= utc_now(), 1), else_=0)
