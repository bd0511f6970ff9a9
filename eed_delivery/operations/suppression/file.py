"""The suppression list as a file, our own CSV or one address a line. Read an entry at a time, each line checked.

A bad line is reported with its number and never guessed at. What `header` and `row` write comes back as it was.
"""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from eed_delivery.addresses import NotAnAddress, listed, shown
from eed_delivery.errors import NotPossible
from eed_delivery.ledger.schema import eed_suppression
from eed_delivery.ledger.suppression.listing import SuppressionEntry
from eed_delivery.operations.text_files import csv_rows
from eed_delivery.operations.text_files.csv_rows import Form
from eed_delivery.operations.text_files.lines import UNSEEN, BadRow, FileLines
from eed_delivery.untrusted import bare, inert

COLUMNS = ("address", "category", "reason", "source", "created_at", "expires_at")
CSV_FORM = Form()
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


def row(entry: SuppressionEntry) -> bytes:
    """An entry's line, as RFC 4180 in UTF-8, with times to the microsecond.

    What a spreadsheet would run gets a ' before it.
    """
    texts = (shown(entry.address), entry.category, entry.reason, entry.source, _time(entry.created_at))
    return _csv([inert(text) for text in (*texts, _time(entry.expires_at))])


def _csv(cells: Sequence[str]) -> bytes:
    line = io.StringIO(newline="")
    comment = cells[0].startswith("#")  # in quotes it is none
    csv.writer(line, lineterminator="\r\n", quoting=csv.QUOTE_ALL if comment else csv.QUOTE_MINIMAL).writerow(cells)
    return line.getvalue().encode("utf-8", "backslashreplace")


def _time(moment: datetime | None) -> str:
    return "" if moment is None else moment.isoformat(timespec="microseconds") + "Z"


def read_entries(lines: FileLines, defaults: Defaults, form: Form = CSV_FORM) -> Iterator[SuppressionEntry | BadRow]:
    """The entries in `lines`, which count the rest.

    It is CSV if its first line names a column `address`, else it has an address a line. Raises `NotPossible` when that
    line names a column that we don't know, or one twice.
    """
    first, separator = csv_rows.first_line(lines)
    header = csv_rows.find_header(first, "address", COLUMNS, "first line", form.separator or separator)
    if header is None:
        yield from _addresses(lines, defaults)
        return
    _check(header.names)
    lines.is_header()
    # What `suppression export` wrote comes back as it was: reasons are whatever a mail server has said.
    ours = header.names == COLUMNS
    for row in csv_rows.rows(lines, header, replace(form, controls=True, multiline=form.multiline or ours)):
        if isinstance(row, BadRow):
            yield row
        else:
            cells = dict(zip(header.names, map(bare, row.cells), strict=True))
            yield _entry(row.line, cells, defaults)


def _check(names: tuple[str, ...]) -> None:
    unknown = sorted(set(names) - set(COLUMNS))
    twice = csv_rows.repeated(names)
    if unknown or twice:
        problem = f"the column {unknown[0]!r}" if unknown else twice
        raise NotPossible(f"the first line names {problem}. Its columns are some of: {', '.join(COLUMNS)}")


def _addresses(lines: FileLines, defaults: Defaults) -> Iterator[SuppressionEntry | BadRow]:
    """One a line. The first line is read already."""
    if lines.row and lines.text.strip(UNSEEN) and "@" not in lines.text and lines.flaw(controls=True) is None:
        yield BadRow(lines.first, "this is not an address. If it names columns, one of them must be address")
        lines.begin()
        next(lines, None)
    while lines.row:
        text = lines.text
        flaw = lines.flaw(controls=False)
        if flaw:
            yield BadRow(lines.first, flaw)
        elif not text.strip(UNSEEN):
            lines.is_blank()
        elif text.startswith("#"):
            yield BadRow(lines.first, "it begins with #, but comments are not allowed. Remove the line")
        else:
            yield _entry(lines.first, {"address": text}, defaults)
        lines.begin()
        next(lines, None)


def _entry(line: int, texts: dict[str, str], defaults: Defaults) -> SuppressionEntry | BadRow:
    try:
        entry = SuppressionEntry(
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
        raise ValueError(f"{name} has no time zone, or is before 1970. Write it like 2026-12-31T18:00:00Z")
    return moment


def _problem(entry: SuppressionEntry) -> str | None:
    texts = {"address": entry.address, "category": entry.category, "reason": entry.reason, "source": entry.source}
    for name, text in texts.items():
        limit = getattr(eed_suppression.c[name].type, "length", 0)
        if len(text) > limit:
            return f"its {name} is longer than {limit} characters"
    try:
        "".join(texts.values()).encode()
    except UnicodeEncodeError:
        return "it is not UTF-8 text"
    if problem := _no_address(entry.address):
        return problem
    return None if WORD.fullmatch(entry.source) else "its source is not a word of plain ASCII"


def _no_address(text: str) -> str | None:
    """Why this can be no entry. It would keep nothing back."""
    if not text:
        return "it has no address"
    try:
        listed(text)
    except NotAnAddress as error:
        return f"this is not an address: {error}"
    return None
