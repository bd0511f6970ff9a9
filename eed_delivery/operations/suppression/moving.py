"""The suppression list from a file and as a file. Both go an entry at a time, a million too."""

import io
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import IO, cast

from eed_delivery.ledger.acts import Act, ActKind, ActObject
from eed_delivery.ledger.auditing import AuditLedger
from eed_delivery.ledger.reporting import ReportingLedger
from eed_delivery.ledger.suppression.listing import Entered, SuppressionEntry, SuppressionFilter, SuppressionList
from eed_delivery.ledger.suppression.statements import EVERY_EMAIL
from eed_delivery.operations.suppression import file as suppression_file
from eed_delivery.operations.suppression.file import Defaults, read_entries
from eed_delivery.operations.suppression.listing import entry_end
from eed_delivery.operations.text_files.csv_rows import Form
from eed_delivery.operations.text_files.lines import BadRow, FileLines, Sums
from eed_delivery.operations.text_files.reading import TextFile, encoding_name, read_text
from eed_delivery.operations.values import category, reason
from eed_delivery.pseudonyms import NO_PSEUDONYMS, Pseudonyms, is_pseudonym, key_id_of

CHUNK = 1000
LARGEST_UPLOAD = 2**23
"""Bytes of a file that comes by the pages or the API. The command line takes any."""
BAD_ROWS_NAMED = 100
"""Limit: bad rows that a page or an answer names."""
IMPORTED = "imported"
OF_ANOTHER_KEY = "it is a hashed address, and neither privacy.secret nor privacy.former_secrets has its key"


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """A file of entries, and what they get for the columns that it does not have.

    `dry_run` means only to read and check it.
    """

    file: TextFile
    form: Form
    category: str | None = None
    reason: str | None = None
    expires: float | datetime | None = None
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class UploadedEntries:
    """A file of entries that a caller sends. `encoding` None: that of the file's mark (BOM), else UTF-8."""

    file: IO[bytes]
    category: str | None = None
    reason: str | None = None
    expires: float | datetime | None = None
    dry_run: bool = False
    encoding: str | None = None
    delimiter: str | None = None


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What became of a file's entries, and of its lines. `hint` says what to do about a file that looks as if it were
    in another encoding."""

    read: int
    added: int
    prolonged: int
    bad: int
    sums: Sums
    read_as: str
    hint: str | None

    @property
    def good(self) -> int:
        return self.read - self.bad

    @property
    def there_already(self) -> int:
        """Those that are in the file twice, too."""
        return self.good - self.added - self.prolonged


class SuppressionMoving:
    """Enters files, and writes the list. Each call raises `DatabaseGone`."""

    def __init__(
        self,
        entries: SuppressionList,
        reporting: ReportingLedger,
        audit: AuditLedger,
        pseudonyms: Pseudonyms = NO_PSEUDONYMS,
    ) -> None:
        """`pseudonyms`: hashed addresses of other keys than theirs are refused: nobody could recognize them."""
        self._key_ids = pseudonyms.key_ids
        self._entries = entries
        self._reporting = reporting
        self._audit = audit

    def enter(self, request: ImportRequest, refused: Callable[[BadRow], None]) -> ImportResult:
        """Enter the good rows of a file, and name each bad one to `refused`. A file may be entered again, to go on
        where it was broken off. Raises `NotPossible` for a file that is none, and `EntryPast`."""
        until = entry_end(request.expires, self._reporting)
        defaults = Defaults(request.category or EVERY_EMAIL, request.reason or IMPORTED, until)
        reading = _Reading(FileLines(request.file), refused, self._key_ids)
        good = reading.good(read_entries(reading.lines, defaults, request.form))
        added = prolonged = 0
        act = Act(ActKind.SUPPRESSION_IMPORT, object=ActObject.SUPPRESSION_LIST, reason=request.reason)
        while chunk := list(islice(good, CHUNK)):
            entered = Entered() if request.dry_run else self._entries.enter(chunk, act)
            added, prolonged = added + entered.added, prolonged + entered.prolonged
        lines = reading.lines
        return ImportResult(reading.read, added, prolonged, reading.bad, lines.sums(), lines.read_as, lines.hint)

    def upload(self, uploaded: UploadedEntries) -> tuple[ImportResult, tuple[BadRow, ...]]:
        """As `enter`, with the first bad rows."""
        encoding = None if uploaded.encoding is None else encoding_name(uploaded.encoding)
        if uploaded.category is not None:
            category(uploaded.category)
        text = read_text(cast("io.BufferedReader", uploaded.file), "the file", encoding)
        facts = (uploaded.category, uploaded.reason and reason(uploaded.reason), uploaded.expires, uploaded.dry_run)
        bad: list[BadRow] = []

        def name(row: BadRow) -> None:
            if len(bad) < BAD_ROWS_NAMED:
                bad.append(row)

        return self.enter(ImportRequest(text, Form(uploaded.delimiter), *facts), name), tuple(bad)

    def written(self) -> Iterator[bytes]:
        """The whole list as our CSV, with what has expired. `enter` takes it back unchanged."""
        self._audit.record(Act(ActKind.SUPPRESSION_EXPORT, object=ActObject.SUPPRESSION_LIST))
        return self._lines()

    def _lines(self) -> Iterator[bytes]:
        yield suppression_file.header()
        for entry in self._entries.entries(SuppressionFilter()):
            yield suppression_file.row(entry)


class _Reading:
    """The rows of one file, counted."""

    def __init__(self, lines: FileLines, refused: Callable[[BadRow], None], key_ids: Collection[str]) -> None:
        self._key_ids = key_ids
        self.lines = lines
        self.read = self.bad = 0
        self._refused = refused

    def good(self, rows: Iterator[SuppressionEntry | BadRow]) -> Iterator[SuppressionEntry]:
        for row in rows:
            self.read += 1
            if isinstance(row, SuppressionEntry) and self._is_of_another_key(row.address):
                row = BadRow(self.lines.first, OF_ANOTHER_KEY)
            if isinstance(row, BadRow):
                self.bad += 1
                self.lines.refuse()
                self._refused(row)
            else:
                self.lines.accept()
                yield row

    def _is_of_another_key(self, address: str) -> bool:
        text = address.strip()
        return is_pseudonym(text) and key_id_of(text) not in self._key_ids
