"""A job registered by a surface: all is checked before the first row is written."""

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from eed_delivery.errors import NotPossible
from eed_delivery.operations.refusals import InvalidRequest, OperationRefused
from eed_delivery.operations.submitting.drafts import (
    ExpiresFirst,
    ExpiresPast,
    FieldTooLong,
    JobDraft,
    NoTemplate,
    TooLate,
)
from eed_delivery.operations.submitting.sifting import RowsRefused, SiftRequest
from eed_delivery.operations.submitting.submission import Submitting
from eed_delivery.operations.text_files.csv_rows import Form
from eed_delivery.operations.text_files.lines import BadRow, FileLines
from eed_delivery.operations.text_files.reading import read_text
from tests.operating import operations_over
from tests.world import World

ROWS = "email,amount\na@example.com,1\nnobody,2\nb@example.com,3\n"
TEXT = {"sender": "statements@bank.example", "subject": "{{ amount }}", "text": "Dear {{ amount }}"}
DRAFT = JobDraft("Statements", **TEXT)
NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def submitting(world: World, tmp_path: Path) -> Submitting:
    return operations_over(world, tmp_path).submitting


def request(content: str = ROWS, *, skip: bool = False) -> SiftRequest:
    file = read_text(io.BufferedReader(io.BytesIO(content.encode())), "rows.csv")  # type: ignore[arg-type]
    return SiftRequest(file, "csv", Form(), skip)


def test_a_job_is_previewed_and_registered_without_the_refused_rows(submitting: Submitting, world: World) -> None:
    job = submitting.prepare(DRAFT)
    refused: list[str] = []

    def refuse(row: BadRow, lines: FileLines) -> None:
        refused.append(f"{row.line} {lines.text}")

    with pytest.raises(RowsRefused) as error:
        submitting.sift(job, request(), io.StringIO(), refuse)
    assert str(error.value) == "1 of 3 rows are bad. Nothing was registered. Correct them, or skip them."
    sifted = submitting.sift(job, request(skip=True), io.StringIO(), refuse)
    assert refused == ["3 nobody,2\n"] * 2
    preview = submitting.preview(job, sifted)
    assert (preview.addressed["to"], preview.subject, preview.missing) == ("a@example.com", "1", ())
    assert world.scalar("SELECT COUNT(*) FROM delivery_job") == 0
    registered = submitting.register(job, sifted)
    assert (registered.emails, registered.skipped) == (2, 1)
    assert world.scalar("SELECT status FROM delivery_job WHERE id = :id", id=int(registered.key)) == "processing"
    nothing = submitting.sift(job, request("email\n"), io.StringIO(), refuse)
    with pytest.raises(InvalidRequest, match="there is no row to register"):
        submitting.register(job, nothing)


def test_an_error_in_the_middle_says_what_is_left(submitting: Submitting, world: World) -> None:
    job = submitting.prepare(DRAFT)
    sifted = submitting.sift(job, request("email,amount\na@example.com,1\n"), io.StringIO(), lambda row, lines: None)
    submitting.register(job, sifted)
    emptied = replace(sifted, spool=Torn(sifted.spool.getvalue()))  # type: ignore[attr-defined]
    with pytest.raises(NotPossible) as error:
        submitting.register(job, emptied)
    assert error.value.__notes__ == [
        "job 2 is not complete. It stays 'preparing', and none of its emails is sent. "
        "Discard it: eed-delivery submission discard 2 --reason WHY"
    ]
    assert world.scalar("SELECT status FROM delivery_job WHERE id = 2") == "preparing"


class Torn(io.StringIO):
    """A spool whose disk is gone when it is read again."""

    def seek(self, *where: int) -> int:
        raise NotPossible("the disk is gone")


@pytest.mark.parametrize(
    ("terms", "kind"),
    [
        ({"text": None}, NoTemplate),
        ({"schedule": datetime(2040, 1, 1, tzinfo=UTC)}, TooLate),
        ({"schedule": NOON, "expires": NOON}, ExpiresFirst),
    ],
)
def test_a_draft_that_makes_no_sense_is_refused(terms: dict[str, object], kind: type[InvalidRequest]) -> None:
    with pytest.raises(kind):
        JobDraft("Statements", **{**TEXT, **terms})  # type: ignore[arg-type]


def test_a_draft_that_cannot_be_kept_is_refused(submitting: Submitting) -> None:
    with pytest.raises(FieldTooLong) as error:
        submitting.prepare(JobDraft("x" * 256, **TEXT))
    assert (error.value.which, error.value.limit) == ("name", 255)
    with pytest.raises(ExpiresPast):
        submitting.prepare(JobDraft("x", expires=datetime.now(UTC) - timedelta(hours=1), **TEXT))
    with pytest.raises(OperationRefused, match="jobs have no category here"):
        submitting.prepare(JobDraft("x", category="newsletter", **TEXT))


def test_a_source_of_the_tenants_own_is_left_alone(world: World, tmp_path: Path) -> None:
    submitting = operations_over(world, tmp_path, '[source.job]\ntable = "mine"').submitting
    with pytest.raises(OperationRefused, match="maps your own tables"):
        submitting.prepare(DRAFT)
