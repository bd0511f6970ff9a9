"""An email that ends the process that renders it costs one worker, and then fails. Real processes are really killed."""

import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from eed_delivery.app import isolated_render
from eed_delivery.app.child_programs import start_rendering
from eed_delivery.config import Settings
from eed_delivery.config.load import load
from eed_delivery.errors import DatabaseGone, InfrastructureFailure, RenderError, Stopping
from eed_delivery.ledger.delivering.claims import JobRef
from eed_delivery.model import AttachmentRef, Email, Job
from eed_delivery.runtime.render_process import RenderProcess
from eed_delivery.runtime.renders import DiedRender
from eed_delivery.worker.isolated_renders import DEATHS, PAUSE_AT, SURVIVORS, IsolatedRenders
from tests.integration.conftest import NewStack
from tests.unit.rendering.making import email, job, read

SETTINGS = {
    "worker.processes": 1,
    "worker.threads": 1,
    "worker.lease_seconds": 5,
    "queue.visibility_timeout_seconds": 8,
}
EMAILS = 12
ENVIRON = {
    "EED_DATABASE__URL": "sqlite:///none.sqlite3",
    "EED_AWS__REGION": "us-east-2",
    "EED_QUEUE__URL": "https://sqs.us-east-2.amazonaws.com/1/q",
    "EED_RENDERING__MESSAGE_ID_DOMAIN": "mail.example.com",
}
REF = JobRef(1, "1", 0)


# --- the whole service ------------------------------------------------------------------------------------------------


def test_an_email_that_ends_its_process_costs_one_worker_and_fails(new_stack: NewStack) -> None:
    stack = new_stack(SETTINGS)
    stack.mail_up()
    ids = stack.add_job([f"customer{n}@example.com" for n in range(EMAILS)])
    host = stack.start("run", environ={"EED_FAILPOINTS": f"worker.rendered=kill#{ids[6]}"})
    stack.wait_finished(1, seconds=240)
    assert stack.counts() == {"sent": EMAILS - 1, "failed": 1}, stack.story()
    ((email_id, reason, attempts),) = stack.world.execute(
        "SELECT email_id, detail, attempts FROM eed_email WHERE state = 'failed'"
    )
    assert email_id == ids[6]
    assert "rendering it ended the process that did it 2 times (SIGKILL)" in reason
    assert attempts == 1
    assert stack.world.execute("SELECT DISTINCT attempts FROM eed_email") == [(1,)]
    (death,) = stack.log_events("role_died")
    assert death["rendering"] == [ids[6]]
    assert len(stack.log_events("render_process_died")) == DEATHS
    assert host.terminate() == 0
    stack.balance()


def test_a_single_kill_in_the_middle_of_a_render_fails_nobody(new_stack: NewStack) -> None:
    stack = new_stack(SETTINGS)
    stack.mail_up()
    stack.add_job([f"customer{n}@example.com" for n in range(EMAILS)])
    host = stack.start("run", environ={"EED_FAILPOINTS": f"worker.rendered=kill@{EMAILS - 1}"})
    stack.wait_finished(1, seconds=240)
    assert stack.counts() == {"sent": EMAILS}, stack.story()
    assert len(stack.log_events("role_died")) == 1
    assert not stack.log_events("render_process_died")
    assert host.terminate() == 0
    stack.balance()


def test_a_job_all_of_whose_emails_end_their_process_costs_one_worker_and_is_paused(new_stack: NewStack) -> None:
    stack = new_stack(SETTINGS)
    stack.mail_up()
    ids = stack.add_job([f"customer{n}@example.com" for n in range(100)])
    stack.start("run", environ={"EED_FAILPOINTS": "worker.rendered=kill#" + "+".join(map(str, ids))})
    paused = "SELECT reason FROM eed_job WHERE state = 'paused'"
    stack.wait_until(lambda: bool(stack.world.execute(paused)), "the job is paused", 240)
    assert "3 of its emails ended the process that rendered them" in str(stack.world.scalar(paused))
    assert len(stack.log_events("role_died")) == 1, stack.story()


def test_memory_that_others_have_taken_fails_nobody(new_stack: NewStack) -> None:
    """One email needs more than there is, wherever it is rendered. Another has only met the end of its worker's."""
    stack = new_stack(SETTINGS)
    stack.mail_up()
    ids = stack.add_job([f"customer{n}@example.com" for n in range(EMAILS)])
    stack.add_job(["innocent@example.com"], job_id=2)
    host = stack.start("run", environ={"EED_FAILPOINTS": f"worker.rendered=exhaust#{ids[3]}"})
    stack.wait_finished(1, 2, seconds=240)
    assert stack.counts() == {"sent": EMAILS, "failed": 1}, stack.story()
    assert "it needs more memory than an email may use" in str(
        stack.world.scalar("SELECT detail FROM eed_email WHERE state = 'failed'")
    )
    assert not stack.log_events("role_died") and not stack.log_events("defect")
    assert host.terminate() == 0


# --- its parts --------------------------------------------------------------------------------------------------------


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    config = tmp_path / "eed-delivery.toml"
    config.write_text(f"rendering.attachments_root = {json.dumps(str(tmp_path))}\n")
    return load(config, ENVIRON)


class Started:
    """What starts processes for rendering, and knows them."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.processes: list[RenderProcess] = []
        self.paused: list[int] = []
        self.job = job(job_id=1, text_template="Dear {{ name }}", html_template=None)

    def __call__(self) -> RenderProcess:
        self.processes.append(start_rendering(self.settings))
        return self.processes[-1]

    def load(self, ref: JobRef) -> Job:
        return self.job

    def pause(self, of: Email, reason: str) -> None:
        self.paused.append(of.job_id)

    def renders(self, seconds: float = 30, died: tuple[DiedRender, ...] = ()) -> IsolatedRenders:
        return IsolatedRenders(self, self.load, self.pause, seconds, died)


@pytest.fixture
def started(settings: Settings) -> Iterator[Started]:
    started = Started(settings)
    yield started
    for process in started.processes:
        process.close()


def named(email_id: int, **values: object) -> Email:
    return email(**{"email_id": email_id, "job_id": 1, "variables": '{"name": "Zoë"}', **values})


def test_one_process_renders_one_email_after_the_other(started: Started) -> None:
    renders = started.renders()
    found = [renders.render(REF, named(n), lambda: None) for n in (1, 2)]
    assert [message.email_id for message in found] == [1, 2]
    assert all("Dear Zoë" in read(message).get_body(("plain",)).get_content() for message in found)
    assert len(started.processes) == 1


def test_what_is_wrong_with_an_email_is_said_as_the_worker_would(started: Started) -> None:
    renders = started.renders()
    with pytest.raises(RenderError, match="recipient"):
        renders.render(REF, named(1, recipient="nobody"), lambda: None)
    started.job = job(job_id=1, revision=1, text_template="{{ 1 // 0 }}", html_template=None)
    with pytest.raises(RenderError, match="text template, line 1"):
        renders.render(REF, named(1), lambda: None)
    assert len(started.processes) == 1


def test_one_death_is_an_accident(started: Started, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EED_FAILPOINTS", "worker.rendered=stop#7")
    renders, found = started.renders(), []
    thread = threading.Thread(target=lambda: found.append(renders.render(REF, named(7), lambda: None)))
    thread.start()
    for number, number_of_signal in enumerate((signal.SIGKILL, signal.SIGCONT)):
        _wait_for_stopped(started, number)
        os.kill(started.processes[number].pid, number_of_signal)
    thread.join(60)
    assert [message.email_id for message in found] == [7]
    assert not started.paused


def test_a_place_that_the_worker_is_to_reach_at_a_time_is_not_counted_here(
    started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EED_FAILPOINTS", "worker.rendered=kill@1")
    assert started.renders().render(REF, named(1), lambda: None).email_id == 1
    assert len(started.processes) == 1


def _wait_for_stopped(started: Started, number: int) -> None:
    tick = threading.Event()
    for _ in range(1200):
        if len(started.processes) > number:
            stat = Path(f"/proc/{started.processes[number].pid}/stat").read_text()
            if stat.rpartition(")")[2].split()[0] == "T":
                return
        tick.wait(0.05)
    raise AssertionError("it was not stopped")


def test_the_third_of_a_job_pauses_it(started: Started, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EED_FAILPOINTS", "worker.rendered=kill#1+2+3")
    renders = started.renders()
    for email_id in range(1, PAUSE_AT + 1):
        assert not started.paused
        with pytest.raises(RenderError, match=r"ended the process that did it 2 times \(SIGKILL\)"):
            renders.render(REF, named(email_id), lambda: None)
    assert started.paused == [1]


def test_a_database_that_is_away_does_not_change_what_the_email_has_come_to(
    started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EED_FAILPOINTS", "worker.rendered=kill#1+2+3")

    def away(of: Email, reason: str) -> None:
        raise DatabaseGone("it is away")

    renders = IsolatedRenders(started, started.load, away, 30)
    for email_id in range(1, PAUSE_AT + 1):
        with pytest.raises(RenderError, match="ended the process"):
            renders.render(REF, named(email_id), lambda: None)


def test_one_that_takes_too_long_is_ended(started: Started, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EED_FAILPOINTS", "worker.rendered=hold#7")
    renders, beats = started.renders(seconds=0.5), []
    with pytest.raises(RenderError, match="took more than 0 s of CPU time"):
        renders.render(REF, named(7), lambda: beats.append(1))
    assert beats
    assert renders.render(REF, named(8), lambda: None).email_id == 8


def test_its_memory_is_limited(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "large.pdf").write_bytes(b"x" * 40_000_000)
    little = settings.model_copy(
        update={"rendering": settings.rendering.model_copy(update={"max_attachment_bytes": 2**40})}
    )
    started = Started(little)
    renders = started.renders()
    many = tuple(AttachmentRef("large.pdf") for _ in range(3))
    with pytest.raises(RenderError, match=r"larger than|longer than|too large"):  # the message's own limit comes first
        renders.render(REF, named(1, attachments=many), lambda: None)
    pid = started.processes[0].pid
    limits = Path(f"/proc/{pid}/limits").read_text()
    expected = isolated_render.MEMORY_BYTES + isolated_render.COPIES * little.rendering.max_message_bytes
    assert f"Max data size             {expected} " in limits
    assert Path(f"/proc/{pid}/oom_score_adj").read_text().strip() == isolated_render.KILL_FIRST
    renders.close()


def test_a_process_that_cannot_start_blames_no_email(settings: Settings) -> None:
    unusable = settings.model_copy(
        update={"rendering": settings.rendering.model_copy(update={"message_id_domain": "not a domain"})}
    )
    with pytest.raises(InfrastructureFailure, match="did not start"):
        Started(unusable).renders().render(REF, named(1), lambda: None)


def test_nothing_is_started_once_the_worker_stops(started: Started) -> None:
    renders = started.renders()
    renders.close()
    with pytest.raises(Stopping):
        renders.render(REF, named(1), lambda: None)
    assert not started.processes


def test_who_is_a_suspect(started: Started) -> None:
    renders = started.renders(died=(DiedRender(7, 1),))
    fresh, retried = named(1, job_id=2), named(1, job_id=2, attempts=2)
    assert not renders.wants(fresh, 1)
    assert renders.wants(fresh, 2), "received twice, and never tried"
    assert not renders.wants(retried, 3)
    assert renders.wants(retried, 4)
    assert renders.wants(named(2), 1), "of the job that the dead worker was rendering"
    for number in range(SURVIVORS):
        assert renders.wants(named(2), 1), number
        renders.render(REF, named(2), lambda: None)
    assert not renders.wants(named(2), 1)
