"""What an operator can ask and decide, as a surface calls it: typed requests, typed results, typed refusals."""

from pathlib import Path

import pytest

from eed_delivery.app.operations import Operations
from eed_delivery.errors import DatabaseGone, NotPossible
from eed_delivery.ledger.acts import ActLedger
from eed_delivery.ledger.reporting import JobReport, ReportingLedger
from eed_delivery.ledger.workers import Process
from eed_delivery.model import EmailState
from eed_delivery.operations import refusals
from eed_delivery.operations.actor import Actor
from eed_delivery.operations.deciding import ResumeRequest, SettleRequest, StopRequest
from eed_delivery.operations.emails import EmailsRequest
from eed_delivery.operations.jobs import JobRequest, JobsRequest
from eed_delivery.operations.requeueing import RequeueRequest
from eed_delivery.operations.resending import ResendRequest
from eed_delivery.operations.watching import JobProgress, Watching
from tests.operating import ANNA, operations_over
from tests.world import World

EMAILS = ("1000", "1001", "1002")
ALL_OF_JOB = RequeueRequest(jobs=("1",))


@pytest.fixture
def operations(world: World, tmp_path: Path) -> Operations:
    """What Anna can do with a job of three emails."""
    world.add_job(["a@example.com", "b@example.com", "c@example.com"])
    world.enlist()
    return operations_over(world, tmp_path)


def set_state(world: World, state: str, email_id: int) -> None:
    world.execute("UPDATE eed_email SET state = :state WHERE email_id = :id", state=state, id=email_id)


def test_who_acts_is_named_with_the_account_that_was_checked() -> None:
    assert ANNA.name == "anna"
    assert Actor("root", "cli", sudo_user="anna").name == "anna as root"
    assert Actor("root", "cli", sudo_user="root").name == "root"


def test_a_requeue_is_counted_first_and_says_why_none_matches(operations: Operations, world: World) -> None:
    requeueing = operations.requeueing
    assert requeueing.preview(ALL_OF_JOB).count == 0
    with pytest.raises(refusals.NothingMatches, match="only failed emails are requeued here: 1000 is pending") as none:
        requeueing.preview(RequeueRequest(emails=("1000",)))
    assert none.value.which == "email 1000"
    set_state(world, "failed", 1000)
    set_state(world, "failed", 1001)
    world.execute("UPDATE delivery_email SET recipient = 'z@example.com' WHERE id = 1001")
    preview = requeueing.preview(ALL_OF_JOB)
    assert (preview.count, preview.readdressed) == (2, 1)
    assert world.state(1000) == "failed"
    assert requeueing.requeue(preview) == 2
    assert [world.state(int(key)) for key in EMAILS] == ["pending"] * 3
    (act,) = ActLedger(world.database).of_job(1)
    assert (act.act, act.who, act.count) == ("requeue", "anna", 2)


@pytest.mark.parametrize(
    ("terms", "field"),
    [
        ({}, "every"),
        ({"jobs": ("1",), "every": True}, "every"),
        ({"every": True, "state": EmailState.IN_DOUBT}, "accept_duplicates"),
    ],
)
def test_a_selection_that_names_nothing_or_risks_duplicates_is_refused(terms: dict[str, object], field: str) -> None:
    with pytest.raises(refusals.InvalidRequest) as refused:
        RequeueRequest(**terms)  # type: ignore[arg-type]
    assert refused.value.which == field


def test_doubts_are_settled_and_the_others_are_named(operations: Operations, world: World) -> None:
    set_state(world, "in_doubt", 1000)
    result = operations.deciding.settle(SettleRequest(EMAILS, EmailState.SENT, "seen in the log"))
    assert result.settled == ("1000",)
    assert isinstance(result.refusal, refusals.WrongState)
    assert str(result.refusal) == "only emails in doubt can be settled: email 1001 is pending, email 1002 is pending"
    with pytest.raises(refusals.InvalidRequest):
        SettleRequest(EMAILS, EmailState.PENDING)


def test_a_doubt_on_a_channel_of_files_is_put_again_and_not_settled_as_sent(world: World) -> None:
    (only, *_) = world.add_job(["a@example.com", "b@example.com"])
    world.enlist()
    set_state(world, "in_doubt", only)
    with pytest.raises(NotPossible, match="email 1000 is on a channel that puts files"):
        world.operating.settle([only], EmailState.SENT, "seen", file_channels=["default"])
    assert world.state(only) == "in_doubt"
    assert world.operating.settle([only], EmailState.FAILED, "lost", file_channels=["default"]) == [only]


def test_a_job_is_paused_let_go_on_and_cancelled_by_its_state(operations: Operations, world: World) -> None:
    deciding = operations.deciding
    with pytest.raises(refusals.WrongState, match="only a paused job can be resumed: job 1 is active"):
        deciding.resume(ResumeRequest("1"))
    assert not deciding.pause(StopRequest("1", "a look first")).before_its_time
    assert deciding.resume(ResumeRequest("1", watched=False)).waiting is None
    assert not deciding.cancel(StopRequest("1", "the fund was closed")).before_its_time
    with pytest.raises(refusals.WrongState) as refused:
        deciding.cancel(StopRequest("1", "twice"))
    assert refused.value.which == "job 1"
    assert {act.who for act in ActLedger(world.database).of_job(1)} == {"anna"}


def test_a_key_that_is_none_is_refused_by_what_is_known_of_it(operations: Operations, world: World) -> None:
    with pytest.raises(refusals.UnknownKey) as unknown:
        operations.keys.job_id("77")
    assert (unknown.value.which, unknown.value.do) == ("job 77", "eed-delivery jobs lists them.")
    with pytest.raises(refusals.UnknownKey):
        operations.keys.email_id("77")
    world.add_job(job_id=2, status="preparing")
    with pytest.raises(refusals.JobNotStarted, match="the publisher has not picked it up yet"):
        operations.keys.job_id("2")
    world.add_job(job_id=3, scheduled_for="2037-12-31 23:00:00")
    with pytest.raises(refusals.JobWaits) as waits:
        operations.keys.job_id("3")
    assert waits.value.scheduled_at is not None
    paused = operations.deciding.pause(StopRequest("3", "not yet"))
    assert paused.before_its_time
    resumed = operations.deciding.resume(ResumeRequest("3"))
    assert resumed.waiting is not None
    assert resumed.waiting.key == 3


def test_a_sent_email_is_sent_once_more_by_its_actor(operations: Operations, world: World) -> None:
    set_state(world, "sent", 1000)
    resent = operations.resending.resend(ResendRequest("1000", "her mailbox has moved", "anna@example.com"))
    assert resent.recipient == "anna@example.com"
    (act,) = ActLedger(world.database).of_email(1000)
    assert (act.act, act.who) == ("resend", "anna")
    with pytest.raises(refusals.InvalidRequest):
        ResendRequest("1000", "her mailbox has moved", "nobody")


def test_jobs_come_a_page_at_a_time_the_newest_first(operations: Operations, world: World) -> None:
    for job_id in (2, 3, 4):
        world.add_job(job_id=job_id)
    world.add_job(job_id=9, scheduled_for="2037-12-31 23:00:00")
    world.registry.register(world.registry.new_jobs(100))
    world.execute("UPDATE eed_job SET created_at = '2026-01-01 00:00:00.000000' WHERE job_id IN (2, 3)")
    found, after = [], None
    while True:
        page = operations.jobs.page(JobsRequest(limit=2, after=after))
        found.append(([job.key for job in page.jobs], [str(job.key) for job in page.waiting]))
        if (after := page.next_after) is None:
            break
    assert found[0][1] == ["9"]
    assert [key for keys, _ in found for key in keys] == ["4", "1", "3", "2"]
    assert found[1][1] == []
    with pytest.raises(refusals.UnknownKey):
        operations.jobs.page(JobsRequest(limit=2, after="77"))


def test_emails_come_a_page_at_a_time_by_job_and_by_address(operations: Operations, world: World) -> None:
    world.add_job(["A@example.com"], job_id=2)
    world.enlist(2)
    emails = operations.emails
    first = emails.page(EmailsRequest(job="1"), 2)
    rest = emails.page(EmailsRequest(job="1", after=first.next_after), 2)
    assert [email.key for page in (first, rest) for email in page.emails] == list(EMAILS)
    assert rest.next_after is None
    to = emails.page(EmailsRequest(to="a@example.com"), 1)
    assert [to.job_keys[email.job_id] for email in to.emails] == ["1"]
    more = emails.page(EmailsRequest(to="a@example.com", after=to.next_after), 1)
    assert [more.job_keys[email.job_id] for email in more.emails] == ["2"]
    for terms in (
        {},
        {"job": "1", "to": "a@example.com"},
        {"job": "1", "outcome": "eaten"},
        {"job": "1", "after": "x"},
    ):
        with pytest.raises(refusals.InvalidRequest):
            EmailsRequest(**terms)


def test_a_job_and_an_email_are_shown_with_all_that_is_known(operations: Operations, world: World) -> None:
    set_state(world, "failed", 1000)
    set_state(world, "in_doubt", 1001)
    operations.deciding.pause(StopRequest("1", "a look first"))
    operations.deciding.resume(ResumeRequest("1"))
    view = operations.jobs.view(operations.jobs.report("1"), JobRequest(acts=1))
    assert [(reason.state, reason.count) for reason in view.reasons] == [("failed", 1), ("in_doubt", 1)]
    assert [doubt.key for doubt in view.doubts] == ["1001"]
    assert ([act.act for act in view.acts], view.more_acts) == (["resume"], True)
    assert (view.served.recipients, view.served.sent) == (3, 0)
    email = operations.emails.view("1001")
    assert (email.job_key, email.header_id) == ("1", "<1001.0@mail.example.com>")
    with pytest.raises(refusals.UnknownKey):
        operations.emails.view("77")


class AwayOnce(ReportingLedger):
    """Its database does not answer the second look."""

    looks = 0

    def job(self, job_id: int) -> JobReport | None:
        self.looks += 1
        if self.looks == 2:
            raise DatabaseGone("the database does not answer")
        return super().job(job_id)


def test_a_job_is_followed_while_the_database_is_away(operations: Operations, world: World) -> None:
    def work() -> None:
        world.execute("UPDATE eed_email SET state = 'sent'")
        world.sweeping.finish(1)

    news = list(Watching(AwayOnce(world.database)).follow(1, work))
    assert [type(each).__name__ for each in news] == ["JobProgress", "DatabaseAway", "DatabaseBack", "JobProgress"]
    assert isinstance(news[-1], JobProgress)
    assert news[-1].report.state == "finished"
    assert list(operations.watching.follow(77, work)) == []


def test_hosts_that_differ_are_shown(operations: Operations, world: World) -> None:
    for name, version, config in (("a", "1", "x"), ("b", "1", "y"), ("c", "2", "x"), ("d", None, "x"), ("e", "1", "x")):
        process = Process(name, "h", "worker", version=version, config=config)
        world.workers.beat(process, sending=True, detail=None, alive_seconds=15)
    differing = {found.process.worker_id: found.differs for found in operations.processes.all()}
    assert differing == {"a": (), "b": ("config",), "c": ("version",), "d": ("version",), "e": ()}
    world.execute("UPDATE eed_worker SET heartbeat_at = '2001-01-01 00:00:00.000000' WHERE worker_id <> 'b'")
    alive = {found.process.worker_id: found.differs for found in operations.processes.all()}
    assert set(alive.values()) == {()}, "those that are gone are compared with nothing"


def test_processes_are_alive_by_their_heartbeats(operations: Operations, world: World) -> None:
    world.workers.beat(Process("a:1:x", "a", "worker", 2), sending=True, detail=None, alive_seconds=60)
    (found,) = operations.processes.all()
    assert (found.process.host, found.alive, found.sending) == ("a", True, True)
