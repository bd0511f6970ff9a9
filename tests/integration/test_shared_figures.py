"""Figures that all viewers share: ten of them cost one round of queries."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from sqlalchemy import event

from eed_delivery.app.operations import Operations
from eed_delivery.errors import DatabaseGone
from eed_delivery.ledger.job_breakdown import DOMAINS_SHOWN
from eed_delivery.model import EmailState
from eed_delivery.operations.actor import Actor
from eed_delivery.operations.jobs import JobsRequest
from eed_delivery.operations.snapshots import AWAY, COST_FACTOR, UNTOLD, FiguresByTheSide, SharedFigures
from tests import waiting
from tests.operators_site import ROOT, Site
from tests.world import World

READS = ("FROM eed_email", "FROM eed_job", "FROM eed_worker", "FROM eed_hold", "FROM eed_audit")


@pytest.fixture
def site(world: World, tmp_path: Path) -> Site:
    return Site(world, tmp_path)


@pytest.fixture
def statements(world: World) -> Iterator[list[str]]:
    """Each statement that was sent to the database."""
    seen: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(" ".join(statement.split()))

    event.listen(world.database.engine, "before_cursor_execute", note)
    yield seen
    event.remove(world.database.engine, "before_cursor_execute", note)


def reads(statements: list[str]) -> list[str]:
    return [one for one in statements if one.startswith("SELECT") and any(table in one for table in READS)]


def test_ten_viewers_cost_one_round_of_queries(site: Site, statements: list[str]) -> None:
    for job in (1, 2, 3):
        site.world.add_job(("anna@example.com",), job)
        site.world.enlist(job)
    statements.clear()
    site.operations.tonight.look()
    one_round = len(reads(statements))
    counted = [one for one in statements if "count(*)" in one and "eed_email.job_id IN" in one]
    assert len(counted) == 1, "one statement counts all jobs"
    fresh = Operations(site.settings, ROOT, site.world.database)
    people = [fresh.by(Actor(f"person {n}", "page", "ops.example.com")) for n in range(10)]
    statements.clear()
    with ThreadPoolExecutor(10) as viewers:
        views = list(viewers.map(lambda person: person.tonight.look(), people))
    assert len({id(view) for view in views}) == 1
    assert len(reads(statements)) == one_round


def test_the_list_of_jobs_counts_no_finished_job_anew(site: Site, statements: list[str]) -> None:
    (email,) = site.world.add_job()
    site.world.enlist()
    ticket = site.world.claim(email)
    assert ticket
    site.world.execute("UPDATE eed_email SET state = 'sent'")
    assert site.world.sweeping.finish(1)
    statements.clear()
    (job,) = site.operations.jobs.page(JobsRequest(10)).jobs
    assert (job.counts[EmailState.SENT], job.done, job.total) == (1, 1, 1)
    assert not [one for one in statements if "count(*)" in one]
    assert site.json("GET", "/api/v1/jobs")["items"][0]["counts"]["sent"] == 1


def test_a_finished_job_with_doubts_is_counted_until_they_are_settled(site: Site) -> None:
    site.world.add_job()
    site.world.enlist()
    site.world.execute("UPDATE eed_email SET state = 'in_doubt'")
    assert site.world.sweeping.finish(1)
    site.world.execute("UPDATE eed_email SET state = 'sent'")
    (job,) = site.operations.jobs.page(JobsRequest(10)).jobs
    assert (job.counts[EmailState.SENT], job.counts[EmailState.IN_DOUBT]) == (1, 0)


def test_a_job_is_found_by_state_name_and_day(site: Site) -> None:
    for job, name in ((1, "Quarterly 100% statements"), (2, "Reminders")):
        site.world.add_job((f"c{job}@example.com",), job, name=name)
        site.world.enlist(job)
    site.cli.good("pause", "2", "--reason", "why not")
    ask = "/api/v1/jobs?"

    def found(query: str) -> list[str]:
        return [job["key"] for job in site.json("GET", ask + query)["items"]]

    assert found("state=paused") == ["2"]
    assert found("state=paused&state=active") == ["2", "1"]
    assert found("name=100%25") == ["1"]
    assert found("name=%25") == ["1"], "a % is a character, and no pattern"
    assert found("created_after=2100-01-01T00:00:00Z") == []
    assert found("created_before=2100-01-01T00:00:00Z") == ["2", "1"]
    assert site.ask("GET", ask + "stat=paused").status_code == 422
    assert site.ask("GET", ask + "state=gone").status_code == 422


def test_domains_are_counted_by_the_side(site: Site) -> None:
    site.world.add_job(("a@example.com", "b@example.com", "c@example.org", "no address"))
    site.world.enlist()
    answer = waiting_for(site)
    counted = {one["domain"]: one["total"] for one in answer["items"]}
    assert counted == {"example.com": 2, "example.org": 1, "": 1}
    assert answer["as_of"].endswith("Z")
    assert site.ask("GET", "/api/v1/jobs/99/domains").status_code == 404


def test_outcomes_and_failures_are_counted_by_the_side(site: Site) -> None:
    site.world.add_job(("a@example.com", "b@example.com"))
    site.world.enlist()
    site.world.execute("UPDATE eed_email SET state = 'failed', detail = 'no such user' WHERE email_id = 1000")
    site.world.execute("UPDATE eed_email SET state = 'sent', outcome = 'delivered' WHERE email_id = 1001")
    waiting.until(lambda: bool(site.json("GET", "/api/v1/jobs/1")["outcomes"]))
    waiting.until(lambda: bool(site.json("GET", "/api/v1/jobs/1/failures")["as_of"]))
    job, failures = site.json("GET", "/api/v1/jobs/1"), site.json("GET", "/api/v1/jobs/1/failures")
    assert (job["outcomes"]["delivered"], job["outcomes_counted_at"][-1]) == (1, "Z")
    assert failures["items"] == [{"state": "failed", "reason": "no such user", "count": 1}]
    assert (failures["as_of"][-1], failures["counting"], failures["problem"], failures["others"]) == (
        "Z",
        False,
        None,
        0,
    )
    assert site.ask("GET", "/api/v1/jobs/99/failures").status_code == 404


def test_no_more_domains_stay_in_memory_than_are_shown(site: Site) -> None:
    site.world.add_job([f"a@{n}.example.com" for n in range(DOMAINS_SHOWN + 5)])
    site.world.enlist()
    assert waiting_for(site)["other_domains"] == DOMAINS_SHOWN + 5 - 20
    made = site.operations.jobs.breakdown("1", wait=60).value
    assert made is not None
    assert (len(made.breakdown.domains), made.breakdown.further) == (DOMAINS_SHOWN, 5)


def test_viewers_share_renewed_figures_but_not_their_rights(site: Site, statements: list[str]) -> None:
    site.world.add_job()
    site.world.enlist()
    site.cli.good("pause", "1", "--reason", "ask anna@example.com")
    few, many = site.token("viewer"), site.token("viewer", "view", "see_recipients")

    def figures(token: str) -> str:
        return site.ask("GET", "/", token=token, HX_Request="true").text

    first, of_others = figures(few), figures(many)
    assert "anna@" in of_others
    assert "Paused" in first
    assert "anna@" not in first
    statements.clear()
    assert (figures(few), figures(many)) == (first, of_others)
    assert reads(statements) == []


def waiting_for(site: Site) -> dict[str, Any]:
    answers: list[dict[str, Any]] = []

    def is_there() -> bool:
        answers.append(site.json("GET", "/api/v1/jobs/1/domains"))
        return answers[-1]["as_of"] is not None

    waiting.until(is_there)
    return answers[-1]


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_figures_that_take_long_are_made_less_often() -> None:
    clock, made = Clock(), []

    def make() -> int:
        made.append(1)
        clock.now += 1.0
        return len(made)

    figures = SharedFigures(make, 2.0, clock)
    assert figures.get() == 1
    clock.now += COST_FACTOR - 0.1
    assert figures.get() == 1
    clock.now += 0.2
    assert figures.get() == 2


def test_an_error_is_shared_and_soon_tried_again() -> None:
    clock, tries = Clock(), []

    def make() -> int:
        tries.append(1)
        if len(tries) == 1:
            raise DatabaseGone("the database does not answer")
        return 7

    figures = SharedFigures(make, 2.0, clock)
    for _ in range(10):
        with pytest.raises(DatabaseGone):
            figures.get()
    assert len(tries) == 1
    clock.now += 2.1
    assert figures.get() == 7


def test_figures_by_the_side_are_there_after_a_while_and_say_why_if_not() -> None:
    go_on = Event()

    def make(key: str) -> str:
        go_on.wait(60)
        if key != "a":
            raise DatabaseGone("db7 is away") if key == "away" else ValueError("anna@example.com")
        return key.upper()

    figures = FiguresByTheSide[str, str](make)
    first = figures.get("a")
    assert (first.value, first.is_running) == (None, True)
    go_on.set()
    assert figures.get("a", 60).value == "A"
    assert [figures.get(key, 60).problem for key in ("away", "defect")] == [AWAY, UNTOLD], "no words of the error"
    assert not figures.get("a").is_running
