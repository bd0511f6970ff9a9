"""What a long act is. Frozen data, no I/O."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

from sqlalchemy import Connection

from eed_delivery.errors import EedError
from eed_delivery.ledger.actor import Actor

ADDRESSES = "addresses"
"""What of a selection is personal. It goes when the act ends."""
NO_COMPLAINTS = "no_complaints"
"""In a selection: entries of complaints are left, because nobody has approved that they go."""
EVIDENCE = "evidence"
"""In the parameters: where the wish of recipients is kept whose own entries go."""


class LongActKind(StrEnum):
    """What is done. A new kind needs an entry here, its request in `operations.long_acts.kinds`, and its work."""

    REQUEUE = "requeue"
    SETTLE = "settle"
    RETRY_NOW = "retry_now"  # emails that wait for their retry are sent now
    UNSUPPRESS = "unsuppress"
    REPORT = "report"
    CANCEL = "cancel"  # short, and here where a second person has to approve it
    RESUME = "resume"  # likewise, without its watch
    SUBMIT = "submit"  # a job with many recipients is registered
    REHEARSE = "rehearse"  # a job's emails are rendered, and none is sent
    SHADOW = "shadow"  # another server is followed, and its emails compared


class LongActState(StrEnum):
    """Where it stands."""

    UNAPPROVED = "unapproved"  # a second person has not decided yet
    WAITING = "waiting"
    RUNNING = "running"
    CANARY = "canary"  # the first ones are done, and a person has to go on
    STOPPED = "stopped"
    DONE = "done"
    FAILED = "failed"


S = LongActState
TRANSITIONS: Mapping[LongActState, frozenset[LongActState]] = {
    S.UNAPPROVED: frozenset({S.WAITING, S.STOPPED}),
    S.WAITING: frozenset({S.RUNNING, S.STOPPED}),
    S.RUNNING: frozenset({S.RUNNING, S.CANARY, S.STOPPED, S.DONE, S.FAILED}),
    S.CANARY: frozenset({S.WAITING, S.STOPPED}),
    S.STOPPED: frozenset(),
    S.DONE: frozenset(),
    S.FAILED: frozenset(),
}
ENDED = frozenset(state for state, following in TRANSITIONS.items() if not following)


class NotOursAnyMore(EedError):
    """The act was stopped, or another process has taken it. What was begun of the chunk is rolled back."""


@dataclass(frozen=True, slots=True)
class LongActOrder:
    """What is to be done. `selection` and `parameters` are JSON values. `total` is the count that was confirmed.

    `canary` is after how many it waits for a person. `approval` names the rule that wants a second person, and
    `subject` is who asks for it.
    """

    kind: LongActKind
    selection: Mapping[str, Any]
    parameters: Mapping[str, Any]
    reason: str | None
    total: int | None = None
    selection_etag: str | None = None
    tolerance: int = 0
    canary: int | None = None
    approval: str | None = None
    subject: str = ""


@dataclass(frozen=True, slots=True)
class LongAct:
    """A long act as the ledger has it. `who` asked for it. Times are UTC.

    `done` counts what was changed, `skipped` what another had changed before. `after` is the cursor.
    """

    id: str
    kind: LongActKind
    state: LongActState
    selection: Mapping[str, Any]
    parameters: Mapping[str, Any]
    selection_etag: str | None
    tolerance: int
    canary: int | None
    reason: str | None
    who: Actor
    total: int | None
    done: int
    skipped: int
    after: str
    errors: tuple[str, ...]
    result: Mapping[str, Any] | None
    tries: int
    made_at: datetime
    started_at: datetime | None
    moved_at: datetime
    ended_at: datetime | None

    @property
    def looked_at(self) -> int:
        """How many it has come by."""
        return self.done + self.skipped


@dataclass(frozen=True, slots=True)
class TakenAct:
    """A long act that is ours to continue, until its lease ends."""

    act: LongAct
    token: int


@dataclass(frozen=True, slots=True)
class LongActChunk:
    """The next part of an act: `seen` of its things, up to the cursor `after`.

    `work` changes them in the caller's transaction, and returns how many. It may run again, and then for the same ones.
    `total` is the act's, once it is known. `result` is asked for behind `work`.
    """

    after: str
    seen: int
    work: Callable[[Connection], int]
    total: int | None = None
    result: Callable[[], Mapping[str, Any]] | None = None


@runtime_checkable
class ChunkedWork(Protocol):
    """How acts of one kind are done, in the name of the person who asked."""

    def count(self, selection: Mapping[str, Any], since: datetime | None) -> int:
        """How many match now. With `since`, of those that have come to it since then."""

    def next_chunk(self, act: LongAct, size: int) -> LongActChunk | None:
        """The part behind the act's cursor. None at the end."""


@dataclass(frozen=True, slots=True)
class LongActsPage:
    """Long acts, the newest first. `next_before` is None on the last page."""

    acts: Sequence[LongAct]
    next_before: str | None
