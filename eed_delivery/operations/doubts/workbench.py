"""Lists, matches and settles the doubts of all jobs."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import IO
from zoneinfo import ZoneInfo

from eed_delivery.errors import NotPossible
from eed_delivery.ledger.doubts import OPERATOR, Doubt, DoubtLedger, HandOver, OnTheWire, Settlement
from eed_delivery.ledger.workers import WorkerLedger
from eed_delivery.model import EmailState
from eed_delivery.operations.doubts.grouping import SLOW_SECONDS, DoubtGroup, DoubtsView, grouped
from eed_delivery.operations.doubts.matching import DoubtMatch, DoubtsMatched, matched
from eed_delivery.operations.doubts.plans import SETTLED_AS, USUAL, DoubtsPlan, ProvenDoubt
from eed_delivery.operations.refusals import InvalidRequest, NothingMatches
from eed_delivery.operations.values import reason as one_line
from eed_delivery.tracking.relay_logs.reading import LogReading, WantedEmail, Witness, read_log
from eed_delivery.tracking.relay_logs.sightings import LogVerdict

__all__ = [
    "LARGEST_UPLOAD", "SETTLED_AS", "USUAL", "Doubt", "DoubtGroup", "DoubtMatch", "DoubtWorkbench", "DoubtsChanged",
    "DoubtsMatched", "DoubtsPlan", "DoubtsSettled", "DoubtsView", "LogVerdict", "OnTheWire",
    "SettleDoubtsRequest", "log_zone",
]  # fmt: skip

LARGEST_UPLOAD = 8 * 1024 * 1024
"""Bytes of a log that is uploaded. The command line takes logs of any size."""
ON_THE_WIRE_SHOWN = 200
WITNESSES_ASKED = 2000


class DoubtsChanged(NotPossible):
    """The doubts, or what the log proves of them, are not those that were seen. Nothing was done."""


@dataclass(frozen=True, slots=True)
class SettleDoubtsRequest:
    """Which doubts of a plan to settle, and why. `etag` is the plan's as the caller saw it. Raises
    `InvalidRequest`."""

    reason: str
    etag: str
    verdicts: tuple[LogVerdict, ...] = USUAL

    def __post_init__(self) -> None:
        one_line(self.reason)


@dataclass(frozen=True, slots=True)
class DoubtsSettled:
    """How many are sent and failed. `left`: were chosen, and are neither."""

    sent: int
    failed: int
    left: int


class DoubtWorkbench:
    """Each call raises `DatabaseGone`."""

    def __init__(
        self,
        ledger: DoubtLedger,
        workers: WorkerLedger,
        now: Callable[[], datetime],
        message_ids: Callable[[Doubt], tuple[str, ...]],
        domain: str,
        file_channels: Callable[[], Collection[str]],
        stored: Callable[[str], str],
    ) -> None:
        """`message_ids` are those that an email may have had, the likeliest first, `domain` is what they end with.
        `file_channels` put files, which no person settles. `stored` is how the ledger keeps a server's words."""
        self._ledger = ledger
        self._workers = workers
        self._now = now
        self._message_ids = message_ids
        self._domain = domain
        self._file_channels = file_channels
        self._stored = stored

    def view(self) -> DoubtsView:
        """All doubts, the latest first, and hand-overs without an answer."""
        groups = grouped(self._ledger.all(), self._workers.all())
        slow = self._ledger.on_the_wire(SLOW_SECONDS, ON_THE_WIRE_SHOWN)
        return DoubtsView(groups, tuple(slow), self._now())

    def message_id(self, doubt: Doubt) -> str:
        """The Message-ID of an email in doubt, without angle brackets."""
        return self._message_ids(doubt)[0]

    def match(self, log: IO[bytes], zone: tzinfo = UTC) -> DoubtsMatched:
        """Read a relay's log, and say what it proves of each doubt. Nothing is written.

        `zone` is of times that name none. Raises `NotPossible` for a log that no server known here has written.
        """
        return self.match_these(self.open_doubts(), log, zone)

    def open_doubts(self) -> tuple[Doubt, ...]:
        """All that people or a log may settle."""
        of_files = self._file_channels()
        return tuple(doubt for doubt in self._ledger.all() if doubt.channel not in of_files)

    def match_these(self, doubts: Sequence[Doubt], log: IO[bytes], zone: tzinfo) -> DoubtsMatched:
        """As `match`, for these alone."""
        wanted = [WantedEmail(one.email_id, one.gen, self._message_ids(one)) for one in doubts]
        reading = read_log(log, wanted, self._domain, zone, self._now().replace(tzinfo=UTC))
        if not reading.servers:
            what = "this is no log of Postfix, Exim, KumoMTA or SES. Give its lines unpacked, as the server wrote them"
            raise NotPossible(what)
        return matched(doubts, reading, self._heard(reading))

    def _heard(self, reading: LogReading) -> list[tuple[Witness, HandOver]]:
        """Emails of ours that the log has, each with its hand-over."""
        step = max(1, len(reading.witnesses) // WITNESSES_ASKED)
        asked = {(one.email_id, one.gen): one for one in reading.witnesses[::step]}
        known = self._ledger.wires(asked.keys()) if asked else {}
        return [(asked[which], handed) for which, handed in known.items()]

    def settle(self, plan: DoubtsPlan, request: SettleDoubtsRequest) -> DoubtsSettled:
        """Settle the chosen doubts, each with its evidence beside it.

        Those that are not in doubt any more, or were handed over again since then, are left. Raises `DoubtsChanged`,
        `InvalidRequest` and `NothingMatches`.
        """
        if request.etag != plan.etag:
            raise DoubtsChanged("the doubts have changed since you looked at them. Match the log again, then decide")
        chosen = plan.chosen(request.verdicts)
        if not chosen:
            raise NothingMatches(f"the log has no doubt that is {' or '.join(request.verdicts)}")
        return self._settle(chosen, f"settled by an operator from the relay's log: {one_line(request.reason)}")

    def settle_proven(self, plan: DoubtsPlan, verdicts: Collection[LogVerdict], worker: str) -> DoubtsSettled:
        """Settle those with these verdicts, as the process `worker`, and no person, has found them."""
        return self._settle(plan.chosen(verdicts), f"settled by the {worker} from the relay's log", worker)

    def _settle(self, chosen: Sequence[ProvenDoubt], why: str, worker: str = OPERATOR) -> DoubtsSettled:
        settlements = [
            Settlement(one.email_id, one.gen, one.wire_at, SETTLED_AS[one.verdict], self._stored(words))
            for one in chosen
            if (words := f"relay's log: {one.evidence}")
        ]
        done = self._ledger.settle(settlements, why, self._file_channels(), worker)
        sent, failed = done[EmailState.SENT], done[EmailState.FAILED]
        return DoubtsSettled(sent, failed, len(chosen) - sent - failed)

    def standing(self, plan: DoubtsPlan, request: SettleDoubtsRequest) -> DoubtsSettled:
        """How the chosen emails stand now, by whomever they were settled."""
        chosen = [(one.email_id, one.gen) for one in plan.chosen(request.verdicts)]
        states = self._ledger.states(chosen)
        sent, failed = states[EmailState.SENT], states[EmailState.FAILED]
        return DoubtsSettled(sent, failed, len(chosen) - sent - failed)


def log_zone(name: str) -> tzinfo:
    """A time zone by its name, such as Europe/Berlin. Raises `InvalidRequest`."""
    try:
        return UTC if name.upper() == "UTC" else ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise InvalidRequest(f"there is no time zone {name}", which="zone") from error
