"""A manifest's CSV and JSON, written as their rows are read. They lie on the disk, so half a million files fit.

The same claim makes the same bytes, whenever it is asked. Both list each file by its path below the channel's root, and
the key of its email. No address is in them. A cell of the CSV that a spreadsheet would run gets a ' before it.
"""

import csv
import hashlib
import io
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from mmap import ACCESS_READ, mmap
from typing import IO, Any

from eed_delivery.ledger.manifests import ListedFile, ManifestClaim
from eed_delivery.model import File
from eed_delivery.rendering.manifest_paths import ManifestPath
from eed_delivery.untrusted import inert, json_text

FORMAT = "eed-delivery manifest"
VERSION = 1
COLUMNS = ("name", "size", "sha256", "put_at", "email")
CSV_TYPE, JSON_TYPE = "text/csv; charset=utf-8", "application/json"


@dataclass(frozen=True, slots=True)
class ManifestFiles:
    """The two files of a manifest. `count`, `size`: of the files that it lists; `size` in bytes."""

    csv: File
    json: File
    count: int
    size: int


@contextmanager
def made(
    claim: ManifestClaim, path: ManifestPath, files: Iterable[ListedFile], unlisted: int = 0
) -> Iterator[ManifestFiles]:
    """The manifest of these files, while the block runs. `unlisted`: emails whose files are not among them."""
    with _Spool() as table, _Spool() as document:
        count, size = _write(table, document, _head(claim), files)
        csv_file = table.file(path.csv, CSV_TYPE)
        document.write("],\n" + _json(_totals(csv_file, count, size, unlisted))[1:] + "\n")
        json_file = document.file(path.json, JSON_TYPE)
        yield ManifestFiles(csv_file, json_file, count, size)


def _write(table: "_Spool", document: "_Spool", head: str, files: Iterable[ListedFile]) -> tuple[int, int]:
    rows = csv.writer(table, lineterminator="\r\n")
    rows.writerow(COLUMNS)
    document.write(head)
    count = size = 0
    for file in files:
        rows.writerow((inert(file.path), file.size, file.sha256, _utc(file.put_at), inert(file.email)))
        document.write((",\n" if count else "\n") + _json(_entry(file)))
        count, size = count + 1, size + file.size
    return count, size


def _head(claim: ManifestClaim) -> str:
    facts = {
        "format": FORMAT,
        "version": VERSION,
        "job": claim.job,
        "number": claim.number,
        "made_at": _utc(claim.wanted_at),
    }
    return _json(facts)[:-1] + ', "files": ['


def _entry(file: ListedFile) -> dict[str, Any]:
    facts = asdict(file)
    return {"name": facts.pop("path"), **facts, "put_at": _utc(file.put_at)}


def _totals(table: File, count: int, size: int, unlisted: int) -> dict[str, Any]:
    of_csv = table.as_put
    totals = {"count": count, "size": size, "complete": not unlisted, "unlisted": unlisted}
    return {**totals, "csv": {"name": of_csv.path, "size": of_csv.size, "sha256": of_csv.sha256}}


def _json(facts: object) -> str:
    return json_text(facts, default=str)


def _utc(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds") + "Z"


class _Spool:
    """A file without a name, which only this process can read. It goes with the process."""

    def __init__(self) -> None:
        self._bytes: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed at the end of its spool
        self._text = io.TextIOWrapper(self._bytes, "utf-8", errors="backslashreplace", newline="")
        self._digest = hashlib.sha256()
        self._mapped: mmap | None = None

    def __enter__(self) -> "_Spool":
        return self

    def __exit__(self, *_: object) -> None:
        if self._mapped is not None:
            self._mapped.close()
        self._text.close()

    def write(self, text: str) -> int:
        self._digest.update(text.encode("utf-8", "backslashreplace"))
        return self._text.write(text)

    def file(self, path: str, content_type: str) -> File:
        """All that was written, mapped from the disk."""
        self._text.flush()
        self._mapped = mmap(self._bytes.fileno(), 0, access=ACCESS_READ)
        return File(path, self._mapped, content_type, self._digest.hexdigest())
