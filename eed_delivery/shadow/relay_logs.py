"""The relay's log, read for the emails of a block. Its files are read as one, in the order of their times."""

import glob
import gzip
import os
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BufferedReader, RawIOBase
from pathlib import Path
from typing import IO, Any, cast
from zoneinfo import ZoneInfo

from eed_delivery import addresses
from eed_delivery.shadow.fates import LogFate
from eed_delivery.tracking.relay_logs.reading import LogReading, WantedEmail, read_log
from eed_delivery.tracking.relay_logs.sightings import EmailSightings, LogVerdict


@dataclass(frozen=True, slots=True)
class LoggedEmail:
    """An email that the old server has sent. `minute` is when, since 1970. None: that is not known."""

    number: int
    message_id: str
    recipient: str
    minute: int | None


@dataclass(frozen=True, slots=True)
class LogFinding:
    """What the log says of one. `queued`: how often the relay took it. `extra`: other recipients that it has."""

    fate: LogFate
    queued: int = 0
    extra: int = 0


class RelayLogs:
    """Logs by patterns of paths. `zone` is of times that name none."""

    def __init__(self, patterns: Sequence[str], zone: str) -> None:
        self._patterns = patterns
        self._zone = ZoneInfo(zone)

    def look_up(self, emails: Sequence[LoggedEmail], since: float) -> dict[int, LogFinding]:
        """What files say that changed after `since`, in seconds since 1970. Raises `OSError`."""
        wanted = [WantedEmail(one.number, 0, (one.message_id,)) for one in emails]
        domain = _common_domain(emails)
        with closing(_AllFiles(self._files(since))) as raw:
            file = cast("IO[bytes]", BufferedReader(raw, 1 << 20))
            reading = read_log(file, wanted, domain, self._zone, datetime.now(UTC))
        minutes = _seen_minutes(reading, emails)
        return {one.number: finding for one in emails if (finding := _finding(one, reading, minutes)) is not None}

    def _files(self, since: float) -> list[Path]:
        paths = {path for pattern in self._patterns for path in glob.glob(pattern)}  # noqa: PTH207 - a whole pattern
        timed = [(status.st_mtime, path) for path in paths if (status := os.stat(path)).st_mtime >= since]  # noqa: PTH116
        return [Path(path) for _, path in sorted(timed)]


def _common_domain(emails: Sequence[LoggedEmail]) -> str:
    """Where Message-IDs end: logs in JSON are looked through for it."""
    domains = [one.message_id.rpartition("@")[2] for one in emails]
    return max(set(domains), key=domains.count) if domains else "localhost"


def _finding(one: LoggedEmail, reading: LogReading, minutes: range | None) -> LogFinding | None:
    seen = reading.sightings.get(one.number)
    if seen is None:
        return LogFinding(LogFate.ABSENT) if _is_covered(one, reading, minutes) else None
    verdict, _ = seen.proven()
    others = {_form(to) for to in seen.recipients} - {_form(one.recipient), ""}
    fate = LogFate.BOUNCED if verdict is LogVerdict.BOUNCED else LogFate.ACCEPTED
    return LogFinding(fate, seen.queues, len(others) if _names(seen, one.recipient) else 0)


def _names(seen: EmailSightings, recipient: str) -> bool:
    """Whether the log has its own recipient. Else an alias stands there, and others say nothing."""
    return _form(recipient) in {_form(to) for to in seen.recipients}


def _is_covered(one: LoggedEmail, reading: LogReading, seen: range | None) -> bool:
    """Whether the log has its time: without a gap around it, or between other emails of the block."""
    if not reading.proves_absence or one.minute is None:
        return False
    return reading.span.covers(one.minute) or (seen is not None and one.minute in seen)


def _seen_minutes(reading: LogReading, emails: Sequence[LoggedEmail]) -> range | None:
    """From the first minute to the last one of emails that the log has."""
    minutes = [one.minute for one in emails if one.number in reading.sightings and one.minute is not None]
    return range(min(minutes), max(minutes) + 1) if minutes else None


def _form(address: bytes | str) -> str:
    text = address.decode("utf-8", "replace") if isinstance(address, bytes) else address
    return addresses.canonical(text) or text.strip().casefold()


def _opened(path: Path) -> IO[bytes]:
    return cast("IO[bytes]", gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


class _AllFiles(RawIOBase):
    """Files as one, those that end in .gz unpacked."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._left = list(paths)
        self._file: IO[bytes] | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while True:
            if self._file is None:
                if not self._left:
                    return 0
                path = self._left.pop(0)
                self._file = _opened(path)
            content = self._file.read(len(buffer))
            if content:
                buffer[: len(content)] = content
                return len(content)
            self._file.close()
            self._file = None

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        super().close()
