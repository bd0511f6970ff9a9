"""What a relay's log shows of one email, and what that proves."""

import re
from dataclasses import dataclass
from enum import StrEnum


class LineFate(StrEnum):
    """What one line says."""

    MENTIONED = "mentioned"  # its Message-ID was read. The hand-over may have broken off behind it
    TAKEN = "taken"  # the relay has it
    DEFERRED = "deferred"  # the relay has it, and will try again
    SENT = "sent"
    BOUNCED = "bounced"  # refused, returned or given up: nothing tries it any more


class LogVerdict(StrEnum):
    """What a log proves of an email in doubt."""

    ACCEPTED = "accepted"  # the relay has taken it, or delivered it
    BOUNCED = "bounced"
    NOT_THERE = "not_there"  # the log covers its time, and the relay never had it
    DEFERRED = "deferred"  # the relay has it, and could not deliver it so far
    AMBIGUOUS = "ambiguous"
    NOT_COVERED = "not_covered"  # the log says nothing of it, and need not


@dataclass(frozen=True, slots=True)
class Sighting:
    """One line about an email. `queue` is the relay's own name for it, `recipient` whom the line is about."""

    queue: bytes
    recipient: bytes
    fate: LineFate
    line: bytes


_FINAL = frozenset({LineFate.SENT, LineFate.BOUNCED})
_RANK = {LineFate.MENTIONED: 0, LineFate.TAKEN: 1, LineFate.DEFERRED: 2}
_HANDED_ON = re.compile(rb"queued as ([0-9A-Za-z]{6,})")
_VERDICTS = {
    frozenset({LineFate.SENT}): LogVerdict.ACCEPTED,
    frozenset({LineFate.TAKEN}): LogVerdict.ACCEPTED,
    frozenset({LineFate.SENT, LineFate.TAKEN}): LogVerdict.ACCEPTED,
    frozenset({LineFate.BOUNCED}): LogVerdict.BOUNCED,
    frozenset({LineFate.DEFERRED}): LogVerdict.DEFERRED,
    frozenset({LineFate.DEFERRED, LineFate.TAKEN}): LogVerdict.DEFERRED,
    # an earlier hand-over of the same generation broke off, and a later one did not
    frozenset({LineFate.MENTIONED, LineFate.SENT}): LogVerdict.ACCEPTED,
    frozenset({LineFate.MENTIONED, LineFate.TAKEN}): LogVerdict.ACCEPTED,
    frozenset({LineFate.MENTIONED, LineFate.SENT, LineFate.TAKEN}): LogVerdict.ACCEPTED,
}
"""What the last lines of all its recipients prove together. All else is ambiguous."""


class EmailSightings:
    """The lines about one email, in their order. The last final one of each recipient counts."""

    def __init__(self) -> None:
        self._places: dict[bytes, dict[bytes, Sighting]] = {}

    def add(self, one: Sighting) -> None:
        """Take in the next line."""
        places = self._places.setdefault(one.queue, {})
        known = places.get(one.recipient)
        if known is None or one.fate in _FINAL or (known.fate not in _FINAL and _RANK[one.fate] >= _RANK[known.fate]):
            places[one.recipient] = one

    @property
    def recipients(self) -> frozenset[bytes]:
        """Whom lines are about."""
        return frozenset(to for places in self._places.values() for to in places if to)

    @property
    def queues(self) -> int:
        """How often the relay took it, without what it handed to itself again."""
        ends = [self._ends(queue) for queue in self._places]
        return sum(any(one.fate is not LineFate.MENTIONED and not self._goes_on(one) for one in each) for each in ends)

    def proven(self) -> tuple[LogVerdict, bytes]:
        """What they prove, and the line that says it best."""
        ends = [last for queue in self._places for last in self._ends(queue) if not self._goes_on(last)]
        verdict = _VERDICTS.get(frozenset(one.fate for one in ends), LogVerdict.AMBIGUOUS)
        best = max(ends, key=lambda one: 3 if one.fate in _FINAL else _RANK[one.fate], default=None)
        return verdict, best.line if best else b""

    def _ends(self, queue: bytes) -> list[Sighting]:
        """The last lines about its recipients. A line about none of them counts where there is no other."""
        places = self._places[queue]
        whole = places.get(b"")
        about = [one for recipient, one in places.items() if recipient]
        if whole is not None and whole.fate in _FINAL:  # the relay has given up all that had no end yet
            return [whole, *(one for one in about if one.fate in _FINAL)]
        return about or ([whole] if whole else [])

    def _goes_on(self, last: Sighting) -> bool:
        """Whether it was handed to the same relay again, as by a content filter. Then the lines from there count."""
        found = _HANDED_ON.findall(last.line) if last.fate is LineFate.SENT else ()
        return any(other in self._places and other != last.queue for other in found)
