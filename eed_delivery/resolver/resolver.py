"""Looks for emails in doubt, reads the relay's log for them, and settles what it proves."""

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import IO, Protocol

import structlog

from eed_delivery.errors import NotPossible
from eed_delivery.operations.doubts.workbench import Doubt, DoubtsSettled, DoubtWorkbench, LogVerdict
from eed_delivery.resolver.log_files import LogEnd, LogTorn

log = structlog.get_logger(__name__)

BEFORE = timedelta(minutes=12)
"""A log is read from so long before a hand-over. Whether it covers that needs ten minutes, and clocks differ by two."""
LONGEST_REST_SECONDS = 900.0
"""Between two looks for a doubt that the log does not settle."""
READING_SHARE = 50
"""A doubt that was looked for rests so many times longer than reading took. It costs 2 % of a core at most."""
LOOK_SECONDS = 30.0
"""Between two looks whether the log can be read at all."""
WORKER = "resolver"
PROOFS = (LogVerdict.ACCEPTED, LogVerdict.BOUNCED, LogVerdict.DEFERRED)
"""What one line proves. A relay that defers an email has accepted it."""

_Which = tuple[int, int, datetime | None]


class RelayLog(Protocol):
    """A log that can be read again and again."""

    name: str

    def look(self, since: datetime) -> LogEnd: ...

    def opened(self, since: datetime) -> AbstractContextManager[IO[bytes]]: ...


@dataclass(slots=True)
class _Rest:
    """Until when a doubt is not looked for, and how long that is. Monotonic seconds."""

    until: float
    seconds: float


class Resolver:
    """One for a log. Emails are settled under their fences, so any number of processes may do it."""

    def __init__(
        self, workbench: DoubtWorkbench, relay_log: RelayLog, zone: tzinfo, interval_seconds: float, *, sole_relay: bool
    ) -> None:
        """`sole_relay`: no email was handed to another relay, so one that is not in the log was not accepted."""
        self._workbench = workbench
        self._log = relay_log
        self._zone = zone
        self._interval = interval_seconds
        self._verdicts = (*PROOFS, LogVerdict.NOT_THERE) if sole_relay else PROOFS
        self._rests: dict[_Which, _Rest] = {}
        self._settled = 0
        self._open = 0
        self._speed = 0
        self._last: datetime | None = None
        self._problem: str | None = None
        self._looked_at = -LOOK_SECONDS

    @property
    def detail(self) -> str:
        """How it is, for people: what keeps it from its work, or how far it is."""
        settled = f"{self._settled:,} doubts settled, {self._open:,} open"
        if self._problem is not None:
            return f"{self._log.name}: {self._problem}; {settled}"
        last = f", last written {self._last:%H:%M:%S} UTC" if self._last else ""
        speed = f", {self._speed:,} lines/s" if self._speed else ""
        return f"reads {self._log.name}{last}; {settled}{speed}"

    def step(self) -> float:
        """Settle what the log proves of the doubts that are due. Raises `DatabaseGone`."""
        doubts = self._workbench.open_doubts()
        self._open = len(doubts)
        known = {_which(one) for one in doubts}
        self._rests = {which: rest for which, rest in self._rests.items() if which in known}
        now = time.monotonic()
        due = [one for one in doubts if one.wire_at is not None and self._is_due(one, now)]
        try:
            if due:
                self._resolve(due)
            elif now - self._looked_at >= LOOK_SECONDS:
                self._see(datetime.now(UTC))
        except LogTorn:
            log.info("relay_log_rotated", log=self._log.name)
        except (OSError, NotPossible) as error:
            self._say(str(error))
        return self._interval

    def _is_due(self, doubt: Doubt, now: float) -> bool:
        rest = self._rests.get(_which(doubt))
        return rest is None or rest.until <= now

    def _resolve(self, doubts: Sequence[Doubt]) -> None:
        since = min(one.wire_at for one in doubts if one.wire_at is not None).replace(tzinfo=UTC) - BEFORE
        self._see(since)
        started = time.monotonic()
        with self._log.opened(since) as lines:
            found = self._workbench.match_these(doubts, lines, self._zone)
        seconds = time.monotonic() - started
        done = self._workbench.settle_proven(found.plan, self._verdicts, WORKER)
        self._count(done, found.lines, seconds)
        proven = {one.doubt.email_id for one in found.matches if one.verdict in self._verdicts}
        for doubt in doubts:
            if doubt.email_id not in proven:
                self._let_rest(_which(doubt), seconds)

    def _count(self, done: DoubtsSettled, lines: int, seconds: float) -> None:
        settled = done.sent + done.failed
        self._settled += settled
        self._open -= settled
        self._speed = round(lines / max(seconds, 0.001))
        if settled:
            log.info("doubts_settled", sent=done.sent, failed=done.failed, lines=lines, seconds=round(seconds, 3))

    def _let_rest(self, which: _Which, reading_seconds: float) -> None:
        known = self._rests.get(which)
        seconds = min(2 * known.seconds if known else self._interval, LONGEST_REST_SECONDS)
        seconds = max(seconds, READING_SHARE * reading_seconds)
        self._rests[which] = _Rest(time.monotonic() + seconds, seconds)

    def _see(self, since: datetime) -> None:
        """Whether the log is there, and whole from then on. Raises `OSError`."""
        self._looked_at = time.monotonic()
        end = self._log.look(since)
        self._last = end.last
        unread = f"does not read {', '.join(end.unread)}: it is compressed" if end.unread else None
        self._say(unread)

    def _say(self, problem: str | None) -> None:
        if problem is not None and problem != self._problem:
            log.warning("relay_log_not_read", log=self._log.name, reason=problem)
        self._problem = problem


def _which(doubt: Doubt) -> _Which:
    return doubt.email_id, doubt.gen, doubt.wire_at
