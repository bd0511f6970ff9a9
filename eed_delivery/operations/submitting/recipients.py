"""The file of recipients for `submit`, CSV or JSON Lines, read a row at a time, with each row checked.

A bad row is reported with its line number and never guessed at.
"""

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, NoReturn

from eed_delivery.errors import NotPossible, RenderError
from eed_delivery.model import OUR_PREFIX, AttachmentRef
from eed_delivery.operations.text_files import csv_rows
from eed_delivery.operations.text_files.csv_rows import Form, Header
from eed_delivery.operations.text_files.lines import UNSEEN, BadRow, FileLines
from eed_delivery.rendering import addresses
from eed_delivery.source.reference import delivery_attachment, delivery_email

EMAIL, NAME, ATTACHMENT = "email", "name", "attachment"
OURS = (EMAIL, NAME, ATTACHMENT)
CSV_FORM = Form()
FIRST_LINE_SHOWN = 60
MEMBERS = frozenset({"email", "name", "variables", "attachments"})
ATTACHMENT_MEMBERS = frozenset(field.name for field in fields(AttachmentRef))

Kind = Literal["csv", "jsonl"]


@dataclass(frozen=True, slots=True)
class Recipient:
    """One email to register."""

    line: int
    email: str
    name: str | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)
    attachments: tuple[AttachmentRef, ...] = ()


def read_recipients(lines: FileLines, kind: Kind, form: Form = CSV_FORM) -> Iterator[Recipient | BadRow]:
    """The recipients in `lines`, which count the rest. Raises `NotPossible` when a CSV's header is not one."""
    rows = _csv_rows(lines, form) if kind == "csv" else _jsonl_rows(lines)
    for row in rows:
        yield _checked(row) if isinstance(row, Recipient) else row


def _csv_rows(lines: FileLines, form: Form) -> Iterator[Recipient | BadRow]:
    header = _header(lines, form)
    for row in csv_rows.rows(lines, header, form):
        yield row if isinstance(row, BadRow) else _from_csv(row.line, dict(zip(header.names, row.cells, strict=True)))


def _header(lines: FileLines, form: Form) -> Header:
    line, separator = csv_rows.first_line(lines)
    flaw = lines.flaw(controls=True)
    if flaw:
        raise NotPossible(f"the first line cannot name columns: {flaw}. {lines.hint or 'Is this a CSV file?'}")
    separator = form.separator or separator
    header = csv_rows.find_header(line, EMAIL, OURS, "header", separator)
    if header is None:
        raise NotPossible(f"{_not_a_header(line, separator)}. It must name the columns, like email,name,amount")
    for number, name in enumerate(header.names, start=1):
        if problem := _name_problem(name):
            where = f"column {number} of {len(header.names)}"
            raise NotPossible(f"the first line has {problem}: {where}. Name it, or remove it from every line.")
    if twice := csv_rows.repeated(header.names):
        raise NotPossible(f"the first line names {twice}. Give each column a name of its own.")
    lines.is_header()
    return header


def _not_a_header(line: str, separator: str | None) -> str:
    try:
        next(csv.reader([line], delimiter=separator or ",", strict=True), [])
    except csv.Error as error:
        return f"line 1: this is not CSV: {error}"
    first = line.strip()
    between = f", separated by {separator!r}" if separator else ""
    reads = f"; it reads {first[:FIRST_LINE_SHOWN]!r}{between}" if first else ""
    return f"the first line names no column {EMAIL!r}{reads}"


def _name_problem(name: str) -> str | None:
    """What keeps templates from using a variable of this name. None if nothing does. For CSV and JSON alike."""
    if not name:
        return "a column without a name"
    if not name.isprintable():
        return f"the name {name!r}, with a character that cannot be seen"
    return None


def _from_csv(line: int, cells: dict[str, str]) -> Recipient:
    email, name = cells.pop(EMAIL).strip(), cells.pop(NAME, "").strip()
    locations = [part.strip() for part in cells.pop(ATTACHMENT, "").split(";")]
    files = tuple(AttachmentRef(location) for location in locations if location)
    return Recipient(line, email, name or None, cells, files)


def _jsonl_rows(lines: FileLines) -> Iterator[Recipient | BadRow]:
    while True:
        lines.begin()
        text = next(lines, None)
        if text is None:
            return
        line = lines.first
        if flaw := lines.flaw(controls=False):
            yield BadRow(line, flaw)
            continue
        if not text.strip(UNSEEN):
            lines.is_blank()
            continue
        try:
            yield _from_json(line, json.loads(text, parse_constant=_no_number))
        except json.JSONDecodeError as error:
            yield BadRow(line, f"this is not JSON: {error.msg} (column {error.colno})")
        except RecursionError:
            yield BadRow(line, "this is nested too deeply")
        except ValueError as error:
            yield BadRow(line, str(error))


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a JSON number")


def _from_json(line: int, said: Any) -> Recipient:
    """Raises ValueError for what is not in the form of a recipient."""
    _only(said, MEMBERS, "the line")
    variables, files = said.get("variables") or {}, said.get("attachments") or []
    if not isinstance(variables, dict):
        raise ValueError('variables must be an object like {"amount": "7.50"}')  # noqa: TRY004 - a value, not a defect
    for name in variables:
        if problem := _name_problem(name):
            raise ValueError(f"variables has {problem}")
    if not isinstance(files, list):
        raise ValueError("attachments must be a list")  # noqa: TRY004
    email, name = _text(said, "email") or "", _text(said, "name")
    return Recipient(line, email.strip(), name, variables, tuple(_file(item) for item in files))


def _file(item: Any) -> AttachmentRef:
    if isinstance(item, str):
        return AttachmentRef(item)
    _only(item, ATTACHMENT_MEMBERS, "an attachment")
    given = {name: _text(item, name) for name in ATTACHMENT_MEMBERS}
    return AttachmentRef(given["location"] or "", given["filename"], given["content_type"], given["sha256"])


def _only(item: Any, names: frozenset[str], what: str) -> None:
    if not isinstance(item, dict):
        raise ValueError(f"{what} is not an object with {', '.join(sorted(names))}")  # noqa: TRY004
    if unknown := sorted(set(item) - names):
        raise ValueError(f"{what} has the unknown member {unknown[0]!r}. Known are {', '.join(sorted(names))}")


def _text(item: dict[str, Any], name: str) -> str | None:
    value = item.get(name)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{name} must be text")
    return value


def _checked(row: Recipient) -> Recipient | BadRow:
    problem = _problem(row)
    return BadRow(row.line, problem) if problem else row


def _problem(row: Recipient) -> str | None:
    if not row.email:
        return "it has no email address"
    if ours := [name for name in row.variables if name.startswith(OUR_PREFIX)]:
        return f"its variable {ours[0]!r} begins with {OUR_PREFIX}, like the service's own. Give it another name"
    e, a = delivery_email.c, delivery_attachment.c
    sized: list[tuple[str, str | None, Any]] = [("email", row.email, e.recipient), ("name", row.name, e.recipient_name)]
    for file in row.attachments:
        if not file.location:
            return "an attachment has no location"
        sized += [("location", file.location, a.location), ("filename", file.filename, a.filename)]
        sized += [("content_type", file.content_type, a.content_type), ("sha256", file.sha256, a.sha256)]
    for name, text, column in sized:
        if text is not None and len(text) > column.type.length:
            return f"its {name} is longer than {column.type.length} characters"
    return _not_storable(row) or _not_sendable(row)


def _not_sendable(row: Recipient) -> str | None:
    """What rendering will refuse, by its own function, before anything is registered."""
    try:
        addresses.recipient(row.email, row.name)
    except RenderError as error:
        return error.reply
    return None


def _not_storable(row: Recipient) -> str | None:
    try:
        json.dumps([row.email, row.name, row.variables], ensure_ascii=False, allow_nan=False).encode()
        json.dumps([[f.location, f.filename] for f in row.attachments], ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return "it is not UTF-8 text"
    except (ValueError, RecursionError):
        return "a number is out of range, or the variables are nested too deeply"
    return None
