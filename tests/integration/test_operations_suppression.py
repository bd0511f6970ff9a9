"""The suppression list as a surface changes it: an address at a time, a page at a time, or a whole file."""

import io
from datetime import UTC, datetime
from pathlib import Path

import pytest

from eed_delivery.operations.emails import EmailsRequest
from eed_delivery.operations.refusals import InvalidRequest, UnknownKey
from eed_delivery.operations.suppression.listing import (
    EntriesRequest,
    EntryPast,
    RemoveRequest,
    Suppression,
    SuppressRequest,
)
from eed_delivery.operations.suppression.moving import ImportRequest, SuppressionMoving
from eed_delivery.operations.text_files.csv_rows import Form
from eed_delivery.operations.text_files.lines import BadRow
from eed_delivery.operations.text_files.reading import read_text
from tests.operating import operations_over
from tests.world import World


@pytest.fixture
def suppression(world: World, tmp_path: Path) -> Suppression:
    return operations_over(world, tmp_path).suppression


@pytest.fixture
def moving(world: World, tmp_path: Path) -> SuppressionMoving:
    return operations_over(world, tmp_path).suppression_moving


def imported(content: str, **how: object) -> ImportRequest:
    file = read_text(io.BufferedReader(io.BytesIO(content.encode())), "list.txt")  # type: ignore[arg-type]
    return ImportRequest(file, Form(), **how)  # type: ignore[arg-type]


def test_an_address_is_added_prolonged_and_removed(suppression: Suppression) -> None:
    wanted = SuppressRequest(("anna@example.com",), "asked by phone", expires=3600.0)
    (first,), (again,) = suppression.add(wanted), suppression.add(wanted)
    assert (first.added, first.prolonged, again.added) == (True, False, False)
    (longer,) = suppression.add(SuppressRequest(("anna@example.com",), "for ever"))
    assert (longer.added, longer.prolonged) == (False, True)
    assert longer.entry is not None
    assert (longer.entry.reason, longer.entry.expires_at) == ("for ever", None)
    suppression.add(SuppressRequest(("anna@example.com",), "no news", category="newsletter"))
    result = suppression.remove(RemoveRequest(("anna@example.com", "b@example.com")))
    assert [(each.gone, [e.category for e in each.left]) for each in result.removed] == [(1, ["newsletter"]), (0, [])]
    assert isinstance(result.refusal, UnknownKey)
    assert str(result.refusal) == "there was no entry for every email of b@example.com"
    assert suppression.remove(RemoveRequest(("anna@example.com",), None)).refusal is None


def test_the_audit_has_one_key_for_an_address_however_it_was_typed(world: World, tmp_path: Path) -> None:
    operations = operations_over(world, tmp_path)
    for typed in ("anna@bücher.example", " ANNA@xn--bcher-kva.example "):
        operations.suppression.add(SuppressRequest((typed,), "asked by phone"))
        operations.suppression.page(EntriesRequest(address=typed), 5)
        operations.suppression.remove(RemoveRequest((typed,)))
        operations.emails.page(EmailsRequest(to=typed), 5)
    keys = world.execute("SELECT act, object_key, COUNT(*) FROM eed_audit GROUP BY act, object_key ORDER BY act")
    assert keys == [
        (act, "anna@xn--bcher-kva.example", 2)
        for act in ("emails", "suppression_add", "suppression_list", "suppression_remove")
    ]


def test_what_can_be_no_entry_is_refused(suppression: Suppression) -> None:
    for terms in (("nobody", "reason"), ("a@example.com", ""), ("a@example.com", "reason", "\x00")):
        with pytest.raises(InvalidRequest):
            SuppressRequest((terms[0],), *terms[1:])
    with pytest.raises(InvalidRequest):
        suppression.remove(RemoveRequest(("nobody",)))
    with pytest.raises(EntryPast):
        suppression.add(SuppressRequest(("a@example.com",), "late", expires=datetime(2001, 1, 1, tzinfo=UTC)))
    assert list(suppression.each(EntriesRequest())) == []


def test_a_page_never_parts_the_entries_of_one_address(suppression: Suppression) -> None:
    for category in ("", "x", "y"):
        suppression.add(SuppressRequest(("b@example.com",), "reason", category))
    suppression.add(SuppressRequest(("a@example.com", "*@example.org"), "reason"))
    keys, after = [], None
    for _ in range(9):
        page = suppression.page(EntriesRequest(after=after), 2)
        keys.append([(entry.address, entry.category) for entry in page.entries])
        if (after := page.next_after) is None:
            break
    assert keys == [
        [("*@example.org", ""), ("a@example.com", "")],
        [("b@example.com", ""), ("b@example.com", "x"), ("b@example.com", "y")],
    ]


def test_a_file_is_entered_and_its_bad_lines_are_named(moving: SuppressionMoving) -> None:
    bad: list[BadRow] = []
    content = "a@example.com\nnobody\n\na@example.com\nb@example.com\n"
    checked = moving.enter(imported(content, dry_run=True), bad.append)
    assert (checked.read, checked.bad, checked.added) == (4, 1, 0)
    assert len(list(moving.written())) == 1
    result = moving.enter(imported(content, reason="of the old service"), bad.append)
    assert (result.good, result.added, result.there_already) == (3, 2, 1)
    assert [row.line for row in bad] == [2, 2]
    written = b"".join(moving.written()).decode()
    assert written.splitlines()[1].startswith("a@example.com,,of the old service,import,")
    again = moving.enter(imported(written), bad.append)
    assert (again.added, again.there_already, len(bad)) == (0, 2, 2)
