"""Tonight by the API: it says what the page says."""

from pathlib import Path

from eed_delivery.ledger.workers import Process
from tests.operators_site import Site
from tests.world import World


def test_the_api_says_what_the_page_tonight_says(world: World, tmp_path: Path) -> None:
    site = Site(world, tmp_path)
    for job in (42, 43):
        world.add_job(("anna@example.com", "bert@example.org"), job, name=f"For anna@example.com, {job}")
        world.enlist(job)
    site.cli.good("pause", "43", "--reason", "asked for by anna@example.com")
    site.cli.good("hold", "add", "--category", "newsletter", "--reason", "wrong letter")
    night = site.json("GET", "/api/v1/tonight")
    assert night["well"] is False
    stands = {one["key"]: (one["needs_somebody"], one["standing"]) for one in night["jobs"]}
    assert stands["43"] == (True, "paused")
    assert stands["42"] == (True, "no_worker")
    (paused,) = [one for one in night["jobs"] if one["key"] == "43"]
    assert "***@example.com" in paused["why"]
    assert "anna@" not in str(night), "without the right to see recipients"
    assert (paused["state"], paused["total"], paused["counts"]["pending"]) == ("paused", 2, 2)
    assert [one["subject"] for one in night["holds"]] == ["newsletter"]
    missing = [one["role"] for one in night["roles"] if one["missing"]]
    assert missing == ["publisher", "sweeper", "worker"]
    assert (night["open_emails"]["pending"], night["in_doubt"], night["more_jobs"]) == (4, 0, False)
    seeing = site.token("viewer", "view", "see_recipients")
    seen = site.ask("GET", "/", token=seeing, Accept="text/html").text
    for one in night["jobs"]:
        assert one["why"].replace("***", "anna") in seen


def test_all_is_well_where_nothing_waits_and_all_roles_live(world: World, tmp_path: Path) -> None:
    site = Site(world, tmp_path)
    for role in ("publisher", "sweeper", "worker"):
        world.workers.beat(Process(f"h:1:{role}", "h", role, 4), sending=True, detail=None, alive_seconds=60)
    night = site.json("GET", "/api/v1/tonight")
    assert (night["well"], night["jobs"], night["holds"]) == (True, [], [])
    assert all(one["alive"] == 1 for one in night["roles"])
