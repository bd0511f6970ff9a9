"""What a relay's log proves of each doubt. That an email is not in it is proven by emails of ours that are in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median

from eed_delivery.ledger.doubts import Doubt, HandOver
from eed_delivery.operations.doubts.plans import DoubtsPlan, ProvenDoubt
from eed_delivery.reports.moments import when
from eed_delivery.tracking.relay_logs.reading import LogReading, Witness
from eed_delivery.tracking.relay_logs.sightings import LogVerdict
from eed_delivery.untrusted import MAX_REPLY_CHARS, clean

CLOCK_MINUTES = 2
"""How far the relay's clock may be from the database's."""
WITNESS_MINUTES = 60
"""How far the hand-over of an email that is in the log may be from that of one that is not."""

_BETWEEN_WORDS = " \t<>\"',;:()[]"


@dataclass(frozen=True, slots=True)
class DoubtMatch:
    """What a log proves of one doubt. `evidence` is the line, or why there is none."""

    doubt: Doubt
    verdict: LogVerdict
    evidence: str


@dataclass(frozen=True, slots=True)
class DoubtsMatched:
    """What a log proves of all doubts. `first` and `last` are its minutes, in UTC.

    `clock_minutes` is how far its clock is ahead of the database's. None: no email of ours shows it. `problem` says why
    the log proves of no email that the relay never had it. "" where it may.
    """

    matches: tuple[DoubtMatch, ...]
    servers: tuple[str, ...]
    lines: int
    first: datetime | None
    last: datetime | None
    clock_minutes: int | None
    problem: str

    @property
    def plan(self) -> DoubtsPlan:
        """What can be settled by it."""
        return DoubtsPlan(
            tuple(
                ProvenDoubt(one.doubt.email_id, one.doubt.gen, one.doubt.wire_at, one.verdict, one.evidence)
                for one in self.matches
            )
        )


def matched(doubts: Sequence[Doubt], reading: LogReading, heard: Sequence[tuple[Witness, HandOver]]) -> DoubtsMatched:
    """`heard` are emails of ours that the log has, each with its hand-over by the ledger."""
    channels = sorted({doubt.channel for doubt in doubts})
    absences = {channel: _Absence(reading, heard, channel) for channel in channels}
    problems = list(dict.fromkeys(absence.problem for absence in absences.values()))
    ahead = [_ahead(witness, handed) for witness, handed in heard]
    return DoubtsMatched(
        matches=tuple(_match(doubt, reading, absences[doubt.channel]) for doubt in doubts),
        servers=reading.servers,
        lines=reading.lines,
        first=reading.span.first,
        last=reading.span.last,
        clock_minutes=round(median(ahead)) if ahead else None,
        problem="" if "" in problems else "; ".join(problems),
    )


def _match(doubt: Doubt, reading: LogReading, absence: "_Absence") -> DoubtMatch:
    seen = reading.sightings.get(doubt.email_id)
    if seen is not None:
        verdict, line = seen.proven()
        return DoubtMatch(doubt, verdict, _evidence(line))
    if absence.is_proven(doubt):
        span = f"{when(reading.span.first)} to {when(reading.span.last)}"
        return DoubtMatch(doubt, LogVerdict.NOT_THERE, f"not in the log from {span}")
    why = absence.problem or "the log does not cover its hand-over without a gap"
    return DoubtMatch(doubt, LogVerdict.NOT_COVERED, why)


def _evidence(line: bytes) -> str:
    """As it is shown and kept. Half an address at its end would not be masked, so it ends before its last word."""
    text = clean(line)
    return text if len(text) < MAX_REPLY_CHARS else text[: 1 + max(map(text.rfind, _BETWEEN_WORDS))]


class _Absence:
    """Whether a log can prove that the relay of a channel never had an email.

    Only emails of the same channel count. Those of another one may be there because it has another relay.
    """

    def __init__(self, reading: LogReading, heard: Sequence[tuple[Witness, HandOver]], channel: str) -> None:
        self._span = reading.span
        self._channel = channel
        of_channel = [(witness, handed) for witness, handed in heard if handed.channel == channel]
        ahead = [_ahead(witness, handed) for witness, handed in of_channel]
        self._clock_minutes = round(median(ahead)) if ahead else None
        self._near = [_minute(one.at) for witness, one in of_channel if abs(_ahead(witness, one)) <= CLOCK_MINUTES]
        self.problem = self._problem(reading)

    def _problem(self, reading: LogReading) -> str:
        if not reading.proves_absence:
            return "events of SES do not prove that it was not accepted"
        if self._clock_minutes is None:
            return f"no email of channel {self._channel} is in the log, so it may be another relay's"
        if abs(self._clock_minutes) > CLOCK_MINUTES:
            return f"the log's clock is {self._clock_minutes:+} minutes from the database's. Name its time zone"
        return ""

    def is_proven(self, doubt: Doubt) -> bool:
        if self.problem or doubt.wire_at is None:
            return False
        minute = _minute(doubt.wire_at)
        return self._span.covers(minute) and any(abs(one - minute) <= WITNESS_MINUTES for one in self._near)


def _ahead(witness: Witness, handed: HandOver) -> int:
    return witness.minute - _minute(handed.at)


def _minute(moment: datetime) -> int:
    return int(moment.replace(tzinfo=UTC).timestamp()) // 60
