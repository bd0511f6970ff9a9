"""A rehearsal of a job on its live rows: what it finds, that it writes and sends nothing, and how it is cut off."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from werkzeug.test import TestResponse

from eed_delivery.operations.rehearsing import work
from eed_delivery.operations.rehearsing.orders import RehearsalRequest
from eed_delivery.runtime import failpoints
from tests.operators_site import Site
from tests.rehearsing import Stage
from tests.world import World

pytestmark = pytest.mark.also_on_sqlite


class Killed(BaseException):
    """As kill -9 leaves it, within one process."""


@pytest.fixture
def stage(world: World, tmp_path: Path) -> Stage:
    return Stage(world, tmp_path)


@pytest.fixture
def killed_at(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, int], None]]:
    """Die when a failpoint is reached for the nth time. Pages are short, so that there are several."""
    monkeypatch.setattr(work, "PAGE", 4)

    def at(place: str, nth: int) -> None:
        left = iter(range(nth - 1, -1, -1))

        def reached(name: str) -> None:
            if name == place and next(left) == 0:
                failpoints.hook(None)
                raise Killed

        failpoints.hook(reached)

    yield at
    failpoints.hook(None)


def post(site: Site, path: str, **fields: str) -> TestResponse:
    media = "application/x-www-form-urlencoded"
    return site.ask("POST", path, urlencode(fields), media=media, role="operator")


def kinds(found: dict[str, Any]) -> dict[str, tuple[int, list[str]]]:
    return {one["kind"]: (one["count"], one["keys"]) for one in found["findings"]}


def test_a_clean_job_is_clean_and_nothing_is_written_or_sent(stage: Stage) -> None:
    ids = stage.job(9)
    for n in ids:
        stage.attach(n, f"s{n}.txt", f"statement {n}")
    stage.attach(None, "terms.txt", "the same for all")
    before = stage.everything()
    found = stage.rehearse()
    assert stage.everything() == before
    assert not stage.site.cli.emails.exists()
    assert (found["verdict"], found["whole"], found["findings"]) == ("clean", True, [])
    assert (found["emails"], found["looked_at"], found["rendered"]) == (9, 9, 9)
    whys = {why: one["key"] for one in found["samples"] for why in one["why"].split(", ")}
    assert whys["html template line 1 (if)"] == str(ids[3])
    assert stage.world.scalar("SELECT COUNT(*) FROM eed_rehearsal_part") == 0
    assert stage.world.scalar("SELECT COUNT(*) FROM eed_rehearsal_lock") == 0
    again = stage.rehearse()
    assert again["digest"] == found["digest"]
    listed = stage.site.json("GET", "/api/v1/jobs/1/rehearsals")["items"]
    assert {one["operation"] for one in listed} == {found["operation"], again["operation"]}


def test_each_bad_row_among_many_is_named(stage: Stage) -> None:
    ids = stage.job(20)
    stage.variables(ids[1], name="", balance=1)
    stage.variables(ids[2], name="C", balance=None)
    stage.variables(ids[4], name="C", balance="{{ balance }}")
    stage.world.execute("UPDATE delivery_email SET recipient = 'nobody' WHERE id = :id", id=ids[5])
    stage.world.execute("UPDATE delivery_email SET recipient = 'C7@EXAMPLE.com' WHERE id = :id", id=ids[6])
    stage.attach(ids[8], "a.txt", "one statement")
    stage.attach(ids[9], "b.txt", "one statement")
    stage.attach(ids[10], "c.txt", "gone")
    (stage.site.cli.files / "c.txt").unlink()
    stage.site.cli.good("suppression", "add", "c11@example.com", "--reason", "asked for it")
    found = stage.rehearse()
    assert found["verdict"] == "findings"
    assert (found["looked_at"], found["rendered"]) == (20, 18)
    named = {kind: keys for kind, (_, keys) in kinds(found).items() if kind != "not_rendered"}
    assert named == {
        "same_file": [str(ids[8]), str(ids[9])],
        "placeholder": [str(ids[4])],
        "empty_greeting": [str(ids[1])],
        "empty_value": [str(ids[2])],
        "duplicate_recipient": [str(ids[6]), str(ids[7])],
        "suppressed": [str(ids[11])],
    }
    failing = {key for one in found["findings"] if one["kind"] == "not_rendered" for key in one["keys"]}
    assert failing == {str(ids[5]), str(ids[10])}
    assert {one["severity"] for one in found["findings"]} == {"red", "fails", "look"}
    assert "example.com" not in json.dumps(found["findings"])


def test_it_is_the_same_on_several_processes(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "PAGE", 3)
    ids = stage.job(20)
    stage.attach(None, "terms.txt", "the same for all")
    for n in ids:
        stage.attach(n, f"s{n}.txt", f"statement {n}")
    stage.variables(ids[13], name="", balance=1)
    one = stage.rehearse()
    assert list(kinds(one)) == ["empty_greeting"]
    act = stage.site.operations.rehearsal_orders.start(RehearsalRequest("1", processes=3)).id
    stage.steps.rehearsals()
    three = stage.of(act)
    assert [one[name] for name in ("digest", "findings", "samples")] == [
        three[name] for name in ("digest", "findings", "samples")
    ]


@pytest.mark.parametrize(
    ("place", "nth"), [("operations.taken", 1), ("operations.chunk", 2), ("operations.advanced", 3)]
)
def test_a_process_that_is_killed_is_followed_by_one_that_goes_on(
    stage: Stage, killed_at: Callable[[str, int], None], place: str, nth: int
) -> None:
    stage.job(14)
    whole = stage.rehearse()
    act = stage.start()
    killed_at(place, nth)
    with pytest.raises(Killed):
        stage.steps.rehearsals()
    stage.lapse()
    seen = stage.world.scalar("SELECT COUNT(*) FROM eed_rehearsal_part WHERE number > 0")
    stage.steps.rehearsals()
    found = stage.of(act)
    assert (found["looked_at"], found["digest"], found["verdict"]) == (14, whole["digest"], "clean")
    assert seen == {"operations.taken": 0, "operations.chunk": 1, "operations.advanced": 3}[place]


def test_kill_minus_nine_at_each_step_loses_nothing_and_changes_nothing(stage: Stage) -> None:
    """Real processes, each killed at another step, as those of several hosts that follow each other."""
    ids = stage.job(3 * work.PAGE)
    stage.variables(ids[-1], name="", balance=1)
    before, act = stage.everything(), stage.start()
    for place, seen in (("operations.taken", 0), ("operations.chunk=kill@2", 1), ("operations.advanced", 2)):
        assert killed_process(stage, place if "=" in place else f"{place}=kill") == -signal.SIGKILL
        assert stage.world.scalar("SELECT COUNT(*) FROM eed_rehearsal_part WHERE number > 0") == seen, place
        stage.lapse()
    stage.steps.rehearsals()
    found = stage.of(act)
    assert (found["looked_at"], found["rendered"], found["verdict"]) == (len(ids), len(ids), "findings")
    assert kinds(found) == {"empty_greeting": (1, [str(ids[-1])])}
    four = stage.site.operations.rehearsal_orders.start(RehearsalRequest("1", processes=4)).id
    stage.steps.rehearsals()
    assert stage.of(four)["digest"] == found["digest"]
    assert stage.everything() == before


def killed_process(stage: Stage, place: str) -> int:
    """How a process ended that does rehearsals, and dies at this place."""
    environ = {**os.environ, **stage.site.cli.environ, failpoints.VARIABLE: place}
    command = [sys.executable, "-m", "tests.rehearsing", str(stage.site.cli.config)]
    return subprocess.run(command, env=environ, timeout=300, check=False, start_new_session=True).returncode


def test_a_second_one_at_once_is_refused(stage: Stage) -> None:
    stage.job(2)
    stage.job(2, job_id=2)
    path, body = "/api/v1/jobs/1/rehearsals", {"processes": 1}
    answer = stage.site.ask("POST", path, body, Idempotency_Key="a")
    assert answer.status_code == 202, answer.text
    assert stage.site.problem("POST", path, body)[0] == 428  # no Idempotency-Key
    status, problem = stage.site.problem("POST", path, body, Idempotency_Key="b")
    assert (status, problem["type"].rpartition(":")[2]) == (409, "wrong_state")
    assert stage.start("2")
    stage.site.json("POST", f"/api/v1/operations/{answer.json['id']}/stop", {"reason": "enough"})  # type: ignore[index]
    assert stage.start("1")
    viewer = stage.site.token("viewer")
    assert stage.site.problem("POST", path, body, token=viewer, Idempotency_Key="c")[0] == 403
    acts = stage.world.execute("SELECT surface FROM eed_audit WHERE act = 'operation_start' ORDER BY act_id")
    assert acts[0] == ("api",)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("UPDATE delivery_job SET html_template = 'other' WHERE id = 1", "what its emails share"),
        ("DELETE FROM delivery_email WHERE id = 1000", "are not sent yet now"),
        ("UPDATE delivery_email SET status = 'sent' WHERE id = 1001", "are not sent yet now"),
    ],
)
def test_a_job_that_changes_meanwhile_makes_it_incomplete(
    stage: Stage, killed_at: Callable[[str, int], None], change: str, why: str
) -> None:
    stage.job(14)
    act = stage.start()
    killed_at("operations.advanced", 2)
    with pytest.raises(Killed):
        stage.steps.rehearsals()
    stage.world.execute(change)
    stage.lapse()
    stage.steps.rehearsals()
    found = stage.of(act)
    assert found["verdict"] == "incomplete"
    assert why in found["changes"][0]


def test_the_command_line_rehearses_a_part_and_keeps_samples(stage: Stage, tmp_path: Path) -> None:
    stage.job(10)
    kept = tmp_path / "samples"
    told = stage.site.cli("rehearse", "1", "--every", "3", "--sample", "1", "--processes", "1", "--keep", str(kept))
    assert told.exit_code == 1, told.output
    assert told.stdout.startswith("PARTIAL: 4 of 10 emails were looked at, 4 can be rendered, ")
    files = sorted(kept.iterdir())
    assert files
    assert all(file.stat().st_mode & 0o777 == 0o600 for file in files)
    content = (kept / "1003.eml").read_bytes()
    assert b"You are a premium customer" in content
    assert stage.world.scalar("SELECT COUNT(*) FROM eed_audit WHERE act = 'preview'") == len(files)
    stage.variables(1000, name="{{", balance=1)
    told = stage.site.cli("rehearse", "1", "--first", "2", "--processes", "1")
    assert told.exit_code == 1
    assert re.search(r"look +1 +\{\{ is left in the text +1000", told.stdout), told.stdout
    assert stage.site.cli("rehearse", "9").exit_code == 1


def test_samples_are_fetched_by_those_who_may_see_content(stage: Stage) -> None:
    stage.job(3)
    found = stage.rehearse()
    path = f"/api/v1/rehearsals/{found['operation']}/samples/{found['samples'][0]['key']}"
    assert stage.site.problem("GET", path, token=stage.site.token("viewer"))[0] == 403
    token = stage.site.token("viewer", "view", "see_content", name="support")
    answer = stage.site.ask("GET", path, token=token)
    assert (answer.status_code, answer.mimetype) == (200, "message/rfc822")
    assert b"Balance: " in answer.data
    assert stage.site.problem("GET", f"/api/v1/rehearsals/{found['operation']}/samples/9", token=token)[0] == 404


def test_it_waits_for_live_emails_unless_it_is_told_not_to(stage: Stage) -> None:
    stage.job(2)
    stage.world.add_job(["a@example.com"], job_id=7)
    stage.world.enlist(7)
    act = stage.start()
    operation = stage.site.operations.long_acts.view(act)
    stage.world.execute("UPDATE eed_operation SET state = 'running'")
    assert stage.site.operations.rehearsal_results.waits(stage.site.operations.long_acts.view(act))
    stage.world.execute("UPDATE eed_job SET state = 'paused' WHERE job_id = 7")
    assert not stage.site.operations.rehearsal_results.waits(stage.site.operations.long_acts.view(act))
    stage.world.execute("UPDATE eed_job SET state = 'active' WHERE job_id = 7")
    stage.site.operations.long_acts.stop(operation.id, "enough")
    assert stage.rehearse(beside_live=True)["verdict"] == "clean"


def test_one_that_waits_holds_up_no_other_and_goes_on_where_it_was(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "PAGE", 4)
    stage.job(10)
    stage.job(2, job_id=2)
    waits = stage.start()
    failpoints.hook(lambda name: live(stage) if name == "operations.advanced" else None)
    try:
        assert stage.steps.rehearsals() > 0  # live emails came after its first page
    finally:
        failpoints.hook(None)
    begun = stage.site.operations.long_acts.view(waits)
    assert 0 < begun.done < 10
    for _ in range(work_tries := 8):  # more often than an act may break off
        assert stage.steps.rehearsals() > 0
    assert stage.site.operations.rehearsal_results.waits(stage.site.operations.long_acts.view(waits))
    beside = stage.start("2", beside_live=True)
    for _ in range(2):
        stage.steps.rehearsals()
    assert stage.of(beside)["verdict"] == "clean"
    stage.world.execute("UPDATE eed_job SET state = 'paused' WHERE job_id = 7")
    stage.steps.rehearsals()
    found = stage.of(waits)
    assert (found["verdict"], found["looked_at"]) == ("clean", 10)
    assert stage.site.operations.long_acts.view(waits).tries < work_tries


def live(stage: Stage) -> None:
    """Emails of another job are to leave."""
    failpoints.hook(None)
    stage.world.add_job(["a@example.com"], job_id=7)
    stage.world.enlist(7)


def test_what_cannot_be_rehearsed_is_refused(stage: Stage) -> None:
    stage.job(0)
    path = "/api/v1/jobs/{}/rehearsals"
    assert stage.site.problem("POST", path.format("9"), {}, Idempotency_Key="a")[0] in (404, 409)
    assert stage.site.problem("POST", path.format("x"), {}, Idempotency_Key="b")[0] == 404
    assert stage.site.problem("POST", path.format("1"), {}, Idempotency_Key="c")[0] == 409
    assert stage.site.problem("POST", path.format("1"), {"every": 0}, Idempotency_Key="d")[0] == 422


def test_the_pages_order_it_and_show_what_it_came_to(stage: Stage) -> None:
    ids = stage.job(3)
    stage.variables(ids[1], name="", balance=1)
    stage.world.execute("UPDATE delivery_job SET status = 'processing'")
    stage.world.enlist()
    site = stage.site
    assert "/jobs/1/rehearse" in site.ask("GET", "/jobs/1", role="operator").text
    assert "/jobs/1/rehearse" not in site.ask("GET", "/jobs/1", role="viewer").text
    assert "Rehearse job 1?" in site.ask("GET", "/jobs/1/rehearse", role="operator").text
    assert post(site, "/jobs/1/rehearse", first="x").status_code == 422
    assert stage.world.scalar("SELECT COUNT(*) FROM eed_operation") == 0
    begun = post(site, "/jobs/1/rehearse", every="1")
    assert begun.status_code == 303, begun.text
    stage.steps.rehearsals()
    shown = site.ask("GET", begun.headers["Location"].partition("?")[0], role="viewer").text
    assert "FINDINGS" in shown
    found = site.ask("GET", re.findall(r'"(/rehearsals/[0-9a-f]{16})"', shown)[0], role="viewer").text
    assert ">Dear ,<" in found
    assert ">1001<" in found
