"""Jobs whose last row is not in: which there are, and how one is discarded that no process will complete.

None of their emails is sent. A discarded job gets the source's word for cancelled, and its rows stay.
"""

from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Select, select, update

from eed_delivery.config import SourceSettings
from eed_delivery.database.transactions import Database
from eed_delivery.ledger.actor import Actor
from eed_delivery.ledger.acts import Act, ActKind, ActObject, note
from eed_delivery.ledger.long_acts.ledger import LongActLedger
from eed_delivery.ledger.long_acts.long_act import LongAct, LongActKind, LongActState
from eed_delivery.operations.reference_schema import is_reference
from eed_delivery.operations.refusals import UnknownKey, WrongState
from eed_delivery.operations.submitting.registering import PREPARING
from eed_delivery.operations.values import reason
from eed_delivery.source.reference import delivery_job

SHOWN = 100
_BROKEN_OFF = (LongActState.STOPPED, LongActState.FAILED)
_j = delivery_job.c


@dataclass(frozen=True, slots=True)
class IncompleteJob:
    """A job that is not complete. `operation` still registers it. None: a command line does, or no process any more."""

    key: str
    name: str
    operation: str | None


class IncompleteJobs:
    """Each call raises `DatabaseGone`."""

    def __init__(self, database: Database, source: SourceSettings, long_acts: LongActLedger, who: Actor) -> None:
        self._database = database
        self._source = source
        self._long_acts = long_acts
        self._who = who

    def all(self) -> tuple[IncompleteJob, ...]:
        """The newest ones. There are none where another system registers the jobs."""
        if not is_reference(self._source):
            return ()
        newest = select(_j.id, _j.name).where(_j.status == PREPARING).order_by(_j.id.desc()).limit(SHOWN)
        return self._found(newest)

    def one(self, key: str) -> IncompleteJob:
        """One of them. Raises `UnknownKey`, and `WrongState` for a job that is complete."""
        found: tuple[IncompleteJob, ...] = ()
        if is_reference(self._source) and _is_key(key):
            found = self._found(select(_j.id, _j.name).where(_j.id == int(key), _j.status == PREPARING))
        if not found:
            self._database.run(lambda c: self._refuse(c, key))
            raise UnknownKey(f"there is no job {key}", which=f"job {key}")
        return found[0]

    def _found(self, which: Select[Any]) -> tuple[IncompleteJob, ...]:
        rows = self._database.run(lambda c: c.execute(which).all())
        at_work = self._long_acts.results(LongActKind.SUBMIT) if rows else {}
        operations = {result.get("job"): operation for operation, result in at_work.items()}
        return tuple(IncompleteJob(str(row.id), row.name, operations.get(str(row.id))) for row in rows)

    def left_by(self, act: LongAct) -> str | None:
        """The job that an operation has begun and will not complete. None if there is none, or it was discarded."""
        if act.kind is not LongActKind.SUBMIT or act.state not in _BROKEN_OFF or not act.result:
            return None
        key = str(act.result["job"])
        return key if self._database.run(lambda c: _status(c, key)) == PREPARING else None

    def discard(self, key: str, why: str) -> IncompleteJob:
        """End a job that is not complete. Raises `WrongState` while an operation registers it, and as `one` does."""
        found = self.one(key)
        if found.operation is not None:
            do = f"Stop it first: eed-delivery operations stop {found.operation} --reason WHY"
            raise WrongState(f"the operation {found.operation} still registers job {key}", which=f"job {key}", do=do)
        discarded = str(self._source.job.statuses.cancelled)
        why = reason(why)

        def work(c: Connection) -> bool:
            ours = update(delivery_job).where(_j.id == int(key), _j.status == PREPARING)
            if c.execute(ours.values(status=discarded)).rowcount != 1:
                return False
            act = Act(ActKind.SUBMISSION_DISCARD, int(key), reason=why, object=ActObject.JOB, key=key)
            note(c, self._who, replace(act, before={"state": PREPARING}, after={"state": discarded}))
            return True

        if not self._database.did(work):
            self._database.run(lambda c: self._refuse(c, key))
        return found

    def _refuse(self, c: Connection, key: str) -> None:
        status = _status(c, key)
        if status not in (None, PREPARING):
            what = f"only a job that is not complete can be discarded: the status of job {key} is {status}"
            raise WrongState(what, which=f"job {key}", do="Cancel it.")


def _status(c: Connection, key: str) -> str | None:
    if not _is_key(key):
        return None
    found: str | None = c.execute(select(_j.status).where(_j.id == int(key))).scalar()
    return found


def _is_key(key: str) -> bool:
    return key.isascii() and key.isdecimal() and len(key) < 19
