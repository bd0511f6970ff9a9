"""A relay's log, read once from its beginning to its end, however long it and its lines are."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from functools import partial
from itertools import chain, islice
from typing import IO, Any

from eed_delivery.tracking.relay_logs.dialects import JSONS, LINES, JsonDialect, LineDialect
from eed_delivery.tracking.relay_logs.moments import LineTimes
from eed_delivery.tracking.relay_logs.sightings import EmailSightings, LineFate, Sighting
from eed_delivery.tracking.relay_logs.span import LogSpan

LONGEST_LINE = 65_536
"""Bytes. What is behind them in a line is passed over."""
SAMPLE_LINES = 2000
"""By so many lines it is decided which servers wrote the log. A line of another one is passed over later on."""
LONGEST_TOKEN = 320
"""Bytes of a Message-ID of ours before its domain. Without a limit, a long line would cost its square."""
WITNESSES_A_MINUTE = 4
"""They may be of several channels."""
_JSON_MINUTE = re.compile(
    rb'timestamp\\?":\s*\\?"?(?:(\d{4}-\d\d-\d\dT\d\d:\d\d)[\d:.]*(Z|[+-]\d\d:?\d\d)?|(\d{9,11}))'
)
_TAG = re.compile(rb'eed_email\\?":\s*\[\s*\\?"(\d{1,19})')
_QUEUE = re.compile(rb'"id":\s*"([^"\\]{1,64})"')


@dataclass(frozen=True, slots=True)
class WantedEmail:
    """An email to look for. `message_ids` are without angle brackets, one for each form that it may have had."""

    email_id: int
    gen: int
    message_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Witness:
    """An email of ours that the relay received in this minute since 1970: the ledger knows when that was."""

    minute: int
    email_id: int
    gen: int


@dataclass(frozen=True, slots=True)
class LogReading:
    """What was found. `servers` names who wrote it. `proves_absence`: whether an email that is not in it was not
    there."""

    sightings: dict[int, EmailSightings]
    span: LogSpan
    witnesses: tuple[Witness, ...]
    servers: tuple[str, ...]
    lines: int
    proves_absence: bool


def read_log(
    file: IO[bytes], wanted: Sequence[WantedEmail], message_id_domain: str, zone: tzinfo, now: datetime
) -> LogReading:
    """Look for emails in a log. `zone` is of times that name none. Raises what reading the file raises."""
    return _LogReader(wanted, message_id_domain.lower(), LineTimes(zone, now)).read(file)


def line_minute(line: bytes, times: LineTimes) -> int | None:
    """The minute of a line since 1970. None for one that no mail server known here has written."""
    for text in LINES:
        if (found := text.line.match(line)) is not None:
            return times.minute(*found.group("minute", "zone"))
    stamp = _JSON_MINUTE.search(line) if any(json.mark.match(line) for json in JSONS) else None
    if stamp is None:
        return None
    return int(stamp[3]) // 60 if stamp[3] else times.minute(stamp[1], stamp[2])


class _LogReader:
    def __init__(self, wanted: Sequence[WantedEmail], domain: str, times: LineTimes) -> None:
        self._ids = {one.encode(): email for email in wanted for one in email.message_ids}
        self._numbers = {email.email_id: email for email in wanted}
        self._domain = domain.encode()
        self._ours = re.compile(rb"(\d{1,19})\.(\d{1,10})@(?:[a-z2-7]{16}\.)?" + re.escape(self._domain))
        self._times = times
        self._minutes: set[int | None] = set()
        self._last: tuple[bytes, bytes | None] = (b"", None)
        self._minute: int | None = None
        self._witnesses: dict[int, list[Witness]] = {}
        self._found: dict[int, EmailSightings] = {}
        self._live: dict[bytes, int] = {}

    def read(self, file: IO[bytes]) -> LogReading:
        lines = _lines(file)
        sample = list(islice(lines, SAMPLE_LINES))
        texts = [one for one in LINES if any(map(one.line.match, sample))]
        jsons = [one for one in JSONS if any(map(one.mark.match, sample))]
        count = 0
        for line in chain(sample, lines):
            count += 1
            for text in texts:
                if self._take_text(text, line):
                    break
            else:
                for json in jsons:
                    if json.mark.match(line):
                        self._take_json(json, line)
                        break
        return LogReading(
            sightings=self._found,
            span=LogSpan(minute for minute in self._minutes if minute is not None),
            witnesses=tuple(chain.from_iterable(self._witnesses.values())),
            servers=(*(one.name for one in texts), *(one.name for one in jsons)),
            lines=count,
            proves_absence=bool(texts or jsons) and all(one.proves_absence for one in jsons),
        )

    def _take_text(self, dialect: LineDialect, line: bytes) -> bool:
        found = dialect.line.match(line)
        if found is None:
            return False
        queue, text, zone = found.group("queue", "minute", "zone")
        if (text, zone) != self._last:  # nearly every line has the minute of the one before
            self._last, self._minute = (text, zone), self._times.minute(text, zone)
            self._minutes.add(self._minute)
        minute = self._minute
        if dialect.arrival_mark in line and (arrival := dialect.arrival.match(line, found.end())) is not None:
            self._arrive(dialect, queue, arrival[1], minute, line)
        elif queue in self._live:
            self._go_on(dialect, queue, line, found.end())
        return True

    def _arrive(self, dialect: LineDialect, queue: bytes, message_id: bytes, minute: int | None, line: bytes) -> None:
        email = self._ids.get(message_id)
        if email is None:
            self._live.pop(queue, None)  # the relay uses this queue id again
        else:
            self._live[queue] = email.email_id
            self._see(email.email_id, queue, b"", dialect.arrived, line)
        self._witness(minute, message_id)

    def _go_on(self, dialect: LineDialect, queue: bytes, line: bytes, at: int) -> None:
        for pattern, fate in dialect.fates:
            if (found := pattern.match(line, at)) is not None:
                to = found["to"] if "to" in pattern.groupindex else b""
                self._see(self._live[queue], queue, to, fate, line)
                return
        if dialect.over.match(line, at) is not None:
            del self._live[queue]

    def _take_json(self, dialect: JsonDialect, line: bytes) -> None:
        stamp = _JSON_MINUTE.search(line)
        minute = None
        if stamp is not None:
            minute = int(stamp[3]) // 60 if stamp[3] else self._times.minute(stamp[1], stamp[2])
        self._minutes.add(minute)
        token = self._token(line)
        if token and dialect.arrivals.search(line):
            self._witness(minute, token)
        tag, queue = _TAG.search(line), _QUEUE.search(line)
        is_tagged = tag is not None and int(tag[1]) in self._numbers
        if token in self._ids or is_tagged or (queue is not None and queue[1] in self._live):
            self._take_record(dialect, line, int(tag[1]) if is_tagged and tag else None)

    def _token(self, line: bytes) -> bytes:
        """The first Message-ID of ours. A wanted one, if there is any."""
        first, at = b"", line.find(self._domain)
        while at >= 0:
            least = max(0, at - LONGEST_TOKEN)
            begin = max(line.rfind(b'"', least, at), line.rfind(b"<", least, at), least - 1) + 1
            token = line[begin : at + len(self._domain)]
            if token in self._ids:
                return token
            first = first or (token if self._ours.fullmatch(token) else b"")
            at = line.find(self._domain, at + 1)
        return first

    def _take_record(self, dialect: JsonDialect, line: bytes, tagged: int | None) -> None:
        try:
            record = dialect.unwrap(line.decode("utf-8", "replace"))
        except (ValueError, RecursionError):
            return
        kind = None if record is None else dialect.kind(record)
        if record is None or not isinstance(kind, str) or kind not in dialect.fates:
            return
        email_id = self._whose(dialect, record, tagged)
        if email_id is not None:
            queue, to = _bytes(dialect.queue(record)), _bytes(dialect.recipient(record))
            if queue:
                self._live[queue] = email_id
            fate = dialect.fates[kind]
            self._see(email_id, queue, b"" if fate is LineFate.TAKEN else to, fate, line)

    def _whose(self, dialect: JsonDialect, record: Mapping[str, Any], tagged: int | None) -> int | None:
        """By its tags, with our generation, else by its Message-ID, else by the relay's own id."""
        if tagged is not None:
            tags, ours = dialect.tags(record), (str(tagged), str(self._numbers[tagged].gen))
            named = isinstance(tags, dict) and (tags.get("eed_email"), tags.get("eed_gen"))
            return tagged if named == ([ours[0]], [ours[1]]) else None
        known = self._ids.get(_bytes(dialect.message_id(record)).strip(b"<> \t"))
        return known.email_id if known else self._live.get(_bytes(dialect.queue(record)))

    def _see(self, email_id: int, queue: bytes, recipient: bytes, fate: LineFate, line: bytes) -> None:
        self._found.setdefault(email_id, EmailSightings()).add(Sighting(queue, recipient, fate, line))

    def _witness(self, minute: int | None, message_id: bytes) -> None:
        if minute is None or len(self._witnesses.get(minute, ())) >= WITNESSES_A_MINUTE:
            return
        found = self._ours.fullmatch(message_id)
        if found is not None:
            self._witnesses.setdefault(minute, []).append(Witness(minute, int(found[1]), int(found[2])))


def _bytes(value: object) -> bytes:
    return value.encode("utf-8", "replace") if isinstance(value, str) else b""


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    """Each line, cut where it is longer than any that a mail server writes."""
    whole = True
    for part in iter(partial(file.readline, LONGEST_LINE), b""):
        if whole:
            yield part
        whole = part.endswith(b"\n")
