"""What people on call do at night, each task in the number of steps that is promised: one page, one search, one act.

The table says who asks what, and the steps. What shadow mode found is read at pages of its own.
"""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Browser
from sqlalchemy import insert

from eed_delivery.app.long_acts import long_act_steps
from eed_delivery.ledger.schema import eed_dead_letter
from tests.browser.night import NOW, PAUSED
from tests.browser.served import ServedConsole
from tests.browser.steps import READ, SEND, TaskSteps
from tests.browser.viewer import Viewer
from tests.progress import counted
from tests.waiting import until

FOREIGN = 8
"""The number of a dead letter."""
DOUBTS = 1192
"""As many as a fault run of the service's own left."""
_numbers = itertools.count(8000)


@dataclass(frozen=True)
class NightTask:
    """A task, its steps, and what a person does."""

    name: str
    steps: tuple[str, ...]
    do: Callable[[TaskSteps], None]


def is_all_well(night: TaskSteps) -> None:
    words = night.read("/")
    assert "This needs somebody" in words
    assert f"Job {PAUSED}: Paused by anna" in words
    assert "wrong interest rate in the template" in words
    assert "the relay does not answer: 421 4.3.2 closing" in words
    assert "mail-2.example.com" in words


def did_a_customer_get_it(night: TaskSteps) -> None:
    """She names no job. All of them are searched."""
    jobs = [_job(night, "lena@example.com", "max@example.org") for _ in range(2)]
    _set(night, jobs[0], state="sent", detail="250 2.0.0 Ok: queued as 4CXn")
    night.open_form("/search")
    night.page.fill("#text", "Lena@Example.com")
    words = night.send("#look")
    found = [line for line in words.splitlines() if "lena@example.com" in line]
    assert len(found) == len(jobs)
    assert "250 2.0.0 Ok: queued as 4CXn" in words
    assert "max@" not in words


def settle_the_doubts_of_the_night(night: TaskSteps) -> None:
    world, half = night.console.world, DOUBTS // 2
    jobs = {_job(night, *(f"d{n}@example.com" for n in range(half))): half for _ in range(2)}
    wire = datetime.now(UTC).replace(tzinfo=None, microsecond=0) - timedelta(minutes=40)
    emails = [1000 * job + n for job, count in jobs.items() for n in range(count)]
    for job in jobs:
        _set(night, job, state="in_doubt", wire_at=f"{wire}.000000", detail="no answer to the final dot")
    assert f"{DOUBTS + 6:,} emails in doubt" in night.read("/doubts")  # with those that were there before
    log = "".join(_lines(f"{email}.0@mail.example.com", wire) for email in emails)
    night.page.set_input_files("#log", {"name": "mail.log", "mimeType": "text/plain", "buffer": log.encode()})
    assert f"{DOUBTS:,} accepted by the relay" in night.send("#match").replace("\n", " ")
    night.page.fill("#reason", "the relay's log of 02:30")
    assert f"{DOUBTS:,} emails are settled as sent, 0 as failed." in night.send("#settle")
    for job in jobs:
        assert world.execute(_COUNTS, id=job) == [("sent", half)]
    acts = f"SELECT SUM(count), COUNT(DISTINCT operation) FROM eed_audit WHERE act = 'settle' AND job_id >= {min(jobs)}"
    assert world.execute(acts) == [(DOUBTS, 1)]


def see_the_mended_template_and_go_on(night: TaskSteps) -> None:
    job = _job(night)
    night.console.site.cli.good("pause", str(job), "--reason", "wrong rate")
    text = "Your rate is 2.5 %"
    night.console.world.execute("UPDATE delivery_job SET text_template = :text WHERE id = :id", text=text, id=job)
    words = night.read(f"/emails/{1000 * job}/preview")
    assert text in words.splitlines(), "without the carriage returns of an email's lines"
    night.open_form(f"/jobs/{job}/resume")
    night.page.fill("#reason", "the rate is right now")
    night.send("#act")
    assert _state(night, job) == "active"


def send_what_failed_again_with_a_canary(night: TaskSteps) -> None:
    job = _job(night, *(f"c{n}@example.com" for n in range(30)))
    _set(night, job, state="failed", detail="452 4.2.2 mailbox full")
    until(lambda: night.open_form(f"/jobs/{job}/failures") is None and night.page.locator("#requeue").count() == 1)
    night.follow("#requeue")
    assert f"Send 30 failed emails of job {job} again?" in night.page.inner_text("h1")
    night.page.fill("#reason", "the relay is mended")
    night.page.fill("#canary", "10")
    night.send("#act")
    long_act_steps(night.console.site.settings, night.console.world.database).chunks()
    night.page.reload()
    assert "canary" in night.page.inner_text("main")
    assert night.console.world.execute(_COUNTS, id=job) == [("failed", 20), ("pending", 10)]


def stop_everything(night: TaskSteps) -> None:
    night.open_form("/holds/add")
    night.page.fill("#reason", "wrong letter")
    words = night.send("#act")
    number = night.page.url.rpartition("/")[2]
    try:
        assert "Everything is held by admin" in words
        assert "Last email let go" in words
        until(lambda: "Everything is held by admin" in (night.open_form("/") or night.page.inner_text("main")))
    finally:
        night.console.site.cli.good("hold", "release", number)


def slow_down(night: TaskSteps) -> None:
    night.open_form("/settings/pace")
    night.page.fill("#per_second", "5")
    night.page.fill("#reason", "the relay complains")
    words = night.send("#act")
    try:
        assert "The pace is 5 a second." in words
        assert "the relay complains" in words
    finally:
        night.console.site.cli.good("pace", "clear", "--reason", "over")


def send_to_one_who_was_suppressed_wrongly(night: TaskSteps) -> None:
    job, site = _job(night, "ida@example.com"), night.console.site
    site.cli.good("suppression", "add", "ida@example.com", "--reason", "a wrong file")
    assert night.console.world.claim(1000 * job).emails == ()
    night.open_form("/suppressions/remove")
    night.page.fill("#address", "ida@example.com")
    night.page.fill("#reason", "it was a wrong file")
    assert "The address is off the list." in night.send("#act")
    night.open_form(f"/emails/{1000 * job}")
    night.follow("#send-again")
    assert "It was suppressed, and never left." in night.page.inner_text("main")
    night.page.fill("#reason", "she has called")
    assert f"It is sent again as email {1000 * job}~1." in night.send("#act")


def who_has_paused_it(night: TaskSteps) -> None:
    words = night.read(f"/audit?job={PAUSED}")
    (row,) = [line for line in words.splitlines() if "anna" in line]
    assert "pause" in row
    assert "wrong interest rate in the template" in words


def will_it_be_done_by_six(night: TaskSteps) -> None:
    """An hour is left, and it needs ten minutes."""
    world, job = night.console.world, _job(night, *(f"c{n}@example.com" for n in range(3)))
    world.execute("UPDATE eed_job SET total = 100000, deadline = :by WHERE job_id = :id", id=job, by=_in_an_hour())
    counted(world, job, 100_000, 40_000, 100)
    words = night.read(f"/jobs/{job}")
    assert "In time. It ends in time: " in words
    assert "before its deadline" in words
    assert "60,000 of 100,000 emails are left." in words


def view_and_delete_a_foreign_dead_letter(night: TaskSteps) -> None:
    world = night.console.world
    row = {"letter_id": FOREIGN, "sqs_id": "7f", "channel": "default", "receives": 3, "size": 9}
    row |= {"problem": "the body is not JSON", "body": "not ours", "found_at": NOW, "seen_at": NOW}
    world.database.run(lambda c: c.execute(insert(eed_dead_letter).values(**row)))
    words = night.read(f"/dead-letters/{FOREIGN}")
    assert "the body is not JSON" in words
    assert night.page.inner_text("#body") == "not ours"
    night.follow("#delete")
    night.page.fill("#reason", "sent there by a wrong script")
    assert f"Dead letter {FOREIGN} is deleted in the sweeper's next round." in night.send("#act")
    audited = "SELECT reason FROM eed_audit WHERE act = 'dead_letter_delete' AND object_key = :key"
    assert world.execute(audited, key=str(FOREIGN)) == [("sent there by a wrong script",)]


def have_a_job_rehearsed(night: TaskSteps) -> None:
    job = _job(night)
    night.open_form(f"/jobs/{job}/rehearse")
    assert "is begun." in night.send("#act")
    rehearse = long_act_steps(night.console.site.settings, night.console.world.database).rehearsals
    operation = night.page.url.rpartition("/")[2]
    until(lambda: rehearse() >= 0 and _operation(night, operation) not in ("waiting", "running"))
    assert _operation(night, operation) == "done"
    night.open_form(f"/rehearsals/{operation}")
    assert "CLEAN: 1 emails were looked at, and 1 can be rendered." in night.page.inner_text("main")


def _operation(night: TaskSteps, operation: str) -> str:
    sql = "SELECT state FROM eed_operation WHERE operation_id = :id"
    return str(night.console.world.scalar(sql, id=operation))


def _in_an_hour() -> str:
    return f"{datetime.now(UTC) + timedelta(hours=1):%Y-%m-%d %H:%M:%S.%f}"


TASKS = (
    NightTask("is all well", (READ,), is_all_well),
    NightTask("did a customer get it", (SEND,), did_a_customer_get_it),
    NightTask("settle the doubts of the night", (READ, SEND, SEND), settle_the_doubts_of_the_night),
    NightTask("see the mended template and go on", (READ, SEND), see_the_mended_template_and_go_on),
    NightTask("send what failed again", (SEND,), send_what_failed_again_with_a_canary),
    NightTask("stop everything", (SEND,), stop_everything),
    NightTask("slow down", (SEND,), slow_down),
    NightTask("suppressed wrongly", (SEND, SEND), send_to_one_who_was_suppressed_wrongly),
    NightTask("who has paused it", (READ,), who_has_paused_it),
    NightTask("will it be done by six", (READ,), will_it_be_done_by_six),
    NightTask("view and delete a foreign dead letter", (READ, SEND), view_and_delete_a_foreign_dead_letter),
    NightTask("have a job rehearsed", (SEND,), have_a_job_rehearsed),
)


@pytest.fixture(scope="module")
def shift(browser: Browser, console: ServedConsole) -> Iterator[Viewer]:
    """One who is on call: an admin, because the audit is for admins."""
    with Viewer(browser, console, "admin", "see_recipients", "see_content") as viewer:
        yield viewer


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_a_task_of_the_night_takes_its_steps(shift: Viewer, console: ServedConsole, task: NightTask) -> None:
    shift.anew()
    steps = TaskSteps(task.name, shift, console)
    task.do(steps)
    steps.end()
    assert tuple(steps.taken) == task.steps
    assert shift.complaints == []


_COUNTS = "SELECT state, COUNT(*) FROM eed_email WHERE job_id = :id GROUP BY state ORDER BY state"


def _job(night: TaskSteps, *recipients: str) -> int:
    """An active job of its own."""
    key = 10 * next(_numbers)  # its emails have up to 10,000 numbers
    night.console.world.add_job(recipients or ("kim@example.com",), key, name="Statements")
    night.console.world.enlist(key)
    return key


def _state(night: TaskSteps, job: int) -> str:
    return str(night.console.world.scalar("SELECT state FROM eed_job WHERE job_id = :id", id=job))


def _set(night: TaskSteps, job: int, **values: str) -> None:
    sets = ", ".join(f"{name} = :{name}" for name in values)
    night.console.world.execute(f"UPDATE eed_email SET {sets}, attempts = 1 WHERE job_id = :job", job=job, **values)


def _lines(message_id: str, at: datetime) -> str:
    """Of Postfix, which has accepted it."""
    head = f"{at:%Y-%m-%dT%H:%M:%S}+00:00 relay postfix/x[1]: {message_id.partition('.')[0]}A:"
    to = "to=<d@example.com>, relay=mx[192.0.2.1]:25, dsn=2.0.0, status=sent (250 ok)"
    return f"{head} message-id=<{message_id}>\n{head} {to}\n"
