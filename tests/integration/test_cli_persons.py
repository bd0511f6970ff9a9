"""`eed-delivery person`: what an operator gets to see of one address, and how it is erased."""

import json
from pathlib import Path

import pytest

from tests.command_line import CommandLine
from tests.integration.test_persons import ANNA, HASH, SECRET, SPELLINGS, settle
from tests.world import World

ERASE = ("person", "erase", SPELLINGS[1], "--reason", "her request of 3 May")


@pytest.fixture
def eed(world: World, tmp_path: Path) -> CommandLine:
    world.add_job([ANNA])
    world.enlist()
    settle(world)
    eed = CommandLine(tmp_path, world.url)
    eed.environ["EED_PRIVACY__SECRET"] = SECRET
    return eed


def test_all_is_one_json_object(world: World, eed: CommandLine) -> None:
    found = json.loads(eed.good("person", "show", SPELLINGS[1]))
    assert {**found, "rows": 0} == {
        "address": ANNA, "pseudonym": HASH, "erased_at": [], "suppressed": False, "rows": 0,
    }  # fmt: skip
    assert [row["table"] for row in found["rows"]] == ["eed_email", "eed_attempt", "eed_job"]
    assert json.loads(eed.good("person", "show", "nobody@example.org"))["rows"] == []
    assert eed.refused("person", "show", "nobody")


def test_an_erasure_says_what_was_done_and_what_was_not(world: World, eed: CommandLine) -> None:
    said = eed.good(*ERASE, "--yes")
    assert said.splitlines()[0] == "erased in: 1 emails, 1 attempts, 1 jobs"
    assert f"its hash: {HASH}" in said
    assert "it is not on the suppression list" in said
    assert "the delivery server's own tables were not changed" in said
    assert world.scalar("SELECT recipient FROM delivery_email") == ANNA
    found = json.loads(eed.good("person", "show", SPELLINGS[2]))
    assert len(found["erased_at"]) == 1
    assert eed.good(*ERASE, "--yes").startswith("there was nothing to erase")
    again = eed.json(*ERASE, "--yes", "--suppress")
    assert (again["pseudonym"], again["suppressed"], again["entries"]) == (HASH, True, 1)


def test_the_audit_has_the_call_without_the_address(world: World, eed: CommandLine) -> None:
    eed.good(*ERASE, "--yes")
    eed.good("person", "show", ANNA)
    acts = world.execute("SELECT act, command, object_key FROM eed_audit")
    assert [act for act, *_ in acts] == ["person_erase", "person_erase", "person_show"]
    for _, command, key in acts:
        assert HASH in command and "sigrid" not in command.lower()
        assert key == HASH
    assert "her request of 3 May" in acts[0][1]


def test_it_asks_first(world: World, eed: CommandLine) -> None:
    refused = eed(*ERASE)
    assert refused.exit_code == 1
    assert "Add --yes" in refused.stderr
    assert world.scalar("SELECT address FROM eed_email") == ANNA
    assert world.scalar("SELECT COUNT(*) FROM eed_audit") == 0


def test_without_a_key_it_says_so_before_it_asks(eed: CommandLine) -> None:
    del eed.environ["EED_PRIVACY__SECRET"]
    assert "its key is not set. Nothing was erased. Make one" in eed.refused(*ERASE)


def test_what_is_not_settled_is_named(world: World, eed: CommandLine) -> None:
    world.execute("UPDATE eed_email SET state = 'in_doubt'")
    assert "1 email to this address is not settled, of job 1. Nothing was erased" in eed.refused(*ERASE, "--yes")


def test_the_list_is_carried_elsewhere_with_its_hashes(world: World, eed: CommandLine, tmp_path: Path) -> None:
    eed.good("suppression", "add", ANNA, "--reason", "asked")
    eed.good(*ERASE, "--yes")
    exported = eed.good("suppression", "export")
    assert HASH in exported and "sigrid" not in exported
    world.execute("DELETE FROM eed_suppression")
    (tmp_path / "list.csv").write_text(exported)
    eed.good("suppression", "import", str(tmp_path / "list.csv"))
    assert [e["address"] for e in eed.json("suppression", "list", "--address", ANNA)] == [HASH]
    (tmp_path / "list.csv").write_text(exported.replace(HASH[12:20], "0" * 8))
    bad = eed("suppression", "import", str(tmp_path / "list.csv"))
    assert bad.exit_code == 1
    assert "it is a hashed address, and neither privacy.secret nor privacy.former_secrets has its key" in bad.output
    assert eed.good("suppression", "remove", SPELLINGS[1]).startswith(f"{SPELLINGS[1]} is off the list")


def test_check_misses_the_key_of_the_hashes(world: World, eed: CommandLine) -> None:
    eed.good(*ERASE, "--yes", "--suppress")
    del eed.environ["EED_PRIVACY__SECRET"]
    found = json.loads(eed("db", "check", "--json").stdout)["findings"]
    assert [one["level"] for one in found if one["where"] == "privacy.secret"] == ["error"]
