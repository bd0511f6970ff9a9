"""The audit: each act of a person, and of the service, is there once, and only if it was done (G7)."""

from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eed_delivery.cli.person import person
from eed_delivery.errors import RenderError
from eed_delivery.ledger.actor import Actor
from eed_delivery.ledger.acts import ONE_ACT_SECONDS, ActKind, ActLedger, ActReport, merged
from eed_delivery.ledger.delivering.claims import new_token
from eed_delivery.ledger.job_watch import WatchLedger
from eed_delivery.ledger.operating import OperatingLedger, Selection
from eed_delivery.model import EmailState
from tests.command_line import CommandLine
from tests.world import World

NOW = datetime.fromisoformat("2026-11-22T12:00:00")


@pytest.fixture
def job(world: World) -> int:
    """A job of three emails."""
    world.add_job(["a@example.com", "b@example.com", "c@example.com"])
    world.enlist()
    return 1


def acts(world: World, job_id: int = 1) -> list[tuple[str, str, int | None, str | None]]:
    return [(act.act, act.who, act.count, act.reason) for act in ActLedger(world.database).of_job(job_id)]


def test_what_an_operator_does_to_a_job_is_in_the_audit_once(world: World, job: int) -> None:
    anna = OperatingLedger(world.database, world.source, who=Actor("eed", "cli", "ops.example.com", "anna"))
    assert anna.pause(job, "a look first")
    assert not anna.pause(job, "again")  # it was not active: nothing was done
    assert anna.resume(job, watched=False, reason="mended")
    assert anna.resume(job) is False
    assert anna.cancel(job, "the fund was closed")
    assert not anna.cancel(job, "twice")
    assert acts(world) == [
        ("pause", "anna as eed", None, "a look first"),
        ("resume", "anna as eed", None, "unwatched, mended"),
        ("cancel", "anna as eed", None, "the fund was closed"),
    ]


def test_emails_that_were_settled_or_named_have_acts_of_their_own(world: World, job: int) -> None:
    world.execute("UPDATE eed_email SET state = 'in_doubt' WHERE job_id = 1")
    anna = OperatingLedger(world.database, world.source, who=Actor("anna", "api"))
    assert anna.settle([1000, 1001], EmailState.FAILED, "not in the log") == [1000, 1001]
    assert anna.settle([1000], EmailState.FAILED, "once more") == []
    assert anna.requeue(Selection(emails=(1000,))) == 1
    assert acts(world) == [("settle", "anna", 2, "not in the log"), ("requeue", "anna", 1, "failed ones")]
    assert [act.act for act in ActLedger(world.database).of_email(1000)] == ["settle", "requeue"]
    assert [act.act for act in ActLedger(world.database).of_email(1001)] == ["settle"]


def test_a_requeue_in_chunks_is_one_act_of_each_job(world: World, job: int) -> None:
    world.add_job(["d@example.com", "e@example.com"], job_id=2)
    world.enlist(2)
    world.execute("UPDATE eed_email SET state = 'failed', detail = 'relay says no'")
    ledger = OperatingLedger(world.database, world.source, chunk=2, who=Actor("anna", "api"))
    assert ledger.requeue(Selection(since_seconds=None, error_like="%relay%")) == 5
    assert acts(world, 1) == [("requeue", "anna", 3, "failed ones, reason like %relay%")]
    assert acts(world, 2) == [("requeue", "anna", 2, "failed ones, reason like %relay%")]
    assert world.scalar("SELECT COUNT(*) FROM eed_audit") == 4, "a row for each job in each chunk"
    assert world.scalar("SELECT COUNT(DISTINCT operation) FROM eed_audit") == 1


def test_the_services_own_acts_are_there_too(world: World, job: int) -> None:
    watch = WatchLedger(world.database)
    (watched,) = watch.jobs(0)
    assert watch.pause(watched, "too many bounces")
    world.execute("UPDATE eed_job SET expires_at = '2020-01-01 00:00:00.000000' WHERE job_id = 1")
    assert world.sweeping.expire_jobs() == 1
    assert world.sweeping.expire_jobs() == 0
    world.add_job(job_id=2)
    world.registry.register(world.registry.new_jobs(100))
    (leased,) = [j for j in world.registry.lease(new_token(), 60, 50, 0) if j.job_id == 2]
    world.registry.fail(leased, RenderError("no such filter"))
    assert [(act, who) for act, who, *_ in acts(world, 1)] == [("pause", "service"), ("expire", "service")]
    assert acts(world, 2) == [("fail", "service", None, "no such filter")]


def test_an_act_is_written_with_what_it_did_or_not_at_all(world: World, job: int) -> None:
    """The act cannot be written: then nothing was done either."""
    world.execute("ALTER TABLE eed_audit RENAME TO eed_audit_away")
    for attempt in (
        lambda: world.operating.pause(1, "no"),
        lambda: world.operating.cancel(1, "no"),
        lambda: world.sweeping.expire_jobs(),
    ):
        world.execute("UPDATE eed_job SET expires_at = '2020-01-01 00:00:00.000000' WHERE job_id = 1")
        with pytest.raises(Exception, match="eed_audit"):
            attempt()
        assert world.scalar("SELECT state FROM eed_job WHERE job_id = 1") == "active"
    world.execute("ALTER TABLE eed_audit_away RENAME TO eed_audit")
    assert acts(world) == []


def test_commands_name_who_called_them_and_the_report_shows_it(world: World, job: int, tmp_path: object) -> None:
    eed = CommandLine(tmp_path, world.url)  # type: ignore[arg-type]
    email = world.claimed(1000)
    world.delivering.wire(email, 60)
    eed.good("pause", "1", "--reason", "anna@example.com has asked <b>")
    eed.good("resume", "1", "--reason", "all is well")
    told = eed.json("job", "1")["acts"]
    assert [(act["act"], act["who"], act["reason"]) for act in told] == [
        ("pause", person(), "anna@example.com has asked <b>"), ("resume", person(), "all is well")
    ]  # fmt: skip
    assert told[0]["at"].endswith("Z")
    lines = eed.good("job", "1").splitlines()
    assert [line.split()[1:3] for line in lines if line.endswith("all is well")] == [["resume", person()]]
    page = eed.good("report", "1", "--format", "html")
    assert "What was done to the job" in page
    assert "all is well" in page
    assert "anna@example.com" not in page
    assert "<b>" not in page
    assert "acts" in eed.json("email", "1000")


@given(
    st.lists(
        st.tuples(
            st.sampled_from([ActKind.SETTLE, ActKind.REQUEUE, ActKind.PAUSE]),
            st.sampled_from(["anna", "bert"]),
            st.none() | st.integers(1, 9),
            st.integers(0, 200),
        )
    )
)
def test_acts_of_one_command_are_shown_as_one_and_none_is_lost(
    drawn: list[tuple[ActKind, str, int | None, int]],
) -> None:
    at, found = NOW, []
    for kind, who, count, later in drawn:
        at += timedelta(seconds=later)
        found.append(ActReport(at, kind, who, count, "why"))
    shown = list(merged(iter(found)))
    assert sum(act.count or 0 for act in shown) == sum(act.count or 0 for act in found)
    assert sum(act.count is None for act in shown) == sum(act.count is None for act in found)
    for before, after in pairwise(shown):
        alike = (before.act, before.who) == (after.act, after.who) and before.count and after.count
        assert not alike or (after.at - before.at).total_seconds() > ONE_ACT_SECONDS
