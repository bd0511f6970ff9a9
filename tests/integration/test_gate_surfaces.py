"""Gates for people: shown by command, API and page, opened by each, and each act in the audit."""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlencode

import pytest

from eed_delivery.ledger.alerts.facts import AlertFacts
from eed_delivery.ledger.gates import Gate
from eed_delivery.ledger.shut_gates import ShutGates
from tests.operators_site import Site
from tests.world import World

pytestmark = [pytest.mark.also_on_sqlite]
FORM = "application/x-www-form-urlencoded"
WHY = "connection refused"


@pytest.fixture
def site(world: World, tmp_path: Path) -> Site:
    found = Site(world, tmp_path)
    world.add_job()
    world.enlist()
    gate = Gate(world.database, "default")
    gate.shut(WHY)
    world.execute(f"UPDATE eed_gate SET shut_until = {world.earlier('shut_until', -200)}")
    gate.note_mapping_off()
    return found


def by_page(site: Site) -> None:
    body = urlencode({"reason": "the relay is up"})
    assert site.ask("POST", "/gates/default/open", body, media=FORM).status_code == 303


OPENINGS: dict[str, Callable[[Site], object]] = {
    "cli": lambda site: site.cli.good("gate", "open", "default", "--reason", "the relay is up"),
    "api": lambda site: site.json("POST", "/api/v1/gates/default/open", {"reason": "the relay is up"}),
    "page": by_page,
}
AUDIT = "SELECT act, surface, object_kind, object_key, reason FROM eed_audit WHERE act = 'gate_open'"


@pytest.mark.parametrize("surface", OPENINGS)
def test_a_gate_is_opened_from_each_surface_with_a_row_of_the_audit(site: Site, surface: str) -> None:
    OPENINGS[surface](site)
    assert site.world.execute(AUDIT) == [("gate_open", surface, "channel", "default", "the relay is up")]
    seen = Gate(site.world.database, "default").look()
    assert (seen.reason, seen.mapping_off) == (None, True), "the tick turns it on again"


def test_all_surfaces_say_why_nothing_is_sent(site: Site) -> None:
    for words in (("gate", "list"), ("processes",), ("job", "1")):
        assert WHY in site.cli.good(*words)
    (gate,) = site.json("GET", "/api/v1/gates")["items"]
    assert (gate["channel"], gate["reason"], gate["mapping_off_at"] is not None) == ("default", WHY, True)
    night = site.json("GET", "/api/v1/tonight")
    assert (night["well"], [one["channel"] for one in night["gates"]]) == (False, ["default"])
    (job,) = night["jobs"]
    assert (job["standing"], job["needs_somebody"]) == ("gate_shut", True)
    assert WHY in job["why"]
    page = site.ask("GET", "/").get_data(as_text=True)
    assert "The gate of channel default is shut since" in page
    assert 'href="/gates/default/open"' in page
    assert WHY in site.ask("GET", "/gates/default/open").get_data(as_text=True)


def test_what_cannot_be_opened_is_said(site: Site) -> None:
    ShutGates(site.world.database).open_by_hand("default", "x")
    assert "is open" in site.cli.refused("gate", "open", "default", "--reason", "x")
    assert site.ask("POST", "/api/v1/gates/default/open", '{"reason": "x"}').status_code == 409
    assert site.ask("POST", "/api/v1/gates/none/open", '{"reason": "x"}').status_code == 404
    assert site.ask("GET", "/gates/none/open").status_code == 404
    assert site.world.scalar("SELECT COUNT(*) FROM eed_audit WHERE act = 'gate_open'") == 1


def test_for_how_long_a_gate_has_been_shut_is_a_fact(site: Site) -> None:
    site.world.execute(f"UPDATE eed_gate SET shut_at = {site.world.earlier('shut_at', 3600)}")
    facts = AlertFacts(site.world.database)
    assert 3600 <= facts.gate_shut_seconds() < 7200
    ShutGates(site.world.database).open_by_hand("default", "x")
    assert facts.gate_shut_seconds() == 0
