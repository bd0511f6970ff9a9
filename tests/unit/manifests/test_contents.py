"""A manifest's CSV and JSON: what is in them, the same bytes each time, and no more memory for more files."""

import csv
import hashlib
import io
import json
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from eed_delivery.ledger.manifests import ListedFile, ManifestClaim
from eed_delivery.manifests.contents import made
from eed_delivery.rendering.manifest_paths import ManifestPath
from eed_delivery.untrusted import bare

AT = datetime.fromisoformat("2026-11-30T08:00:00.123456")
CLAIM = ManifestClaim(7, "42", 1, 1, "partner", AT, None, 0, 77)
PATH = ManifestPath("42/manifest.csv", "42/manifest.json")
FILE = ListedFile("42/statement.pdf", 1234, "ab" * 32, AT, "1000")


def contents(*files: ListedFile, claim: ManifestClaim = CLAIM) -> tuple[bytes, bytes]:
    with made(claim, PATH, files) as manifest:
        assert manifest.count == len(files)
        for one in (manifest.csv, manifest.json):
            assert hashlib.sha256(one.content).hexdigest() == one.sha256
        return bytes(manifest.csv.content), bytes(manifest.json.content)


def test_it_says_of_each_file_what_it_is_and_for_which_email() -> None:
    table, document = contents(FILE, replace(FILE, path="42/ä, b.pdf", email="1001"))
    assert table.decode() == (
        "name,size,sha256,put_at,email\r\n"
        f"42/statement.pdf,1234,{'ab' * 32},2026-11-30T08:00:00.123Z,1000\r\n"
        f'"42/ä, b.pdf",1234,{"ab" * 32},2026-11-30T08:00:00.123Z,1001\r\n'
    )
    said = json.loads(document)
    assert said.pop("files") == [
        {"name": name, "size": 1234, "sha256": "ab" * 32, "put_at": "2026-11-30T08:00:00.123Z", "email": key}
        for name, key in (("42/statement.pdf", "1000"), ("42/ä, b.pdf", "1001"))
    ]
    assert said == {
        "format": "eed-delivery manifest",
        "version": 1,
        "job": "42",
        "number": 1,
        "made_at": "2026-11-30T08:00:00.123Z",
        "count": 2,
        "size": 2468,
        "complete": True,
        "unlisted": 0,
        "csv": {"name": "42/manifest.csv", "size": len(table), "sha256": hashlib.sha256(table).hexdigest()},
    }


def test_one_that_lacks_files_of_an_earlier_release_does_not_say_that_it_is_complete() -> None:
    with made(CLAIM, PATH, [FILE], unlisted=3) as manifest:
        said = json.loads(bytes(manifest.json.content))
    assert (said["complete"], said["unlisted"], said["count"]) == (False, 3, 1)


def test_no_files_are_a_manifest_too() -> None:
    table, document = contents()
    assert table == b"name,size,sha256,put_at,email\r\n"
    assert json.loads(document)["files"] == [] and json.loads(document)["count"] == 0


def test_a_spreadsheet_runs_no_name_and_a_program_reads_it_as_it_is() -> None:
    name = "=HYPERLINK(1)/a.pdf"
    table, document = contents(replace(FILE, path=name, email="@SUM(1)"))
    (row,) = csv.DictReader(io.StringIO(table.decode(), newline=""))
    assert row["name"] == f"'{name}" and row["email"] == "'@SUM(1)"
    assert bare(row["name"]) == name
    assert json.loads(document)["files"][0]["name"] == name


def test_the_same_rows_make_the_same_bytes_and_another_number_makes_others() -> None:
    assert contents(FILE) == contents(FILE)
    assert contents(FILE)[1] != contents(FILE, claim=replace(CLAIM, number=2))[1]


def test_twenty_times_the_files_take_no_more_memory() -> None:
    def many(count: int) -> Iterator[ListedFile]:
        return (replace(FILE, path=f"42/{n}.pdf", email=str(n)) for n in range(count))

    def peak(count: int) -> int:
        tracemalloc.start()
        try:
            with made(CLAIM, PATH, many(count)) as manifest:
                assert manifest.count == count
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(10)
    assert peak(10_000) < 2 * peak(500) + 1_000_000
