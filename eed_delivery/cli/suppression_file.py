"""The suppression list as a file: our own CSV, or one address a line. Read an entry at a time, each line checked.

A bad line is told with its number and never guessed at. What `header` and `row` write comes back as it was.
"""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import TextIO

from eed_delivery.cli import csv_rows
from eed_delivery.cli.csv_rows import BadRow
from eed_delivery.errors import NotPossible
from eed_delivery.ledger.suppression_list import Entry
from eed_delivery.schema import eed_suppression
from eed_delivery.untrusted import bare, inert

COLUMNS = ("address", "category", "reason", "source", "created_at", "expires_at")
# What an address may be that can be sent to (rendering.addresses), and more: no quoted local parts, no literals.
_PART = r"[^\s@<>\"(),:;\[\]\\\x00-\x1f\x7f]+"
ADDRESS = re.compile(f"{_PART}@{_PART}")
WORD = re.compile(r"[!-~]+(?: [!-~]+)*")
IMPORT = "import"
"""Where an entry comes from if its file doesn't say."""
EARLIEST = datetime(1970, 1, 1)  # noqa: DTZ001 - UTC, as the database has it


@dataclass(frozen=True, slots=True)
class Defaults:
    """What entries get for the columns that a file does not have."""

    category: str
    reason: str
    expires_at: datetime | None


def header() -> bytes:
    """The first line of our CSV."""
    return _csv(COLUMNS)


def row(entry: Entry) -> bytes:
    """An entry's line: RFC 4180 in UTF-8, times to the microsecond; what a spreadsheet would run gets a ' before it."""
    texts = (entry.address, entry.category, entry.reason, entry.source, _time(entry.created_at))
    return _csv([inert(text) for text in (*texts, _time(entry.expires_at))])


def _csv(cells: Sequence[str]) -> bytes:
    line = io.StringIO(newline="")
    csv.writer(line, lineterminator="\r\n").writerow(cells)
    return line.getvalue().encode("utf-8", "backslashreplace")


def _time(moment: datetime | None) -> str:
    return "" if moment is None else moment.isoformat(timespec="microseconds") + "Z"


def read_entries(stream: TextIO, defaults: Defaults) -> Iterator[Entry | BadRow]:
    """The entries of `stream`, which is opened with newline="" and errors="surrogateescape".

    It is CSV if its first line names a column `address`, else it has an address a line. Raises `NotPossible` when that
    line names a column that we don't know, or one twice.
    """
    first = stream.readline()
    names = _names(first)
    if "address" in names:
        yield from _csv_rows(stream, _checked(names), defaults)
    else:
        yield from _lines(chain([first], stream), defaults)


def _names(first: str) -> list[str]:
    try:
        return [name.strip().lower() for name in next(csv.reader([first], strict=True), [])]
    except csv.Error:
        return []


def _checked(names: list[str]) -> list[str]:
    unknown = sorted(set(names) - set(COLUMNS))
    repeated = sorted({name for name in names if names.count(name) > 1})
    if unknown or repeated:
        problem = f"the column {unknown[0]!r}" if unknown else f"{repeated[0]!r} twice"
        raise NotPossible(f"the first line names {problem}. Its columns are some of: {', '.join(COLUMNS)}")
    return names


def _csv_rows(stream: TextIO, names: list[str], defaults: Defaults) -> Iterator[Entry | BadRow]:
    reader = csv.reader(stream, strict=True)
    for row in csv_rows.rows(reader, names, "first line", lines_before=1):  # the first one is read already
        if isinstance(row, BadRow):
            yield row
        else:
            yield _entry(row[0], dict(zip(names, map(bare, row[1]), strict=True)), defaults)


def _lines(lines: Iterator[str], defaults: Defaults) -> Iterator[Entry | BadRow]:
    for line, text in enumerate(lines, start=1):
        if text.strip():
            yield _entry(line, {"address": text}, defaults)


def _entry(line: int, texts: dict[str, str], defaults: Defaults) -> Entry | BadRow:
    try:
        entry = Entry(
            address=texts["address"].strip(),
            category=texts.get("category", defaults.category).strip(),
            reason=texts.get("reason", defaults.reason),
            source=texts.get("source", "") or IMPORT,
            created_at=_moment(texts, "created_at"),
            expires_at=_moment(texts, "expires_at") if "expires_at" in texts else defaults.expires_at,
        )
    except ValueError as error:
        return BadRow(line, str(error))
    problem = _problem(entry)
    return BadRow(line, problem) if problem else entry


def _moment(texts: dict[str, str], name: str) -> datetime | None:
    """Raises ValueError."""
    text = texts.get(name, "").strip()
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
        moment = found.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        raise ValueError(f"{name} is not a time like 2026-12-31T18:00:00Z") from None
    if found.tzinfo is None or moment < EARLIEST:
        raise ValueError(f"{name} has no time zone, or is before 1970; write it like 2026-12-31T18:00:00Z")
    return moment


def _problem(entry: Entry) -> str | None:
    texts = {"address": entry.address, "category": entry.category, "reason": entry.reason, "source": entry.source}
    for name, text in texts.items():
        limit = getattr(eed_suppression.c[name].type, "length", 0)
        if len(text) > limit:
            return f"its {name} is longer than {limit} characters"
    try:
        "".join(texts.values()).encode()
    except UnicodeEncodeError:
        return "it is not UTF-8 text"
    if not ADDRESS.fullmatch(entry.address):
        return "this is not an address" if entry.address else "it has no address"
    return None if WORD.fullmatch(entry.source) else "its source is not a word of plain ASCII"
