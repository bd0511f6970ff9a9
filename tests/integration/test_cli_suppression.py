"""`eed-delivery suppression`: what an operator sees of the list, changes in it, and carries elsewhere."""

import csv
import io
import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from eed_delivery.cli.suppression_moving import BAD_LINES_TOLD
from eed_delivery.ledger.suppression.listing import SuppressionEntry, SuppressionFilter, SuppressionList
from eed_delivery.operations.suppression.moving import CHUNK
from tests.command_line import CommandLine
from tests.world import World

ENDED, SOON = datetime.fromisoformat("2001-01-01T00:00:00.000001"), datetime.fromisoformat("2098-01-01T00:00:00")
LIST = ("suppression", "list")


@pytest.fixture
def eed(world: World, tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path, world.url)


def entries(world: World) -> list[SuppressionEntry]:
    return list(SuppressionList(world.database).entries(SuppressionFilter()))


def enter(world: World, *addresses: str, category: str = "", expires_at: datetime | None = None) -> None:
    made = [SuppressionEntry(a, category, "550 no such user", "bounce", SOON, expires_at) for a in addresses]
    SuppressionList(world.database).enter(made)


def csv_file(tmp_path: Path, content: str | bytes) -> str:
    path = tmp_path / "list"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


# --- looking -----------------------------------------------------------------------------------------------------


def test_what_counts_is_listed_with_its_reason(world: World, eed: CommandLine) -> None:
    enter(world, "b@example.com", "a@example.com", expires_at=datetime.fromisoformat("2099-12-31"))
    enter(world, "a@example.com", category="news")
    enter(world, "z@example.com", expires_at=ENDED)
    header, *rows = eed.good(*LIST).splitlines()
    assert header.split() == ["ADDRESS", "CATEGORY", "SOURCE", "SINCE", "UNTIL", "REASON"]
    assert [row.split()[0] for row in rows] == ["a@example.com", "a@example.com", "b@example.com"]
    assert rows[0].endswith("2098-01-01T00:00:00Z  2099-12-31T00:00:00Z  550 no such user")
    assert rows[1].split()[1] == "news"
    assert [e["address"] for e in eed.json(*LIST, "--expired")] == ["z@example.com"]
    (first,) = eed.json(*LIST, "--address", "A@example.com", "--category", "")
    assert (first["reason"], first["source"], first["expires_at"]) == (
        "550 no such user", "bounce", "2099-12-31T00:00:00.000Z",
    )  # fmt: skip
    assert eed.json(*LIST, "--source", "operator") == eed.json(*LIST, "--domain", "example.net") == []
    assert len(eed.json(*LIST, "--domain", "@Example.com")) == 3
    assert "there are none" in eed.good(*LIST, "--category", "offers")


def test_a_page_says_how_the_next_one_is_asked_for(world: World, eed: CommandLine) -> None:
    for category in ("", "news", "offers"):
        enter(world, *(f"{name}@example.com" for name in "abc"), category=category)
    *first, said = eed.good(*LIST, "--limit", "4").splitlines()[1:]
    assert [row.split()[0] for row in first] == ["a@example.com"] * 3 + ["b@example.com"] * 3
    assert said == "only 6 are shown. The next page: --after b@example.com"
    rest = eed.good(*LIST, "--limit", "3", "--after", "b@example.com").splitlines()[1:]
    assert [row.split()[0] for row in rest] == ["c@example.com"] * 3
    assert [e["category"] for e in eed.json(*LIST, "--limit", "1")] == ["", "news", "offers"]
    assert len(eed.json(*LIST)) == 9


def test_a_table_ends_after_a_thousand(world: World, eed: CommandLine) -> None:
    enter(world, *(f"{n:04}@example.com" for n in range(1001)))
    assert len(eed.good(*LIST).splitlines()) == 1 + 1000 + 1
    assert len(eed.json(*LIST)) == 1001


# --- an operator's word ------------------------------------------------------------------------------------------


def test_addresses_are_added_and_an_entry_is_not_shortened(world: World, eed: CommandLine) -> None:
    said = eed.good("suppression", "add", "A@Example.com", "b@example.com", "--reason", "asked\nby phone")
    assert said.splitlines() == [
        "A@Example.com is on the list for every email, indefinitely",
        "b@example.com is on the list for every email, indefinitely",
    ]
    assert [(e.address, e.category, e.reason, e.source) for e in entries(world)] == [
        (address, "", "asked by phone", "operator") for address in ("a@example.com", "b@example.com")
    ]
    again = eed.good("suppression", "add", "a@example.com", "--reason", "for a while", "--expires", "30d")
    assert again == "a@example.com was on the list already for every email, indefinitely\n"
    assert entries(world)[0].reason == "asked by phone"


def test_a_domain_is_listed_as_people_write_it(world: World, eed: CommandLine, tmp_path: Path) -> None:
    said = eed.good("suppression", "add", "*@Bücher.example", "--reason", "insolvent")
    assert said == "*@Bücher.example is on the list for every email, indefinitely\n"
    assert [e.address for e in entries(world)] == ["@xn--bcher-kva.example"]
    assert eed.good(*LIST).splitlines()[1].split()[0] == "*@xn--bcher-kva.example"
    for words in (("--address", "@bücher.example"), ("--domain", "BÜCHER.example"), ("--after", "*@a.example")):
        assert [e["address"] for e in eed.json(*LIST, *words)] == ["*@xn--bcher-kva.example"]
    exported = eed.good("suppression", "export")
    assert "*@xn--bcher-kva.example" in exported
    eed.good("suppression", "remove", "*@bücher.example")
    assert entries(world) == []
    eed.good("suppression", "import", csv_file(tmp_path, exported))
    assert [e.address for e in entries(world)] == ["@xn--bcher-kva.example"]
    assert "For every address of it write *@" in eed.refused("suppression", "add", "x.example", "--reason", "r", code=2)


def test_what_an_earlier_release_took_for_an_address_can_be_found_and_removed(world: World, eed: CommandLine) -> None:
    world.execute(
        "INSERT INTO eed_suppression (address, category, reason, source, created_at)"
        " VALUES ('a_b@x_y', '', 'r', 's', '2026-01-01 00:00:00')"
    )
    assert [e["address"] for e in eed.json(*LIST, "--address", "A_b@x_y")] == ["a_b@x_y"]
    assert eed.good("suppression", "remove", "a_b@x_y") == "a_b@x_y is off the list\n"


def test_an_entry_may_have_a_category_and_an_end(world: World, eed: CommandLine) -> None:
    words = ("suppression", "add", "a@example.com", "--reason", "r", "--category", "news", "--expires")
    eed.good(*words, "30d")
    (first,) = entries(world)
    assert first.expires_at is not None
    assert abs(first.expires_at - world.reporting.now() - timedelta(days=30)) < timedelta(minutes=5)
    said = eed.good(*words, "2099-01-01T00:00:00+01:00")
    assert said == "a@example.com stays on the list longer for the category news, until 2098-12-31T23:00:00Z\n"
    assert "--expires is in the past" in eed.refused(*words, "2001-01-01T00:00:00Z", code=2)
    assert "no time zone" in eed.refused(*words, "2099-01-01", code=2)
    assert len(entries(world)) == 1


@pytest.mark.parametrize("wrong", ["nobody", "Anna <a@example.com>", "a@example.com,b@example.com", "a@" + "b" * 319])
def test_what_is_no_address_is_refused(world: World, eed: CommandLine, wrong: str) -> None:
    for words in (("add", "--reason", "r"), ("remove",)):
        assert "is not an address" in eed.refused("suppression", *words, "good@example.com", wrong, code=2)
    assert "Missing option '--reason'" in eed.refused("suppression", "add", "a@example.com", code=2)
    assert "a category has up to" in eed.refused(*LIST, "--category", "x" * 192, code=2)
    assert entries(world) == []


def test_an_address_is_removed_and_what_is_left_is_told(world: World, eed: CommandLine) -> None:
    enter(world, "a@example.com", "b@example.com")
    enter(world, "a@example.com", category="news")
    assert eed.good("suppression", "remove", "A@example.com", "b@example.com").splitlines() == [
        "A@example.com is off the list",
        "A@example.com is still on it for the category news, indefinitely: 550 no such user",
        "b@example.com is off the list",
    ]
    said = eed.refused("suppression", "remove", "a@example.com", "b@example.com")
    assert "there was no entry for every email of a@example.com, b@example.com" in said
    assert "no entry for the category offers of a@" in eed.refused(
        "suppression", "remove", "a@example.com", "--category", "offers"
    )
    eed.good("suppression", "remove", "a@example.com", "--category", "news")
    assert entries(world) == []


def test_all_entries_of_an_address_may_go_at_once(world: World, eed: CommandLine) -> None:
    for category in ("", "news"):
        enter(world, "a@example.com", category=category)
    words = ("suppression", "remove", "a@example.com", "--every-category")
    assert "leave out --category" in eed.refused(*words, "--category", "news", code=2)
    assert eed.good(*words) == "a@example.com is off the list: 2 entries\n"
    assert "there was no entry of a@example.com" in eed.refused(*words)


# --- as a file ---------------------------------------------------------------------------------------------------


def test_the_list_goes_out_and_comes_back_as_it_was(world: World, eed: CommandLine) -> None:
    made = [
        SuppressionEntry("=cmd@example.com", "", '=1+1,"x"', "bounce", ENDED, None),
        SuppressionEntry("a@example.com", "", "550 no\r\nsuch user", "operator", ENDED, SOON),
        SuppressionEntry("a@example.com", "=news", "'quoted", "unsubscribe", SOON, None),
        SuppressionEntry("ä@example.com", "", "für immer", "import", ENDED, ENDED),
    ]
    SuppressionList(world.database).enter(made)
    before = entries(world)
    assert sorted(before, key=lambda e: e.key) == sorted(made, key=lambda e: e.key)
    exported = eed("suppression", "export").stdout_bytes
    rows = list(csv.reader(io.StringIO(exported.decode(), newline="")))
    assert rows[0] == ["address", "category", "reason", "source", "created_at", "expires_at"]
    assert ["'=cmd@example.com", "", '\'=1+1,"x"', "bounce", "2001-01-01T00:00:00.000001Z", ""] in rows
    world.execute("DELETE FROM eed_suppression")
    said = eed.good("suppression", "import", "-", stdin=exported)
    assert said == "4 of 4 rows are good: 4 added, 0 kept longer, 0 there already\n"
    assert entries(world) == before
    assert eed("suppression", "export").stdout_bytes == exported
    assert "0 added, 0 kept longer, 4 there already" in eed.good("suppression", "import", "-", stdin=exported)


def test_a_plain_file_is_entered_and_its_bad_lines_are_named(world: World, eed: CommandLine, tmp_path: Path) -> None:
    enter(world, "old@example.com", "short@example.com", expires_at=SOON)
    lines = ["A@Example.com", "", "nobody", "old@example.com", "a@example.com", "b@b@example.com", "b@example.com"]
    words = ("suppression", "import", csv_file(tmp_path, "\n".join(lines)), "--expires", "2098-01-01T00:00:00Z")
    result = eed(*words, "--reason", "from the old service", "--category", "")
    assert result.exit_code == 1
    assert result.stdout == "4 of 6 rows are good: 2 added, 0 kept longer, 2 there already\n"
    assert result.stderr.splitlines() == [
        "line 3: this is not an address: An email address must have an @-sign.",
        "line 6: this is not an address: The part after the @-sign contains invalid characters: '@'.",
        "7 lines read (UTF-8) = 4 good + 2 refused + 1 blank",
        "error: 2 of 6 rows are bad, and the others are on the list.",
    ]
    assert [(e.address, e.reason, e.source, e.expires_at) for e in entries(world)] == [
        ("a@example.com", "from the old service", "import", SOON),
        ("b@example.com", "from the old service", "import", SOON),
        ("old@example.com", "550 no such user", "bounce", SOON),
        ("short@example.com", "550 no such user", "bounce", SOON),
    ]
    result = eed("suppression", "import", words[2], "--json")
    assert json.loads(result.stdout) == {
        "read": 6, "added": 0, "prolonged": 3, "there_already": 1, "bad": 2, "dry_run": False,
    }  # fmt: skip
    assert [e.expires_at for e in entries(world)] == [None, None, None, SOON]


def test_a_plain_file_may_be_for_one_category(world: World, eed: CommandLine, tmp_path: Path) -> None:
    eed.good("suppression", "import", csv_file(tmp_path, "a@example.com\n"), "--category", " news ")
    assert [(e.address, e.category, e.reason) for e in entries(world)] == [("a@example.com", "news", "imported")]


def test_a_spreadsheets_csv_is_entered_as_it_is_seen(world: World, eed: CommandLine, tmp_path: Path) -> None:
    content = "\ufeffsep=;\r\n ADDRESS ;Reason\r\na@example.com;asked, by phone\r\n;\r\nb@example.com;x;y\r\n"
    result = eed("suppression", "import", csv_file(tmp_path, content.encode("utf-16-le")))
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        "line 5: it has 3 columns, and the first line 2",
        "5 lines read (UTF-16-LE, columns separated by ';') = 2 header + 1 good + 1 refused + 1 blank",
        "error: 1 of 2 rows are bad, and the others are on the list.",
    ]
    assert [(e.address, e.reason) for e in entries(world)] == [("a@example.com", "asked, by phone")]
    latin = csv_file(tmp_path, "address,reason\nc@example.com,für\n".encode("cp1252"))
    assert "name its encoding, like --encoding cp1252" in eed.refused("suppression", "import", latin)
    eed.good("suppression", "import", latin, "--encoding", "cp1252")
    assert entries(world)[1].reason == "für"


def test_a_dry_run_only_reads(world: World, eed: CommandLine, tmp_path: Path) -> None:
    path = csv_file(tmp_path, "a@example.com\nb@example.com\n")
    assert eed.good("suppression", "import", path, "--dry-run") == "2 of 2 rows are good. Nothing was changed\n"
    assert "1 of 1 rows are bad, and nothing was changed" in eed.refused(
        "suppression", "import", csv_file(tmp_path, b"\xff"), "--dry-run"
    )
    assert entries(world) == []


def test_a_file_that_is_not_ours_changes_nothing(world: World, eed: CommandLine, tmp_path: Path) -> None:
    path = csv_file(tmp_path, "address,name\na@example.com,Anna\n")
    assert "the first line names the column 'name'" in eed.refused("suppression", "import", path)
    assert "does not exist" in eed.refused("suppression", "import", str(tmp_path / "missing"), code=2)
    assert entries(world) == []


def test_many_lines_go_in_by_chunks_and_a_flood_of_bad_ones_is_counted(
    world: World, eed: CommandLine, tmp_path: Path
) -> None:
    good = [f"{n}@example.com" for n in range(2 * CHUNK + 1)]
    bad = ["nobody"] * (BAD_LINES_TOLD + 2)
    result = eed("suppression", "import", csv_file(tmp_path, "\n".join([*good, *bad, good[0]])))
    assert f"{len(good):,} added, 0 kept longer, 1 there already" in result.stdout
    *told, more, sums, error = result.stderr.splitlines()
    assert len(told) == BAD_LINES_TOLD
    assert more == "more bad lines are counted, but not listed"
    assert sums == "3,004 lines read (UTF-8) = 2,002 good + 1,002 refused"
    assert f"{len(bad):,} of {len(good) + len(bad) + 1:,} rows are bad" in error
    assert len(entries(world)) == len(good)
