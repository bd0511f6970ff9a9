"""Jobs with many recipients: registered by the side, whole or not at all, whatever happens to the process."""

import io
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import Client, TestResponse

from eed_delivery.app.aws_clients import AwsClients
from eed_delivery.app.long_acts import long_act_steps
from eed_delivery.errors import NotPossible
from eed_delivery.operations.submitting.by_the_side import ROWS_AT_ONCE
from eed_delivery.operations.submitting.drafts import JobDraft
from eed_delivery.operations.submitting.incomplete import SHOWN
from eed_delivery.operations.submitting.uploading import UploadedJob
from eed_delivery.runtime import failpoints
from tests.operators_site import PASSWORD, Site
from tests.servers.ministack import MiniStack
from tests.world import World

pytestmark = pytest.mark.also_on_sqlite

JOB = {"name": "Statements", "sender": "bank@example.com", "subject": "For {{ name }}", "text": "{{ amount }}"}
PAST = "2001-01-01 00:00:00.000000"
MANY = 1100
"""Three chunks."""
STEPS = ["begun", "500", "1000", "1100", "registered"]


class Killed(BaseException):
    """As kill -9 leaves it, within one process."""


class Desk:
    """A site, and the steps of a process that does what is asked of it."""

    def __init__(self, world: World, directory: Path, more: str = "", **environ: str) -> None:
        self.site = Site(world, directory, more, environ=environ)
        self.world = world
        self.steps = long_act_steps(self.site.settings, world.database)

    def start(self, rows: int = MANY, more: str = "", prefix: str = "a") -> str:
        """Have a file registered by the side, however short it is. Returns the operation's id."""
        draft = JobDraft(**JOB)
        uploaded = UploadedJob(draft, io.BytesIO((csv(rows, prefix) + more).encode()))
        return self.site.operations.submission_orders.start(uploaded).id

    def of(self, act_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.site.json("GET", f"/api/v1/operations/{act_id}")
        return found

    def jobs(self) -> list[tuple[Any, ...]]:
        """Status and emails of each job."""
        return list(
            self.world.execute(
                "SELECT j.status, COUNT(e.id), COUNT(DISTINCT e.recipient) FROM delivery_job j"
                " LEFT JOIN delivery_email e ON e.job_id = j.id GROUP BY j.id, j.status ORDER BY j.id"
            )
        )

    def lapse(self) -> None:
        """Let the lease of a process end that was killed."""
        self.world.execute(f"UPDATE eed_operation SET lease_until = '{PAST}' WHERE lease_until IS NOT NULL")

    def parts(self) -> int:
        return int(self.world.scalar("SELECT COUNT(*) FROM eed_submitted_part"))


def csv(rows: int, prefix: str = "a") -> str:
    return "email,name,amount\n" + "".join(f"{prefix}{n}@example.com,N{n},{n}\n" for n in range(rows))


@pytest.fixture
def desk(world: World, tmp_path: Path) -> Desk:
    return Desk(world, tmp_path)


@pytest.fixture
def on_the(request: pytest.FixtureRequest) -> Iterator[Callable[[str, int, Callable[[], None]], None]]:
    """Do something at a failpoint, when it is reached for the nth time."""

    def at(place: str, nth: int, what: Callable[[], None]) -> None:
        left = iter(range(nth - 1, -1, -1))

        def reached(name: str) -> None:
            if name == place and next(left) == 0:
                failpoints.hook(None)
                what()

        failpoints.hook(reached)

    yield at
    failpoints.hook(None)


def kill() -> None:
    raise Killed


def submit(site: Site, content: str, key: str = "one", job: Mapping[str, str] = JOB) -> TestResponse:
    given = {"job": json.dumps(job), "recipients": (io.BytesIO(content.encode()), "recipients.csv")}
    headers = {"Authorization": f"Bearer {site.token('operator')}", "Idempotency-Key": key}
    return Client(site.app).post("/api/v1/jobs", data=given, headers=headers, environ_base={"REMOTE_ADDR": "127.0.0.1"})


def test_a_long_file_is_an_operation_and_the_job_starts_when_its_last_row_is_in(desk: Desk) -> None:
    content = csv(ROWS_AT_ONCE + 1)
    answer = submit(desk.site, content)
    assert answer.status_code == 202, answer.text
    assert answer.json is not None
    act_id = answer.json["id"]
    assert answer.headers["Location"] == f"/api/v1/operations/{act_id}"
    assert (answer.json["kind"], answer.json["state"], answer.json["selection"]) == (
        "submit", "waiting", {"name": "Statements"}
    )  # fmt: skip
    assert desk.jobs() == []
    again = submit(desk.site, content)
    assert (again.status_code, again.json, again.headers["Idempotent-Replayed"]) == (202, answer.json, "true")
    desk.steps.submissions()
    assert desk.jobs() == [("processing", ROWS_AT_ONCE + 1, ROWS_AT_ONCE + 1)]
    told = desk.of(act_id)
    job = str(desk.world.scalar("SELECT id FROM delivery_job"))
    assert (told["state"], told["total"], told["done"]) == ("done", ROWS_AT_ONCE + 1, ROWS_AT_ONCE + 1)
    assert told["result"] == {"job": job, "emails": ROWS_AT_ONCE + 1}
    noted = "SELECT act, who, surface, object_key, count FROM eed_audit WHERE operation = :id ORDER BY act_id"
    assert desk.world.execute(noted, id=act_id) == [
        ("operation_start", "token operator", "api", act_id, None),
        ("submit", "token operator", "api", job, ROWS_AT_ONCE + 1),
    ]
    assert desk.parts() == 0
    desk.site.user("anna")
    browser, here = desk.site.browser(), {"environ_base": {"REMOTE_ADDR": "127.0.0.1"}}
    browser.post("/login", data={"name": "anna", "password": PASSWORD}, **here)
    assert f'href="/jobs/{job}"' in browser.get(f"/operations/{act_id}", **here).text
    assert f"result   job {job}" in desk.site.cli.good("operations", "show", act_id)
    assert submit(desk.site, csv(ROWS_AT_ONCE), key="two").status_code == 201, "so many are registered at once"


def test_a_killed_process_is_followed_by_one_that_writes_the_rest_once(desk: Desk, on_the: Callable[..., None]) -> None:
    """Killed within each chunk, and behind each."""
    for place in ("operations.chunk", "operations.advanced"):
        for nth, step in enumerate(STEPS, start=1):
            desk.world.execute("DELETE FROM delivery_email")
            desk.world.execute("DELETE FROM delivery_job")
            act_id = desk.start()
            on_the(place, nth, kill)
            with pytest.raises(Killed):
                desk.steps.submissions()
            there = "processing" if (place, step) == ("operations.advanced", "registered") else "preparing"
            assert {status for status, *_ in desk.jobs()} <= {there}, (place, step)
            assert desk.steps.submissions() > 0, "its lease has not ended"
            desk.lapse()
            desk.steps.submissions()
            assert desk.jobs() == [("processing", MANY, MANY)], (place, step)
            assert (desk.of(act_id)["state"], desk.of(act_id)["done"]) == ("done", MANY)
            submits = "SELECT COUNT(*) FROM eed_audit WHERE act = 'submit' AND operation = :id"
            assert desk.world.scalar(submits, id=act_id) == 1
    recipients = desk.world.execute("SELECT recipient FROM delivery_email ORDER BY id")
    assert recipients == [(f"a{n}@example.com",) for n in range(MANY)], "in the order of the file"


def test_a_process_that_was_frozen_writes_nothing_behind_another(desk: Desk, on_the: Callable[..., None]) -> None:
    act_id = desk.start()
    other = long_act_steps(desk.site.settings, desk.world.database)

    def frozen() -> None:
        desk.lapse()
        other.submissions()

    on_the("operations.advanced", 2, frozen)
    desk.steps.submissions()
    assert desk.jobs() == [("processing", MANY, MANY)]
    assert desk.of(act_id)["state"] == "done"


def test_a_stopped_operation_leaves_a_job_that_is_never_sent(desk: Desk, on_the: Callable[..., None]) -> None:
    act_id = desk.start()

    def stop() -> None:
        for role, status in (("viewer", 403), ("operator", 200)):
            answer = desk.site.ask("POST", f"/api/v1/operations/{act_id}/stop", {"reason": "wrong file"}, role=role)
            assert answer.status_code == status, answer.text

    on_the("operations.advanced", 2, stop)
    desk.steps.submissions()
    told = desk.of(act_id)
    job = str(desk.world.scalar("SELECT id FROM delivery_job"))
    assert (told["state"], told["done"], told["total"], told["result"]) == ("stopped", 500, MANY, {"job": job})
    assert (desk.jobs(), desk.parts()) == ([("preparing", 500, 500)], 0)
    desk.lapse()
    desk.steps.submissions()
    assert desk.jobs() == [("preparing", 500, 500)]


@pytest.mark.parametrize(
    ("rows", "more", "errors"),
    [
        (3, "no address of bert@example.com,X,1\n" * 20, ["20 of 23 rows are bad", "line 5: "]),
        (0, "", ["there is no row to register"]),
        (3, "x\n", ["1 of 4 rows are bad", "line 5: "]),
    ],
)
def test_a_bad_row_fails_the_operation_and_nothing_is_registered(
    desk: Desk, rows: int, more: str, errors: list[str]
) -> None:
    act_id = desk.start(rows, more)
    desk.steps.submissions()
    told = desk.of(act_id)
    assert (told["state"], desk.jobs(), desk.parts()) == ("failed", [], 0)
    for expected, error in zip(errors, told["errors"], strict=False):
        assert error.startswith(expected)
    assert len(told["errors"]) <= 10
    assert "bert@" not in json.dumps(told)


def test_a_job_that_cannot_be_is_refused_at_once(desk: Desk) -> None:
    answer = submit(desk.site, csv(ROWS_AT_ONCE + 1), job={**JOB, "text": "{{ amount"})
    assert (answer.status_code, desk.parts()) == (422, 0), answer.text
    assert desk.world.scalar("SELECT COUNT(*) FROM eed_operation") == 0


def test_what_a_process_left_that_was_killed_before_its_operation_began_goes_after_a_day(
    desk: Desk, on_the: Callable[..., None]
) -> None:
    waits = desk.start(3)
    desk.world.execute(
        "INSERT INTO eed_submitted_part (operation_id, number, content, made_at)"
        " SELECT 'orphan', number, content, made_at FROM eed_submitted_part"
    )
    desk.steps.over()
    assert desk.parts() == 4
    desk.world.execute(f"UPDATE eed_submitted_part SET made_at = '{PAST}'")
    desk.steps.over()
    assert desk.world.execute("SELECT DISTINCT operation_id FROM eed_submitted_part") == [(waits,)]


def test_a_file_in_s3_that_changes_before_it_is_registered_fails_the_operation(
    world: World, tmp_path: Path, ministack: MiniStack
) -> None:
    more = '[operators]\nlisten = "127.0.0.1:8027"\nsubmit_s3 = ["s3://lists/in"]\n'
    desk = Desk(world, tmp_path, more, EED_RENDERING__S3_ENDPOINT_URL=ministack.endpoint_url)
    s3 = AwsClients(desk.site.settings).submitted()
    s3.create_bucket(Bucket="lists")
    s3.put_object(Bucket="lists", Key="in/a.csv", Body=csv(ROWS_AT_ONCE + 1).encode())
    body = {**JOB, "recipients": {"s3": "s3://lists/in/a.csv"}}
    ids = []
    for key in ("one", "two"):
        answer = desk.site.ask("POST", "/api/v1/jobs", body, role="operator", Idempotency_Key=key)
        assert answer.status_code == 202, answer.text
        assert answer.json is not None
        ids.append(answer.json["id"])
        if key == "one":
            desk.steps.submissions()
    s3.put_object(Bucket="lists", Key="in/a.csv", Body=csv(ROWS_AT_ONCE + 1, "b").encode())
    desk.steps.submissions()
    assert [desk.of(one)["state"] for one in ids] == ["done", "failed"]
    assert "has changed since the request" in desk.of(ids[1])["errors"][0]
    assert desk.jobs() == [("processing", ROWS_AT_ONCE + 1, ROWS_AT_ONCE + 1)]


# --- what a broken off submission leaves -----------------------------------------------------------------------------


def broken_off(desk: Desk, on_the: Callable[..., None]) -> tuple[str, str]:
    """An operation that was stopped behind its second chunk, and its job."""
    act_id = desk.start()
    stop = desk.site.operations.long_acts.stop
    on_the("operations.advanced", 2, lambda: stop(act_id, "wrong file"))
    desk.steps.submissions()
    return act_id, str(desk.world.scalar("SELECT MAX(id) FROM delivery_job"))


def test_what_a_stopped_submission_leaves_is_said_with_the_act_that_ends_it(
    desk: Desk, on_the: Callable[..., None]
) -> None:
    act_id, job = broken_off(desk, on_the)
    desk.site.user("anna")
    browser, here = desk.site.browser(), {"environ_base": {"REMOTE_ADDR": "127.0.0.1"}}
    browser.post("/login", data={"name": "anna", "password": PASSWORD}, **here)
    assert desk.of(act_id)["incomplete_job"] == job
    shown = desk.site.cli.good("operations", "show", act_id)
    assert f"job {job} is not complete" in shown and f"submission discard {job} --reason WHY" in shown
    assert f'href="/submissions/{job}/discard"' in browser.get(f"/operations/{act_id}", **here).text
    assert f'href="/submissions/{job}/discard"' in browser.get("/submissions", **here).text
    asked = browser.get(f"/submissions/{job}/discard", **here)
    assert f"Discard job {job}, which is not complete?" in asked.text
    done = browser.post(f"/submissions/{job}/discard", data={"reason": "wrong file"}, **here)
    assert (done.status_code, done.headers["Location"]) == (303, "/submissions")
    assert desk.jobs() == [("cancelled", 500, 500)]
    assert desk.of(act_id)["incomplete_job"] is None
    assert desk.site.json("GET", "/api/v1/submissions") == {"items": []}
    assert desk.site.cli.good("submission", "list").endswith("there are none\n")


def test_a_job_is_discarded_alike_from_each_surface(desk: Desk, on_the: Callable[..., None]) -> None:
    left = []
    for surface in ("cli", "api"):
        _, job = broken_off(desk, on_the)
        (listed,) = desk.site.json("GET", "/api/v1/submissions")["items"]
        assert listed == {"key": job, "name": "Statements", "operation": None}
        assert desk.site.cli.json("submission", "list") == [listed]
        if surface == "cli":
            desk.site.cli.good("submission", "discard", job, "--reason", "r")
        else:
            body = {"reason": "r"}
            assert desk.site.problem("POST", f"/api/v1/submissions/{job}/discard", body, role="viewer")[0] == 403
            assert desk.site.json("POST", f"/api/v1/submissions/{job}/discard", body, role="operator")["key"] == job
        row = "SELECT surface, object_kind, reason, state_before, state_after FROM eed_audit WHERE act = :act"
        ((by, *facts),) = desk.world.execute(f"{row} AND object_key = :job", act="submission_discard", job=job)
        left.append(facts)
        assert by == surface
        assert desk.world.scalar("SELECT status FROM delivery_job WHERE id = :job", job=int(job)) == "cancelled"
    assert left[0] == left[1]


def test_an_incomplete_job_is_discarded_however_many_are_newer(desk: Desk, on_the: Callable[..., None]) -> None:
    _, job = broken_off(desk, on_the)
    first = int(job) + 1
    for n in range(SHOWN):
        desk.world.add_job([], first + n, status="preparing")
    assert job not in [one["key"] for one in desk.site.json("GET", "/api/v1/submissions")["items"]]
    desk.site.cli.good("submission", "discard", job, "--reason", "r")
    assert desk.world.scalar("SELECT status FROM delivery_job WHERE id = :job", job=int(job)) == "cancelled"


def test_only_what_no_process_completes_is_discarded(desk: Desk, on_the: Callable[..., None]) -> None:
    for key in ("7", "x", "9" * 30):
        assert desk.site.problem("POST", f"/api/v1/submissions/{key}/discard", {"reason": "r"})[0] == 404
    act_id = desk.start()
    told: list[tuple[int, dict[str, Any]]] = []

    def discard() -> None:
        job = desk.world.scalar("SELECT id FROM delivery_job")
        told.append(desk.site.problem("POST", f"/api/v1/submissions/{job}/discard", {"reason": "r"}))

    on_the("operations.advanced", 2, discard)
    desk.steps.submissions()
    ((status, problem),) = told
    assert (status, problem["do"]) == (409, f"Stop it first: eed-delivery operations stop {act_id} --reason WHY")
    job = desk.world.scalar("SELECT id FROM delivery_job")
    assert desk.site.problem("POST", f"/api/v1/submissions/{job}/discard", {"reason": "r"})[0] == 409
    assert desk.jobs() == [("processing", MANY, MANY)]


def test_a_job_that_is_discarded_meanwhile_is_never_released(desk: Desk) -> None:
    submitting, discarded = desk.site.operations.submitting, desk.site.operations.incomplete_jobs

    def seen(place: str) -> None:
        if place == "submit.added":
            (job,) = discarded.all()
            discarded.discard(job.key, "wrong file")

    draft = JobDraft(**JOB)
    failpoints.hook(seen)
    try:
        with (
            desk.site.operations.uploading.checked(UploadedJob(draft, io.BytesIO(csv(3).encode()))) as checked,
            pytest.raises(NotPossible, match="job 1 was discarded") as error,
        ):
            submitting.register(checked.job, checked.sifted)
    finally:
        failpoints.hook(None)
    assert "submission discard 1" in error.value.__notes__[0]
    assert desk.jobs() == [("cancelled", 3, 3)]


# --- on the command line ---------------------------------------------------------------------------------------------


def words(file: Path, *more: str) -> tuple[str, ...]:
    given = ("--name", "Statements", "--sender", "bank@example.com", "--subject", "For {{ recipient_name }}")
    return ("submit", *given, "--text", str(file.with_name("t.txt")), "--recipients", str(file), *more)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """More rows than are registered at once, and one that is bad."""
    (tmp_path / "t.txt").write_text("{{ amount }}")
    found = tmp_path / "r.csv"
    found.write_text(csv(ROWS_AT_ONCE + 1) + "nobody,X,1\n")
    return found


def test_a_long_file_of_the_command_line_is_an_operation_that_it_does_itself(desk: Desk, file: Path) -> None:
    result = desk.site.cli(*words(file, "--skip-refused"))
    assert result.exit_code == 0, result.output
    job = str(desk.world.scalar("SELECT id FROM delivery_job"))
    assert result.stdout == f"{job}\n"
    assert "operations continue" in result.stderr
    assert desk.jobs() == [("processing", ROWS_AT_ONCE + 1, ROWS_AT_ONCE + 1)]
    (act_id,) = (row[0] for row in desk.world.execute("SELECT operation_id FROM eed_operation"))
    told = desk.of(act_id)
    assert (told["state"], told["total"], told["parameters"]) == (
        "done", ROWS_AT_ONCE + 1, {"recipients": "on the command line"}
    )  # fmt: skip
    assert told["result"] == {"job": job, "emails": ROWS_AT_ONCE + 1, "skipped": 1}
    noted = "SELECT act, surface, count FROM eed_audit WHERE operation = :id ORDER BY act_id"
    assert desk.world.execute(noted, id=act_id) == [
        ("operation_start", "cli", None), ("submit", "cli", ROWS_AT_ONCE + 1)
    ]  # fmt: skip
    assert desk.parts() == 0


@pytest.mark.parametrize("by", ["the role", "operations continue"])
def test_a_command_that_is_killed_is_followed_by_another_process(
    desk: Desk, file: Path, on_the: Callable[..., None], by: str
) -> None:
    on_the("operations.advanced", 3, kill)
    with pytest.raises(Killed):
        desk.site.cli(*words(file, "--skip-refused"))
    assert desk.jobs() == [("preparing", 1000, 1000)]
    (act_id,) = (row[0] for row in desk.world.execute("SELECT operation_id FROM eed_operation"))
    (desk.site.cli.files.parent / "r.csv").unlink()
    desk.lapse()
    if by == "the role":
        desk.steps.submissions()
    else:
        job = desk.world.scalar("SELECT id FROM delivery_job")
        assert desk.site.cli.good("operations", "continue", act_id) == f"job {job} is registered\n"
    assert desk.jobs() == [("processing", ROWS_AT_ONCE + 1, ROWS_AT_ONCE + 1)]
    recipients = desk.world.execute("SELECT recipient FROM delivery_email ORDER BY id")
    assert recipients == [(f"a{n}@example.com",) for n in range(ROWS_AT_ONCE + 1)]


def test_a_stopped_command_says_what_it_leaves(desk: Desk, file: Path, on_the: Callable[..., None]) -> None:
    def stop() -> None:
        (act_id,) = (row[0] for row in desk.world.execute("SELECT operation_id FROM eed_operation"))
        desk.site.operations.long_acts.stop(act_id, "wrong file")

    on_the("operations.advanced", 2, stop)
    result = desk.site.cli(*words(file, "--skip-refused"))
    assert (result.exit_code, result.stdout) == (1, "")
    assert "a person has stopped it" in result.stderr
    assert "submission discard 1 --reason WHY" in result.stderr
    assert desk.jobs() == [("preparing", 500, 500)]


# --- send windows ----------------------------------------------------------------------------------------------------


NIGHT = """
[source.job]
channel = "channel"
[send_windows]
open = [{ days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], from = "00:00", to = "24:00", zone = "UTC" }]
excluded = [%s]
"""


@pytest.mark.parametrize(("hours", "unsent"), [(20, True), (24 * 40, False)])
def test_a_job_that_expires_before_its_window_opens_is_said_to_expire_unsent(
    world: World, tmp_path: Path, hours: int, unsent: bool
) -> None:
    today = datetime.now(UTC)
    shut = ", ".join(f'"{today + timedelta(days=days):%Y-%m-%d}"' for days in range(-1, 4))
    desk = Desk(world, tmp_path, NIGHT % shut)
    expires = f"{today + timedelta(hours=hours):%Y-%m-%dT%H:%M:%SZ}"
    answer = submit(desk.site, csv(2), job={**JOB, "expires": expires})
    assert answer.status_code == 201, answer.text
    assert answer.json is not None
    told = " ".join(answer.json["notes"])
    assert ("It will expire unsent at" in told and "opens at" in told) == unsent
    long = submit(desk.site, csv(ROWS_AT_ONCE + 1), key="two", job={**JOB, "expires": expires})
    assert long.json is not None
    assert ("expire unsent" in long.json["parameters"].get("note", "")) == unsent
    (tmp_path / "r.csv").write_text(csv(2))
    (tmp_path / "t.txt").write_text("{{ amount }}")
    result = desk.site.cli(*words(tmp_path / "r.csv", "--expires", expires, "--dry-run"))
    assert ("warning: It will expire unsent" in result.stderr) == unsent, result.output
