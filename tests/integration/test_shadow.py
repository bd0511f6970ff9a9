"""Shadow mode beside a stand-in of the old server: what it finds, and that it writes and sends nothing."""

import mailbox
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

from eed_delivery.app.long_acts import long_act_steps
from eed_delivery.operations.long_acts.runner import IDLE_SECONDS, MOST_TRIES
from eed_delivery.operations.refusals import OperationRefused, UnknownKey
from eed_delivery.operations.shadowing import pages, scanning
from eed_delivery.operations.shadowing.orders import ShadowRuns
from eed_delivery.runtime import failpoints
from tests.old_server import FAULTS
from tests.shadowing import ShadowStage, no_mail
from tests.world import World

pytestmark = pytest.mark.also_on_sqlite


@pytest.fixture
def stage(world: World, tmp_path: Path) -> ShadowStage:
    return ShadowStage(world, tmp_path)


def test_emails_that_are_the_same_are_the_same_and_nothing_is_written_or_sent(stage: ShadowStage) -> None:
    stage.old.prepare(12)
    operation = stage.start()
    stage.old.take(1)
    stage.follow(1)
    assert [job.state for job in stage.view(operation).jobs] == ["followed"]
    stage.old.run(1)
    before = stage.everything()
    with no_mail() as tried:
        stage.follow()
    found = stage.view(operation)
    assert [(one.what, one.email) for one in found.groups] == []
    assert (found.counts.same, found.counts.emails, found.stray_copies) == (12, 12, 0)
    assert [job.state for job in found.jobs] == ["done"]
    assert tried == []
    assert stage.everything() == before
    assert not stage.site.cli.emails.exists()


def test_each_fault_of_the_old_server_is_found(stage: ShadowStage) -> None:
    keys = stage.old.prepare(60)
    for number, fault in enumerate(FAULTS):
        stage.old.faults[keys[3 * number + 1]] = fault
    suppressed = next(key for key, fault in stage.old.faults.items() if fault.name == "missing suppression")
    stage.site.cli.good("suppression", "add", f"c{suppressed}@example.com", "--reason", "asked for it")
    operation = stage.start()
    stage.old.run(1)
    stage.follow()
    results = stage.site.operations.shadow_results
    found = {int(one.key): one for one in results.emails(operation, limit=200)}
    missed = {
        fault.name: found.get(key)
        for key, fault in stage.old.faults.items()
        if key not in found
        or found[key].verdict != fault.verdict
        or fault.field not in {field for field, _ in found[key].differences}
    }
    assert missed == {}
    assert found.keys() == stage.old.faults.keys()
    assert stage.view(operation).counts.same == 40


class Crash(Exception):
    """Of the old server."""


def crash_at(key: int) -> Callable[[int], None]:
    """Of the old server, before it sends this email."""

    def before(sent: int) -> None:
        if sent == key:
            raise Crash

    return before


class Killed(BaseException):
    """As kill -9 leaves it, within one process."""


@pytest.fixture
def killed_at(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, int], None]]:
    """Die when a failpoint is reached for the nth time. Pages and chunks are short, so that there are several."""
    monkeypatch.setattr(pages, "PAGE", 5)
    monkeypatch.setattr(scanning, "COPIES_AT_ONCE", 6)

    def at(place: str, nth: int) -> None:
        left = iter(range(nth - 1, -1, -1))

        def reached(name: str) -> None:
            if name == place and next(left) == 0:
                failpoints.hook(None)
                raise Killed

        failpoints.hook(reached)

    yield at
    failpoints.hook(None)


@pytest.mark.parametrize("place", ["operations.taken", "operations.chunk", "operations.advanced"])
def test_a_process_that_is_killed_at_any_step_is_followed_by_one_that_goes_on(
    stage: ShadowStage, killed_at: Callable[[str, int], None], place: str
) -> None:
    keys = stage.old.prepare(12)
    stage.old.faults = {keys[3]: FAULTS[0], keys[8]: FAULTS[9]}
    stage.old.run(1)
    quiet = stage.start("1")
    stage.follow(1)
    whole = stage.view(quiet)
    assert (whole.state, whole.counts.same, whole.counts.differs) == ("done", 10, 2)
    nth, died = 0, True
    while died:
        nth, died = nth + 1, False
        operation = stage.start("1")
        killed_at(place, nth)
        try:
            stage.steps.shadows()
        except Killed:
            died = True
        failpoints.hook(None)
        stage.lapse()
        while stage.view(operation).state == "running":
            stage.steps.shadows()
        found = stage.view(operation)
        assert (found.digest, found.counts) == (whole.digest, whole.counts), (place, nth)
    assert nth > (1 if place == "operations.taken" else 8)


def test_of_two_hosts_one_follows_and_the_other_waits(world: World, tmp_path: Path) -> None:
    stage = ShadowStage(world, tmp_path)
    stage.old.prepare(4)
    operation = stage.start()
    other = long_act_steps(stage.site.settings, world.database).shadows
    waited = []

    def both(name: str) -> None:
        if name == "operations.advanced":  # between two chunks: SQLite has one writer
            failpoints.hook(None)
            waited.append(other())

    stage.old.run(1)
    failpoints.hook(both)
    stage.follow()
    failpoints.hook(None)
    assert waited == [IDLE_SECONDS]
    assert stage.view(operation).counts.same == 4


def test_a_second_comparison_and_senders_are_refused(stage: ShadowStage) -> None:
    first = stage.start()
    with pytest.raises(ShadowRuns, match=first):
        stage.start()
    stage.site.operations.long_acts.stop(first, "enough")
    with pytest.raises(UnknownKey):
        stage.start("77")
    stage.world.execute(
        "INSERT INTO eed_worker (worker_id, host, role, sending, started_at, heartbeat_at)"
        f" VALUES ('p', 'h', 'publisher', 0, {stage.world.now}, {stage.world.now})"
    )
    with pytest.raises(OperationRefused, match="publisher"):
        stage.start()
    stage.world.execute("DELETE FROM eed_worker")
    going_on = stage.start()
    stage.world.execute(
        "INSERT INTO eed_worker (worker_id, host, role, sending, started_at, heartbeat_at)"
        f" VALUES ('p', 'h', 'worker', 1, {stage.world.now}, {stage.world.now})"
    )
    stage.follow(1)
    assert stage.view(going_on).state == "failed"
    assert "worker" in stage.view(going_on).errors[0]


def test_a_job_that_stands_still_is_compared_as_it_stands(stage: ShadowStage) -> None:
    keys = stage.old.prepare(8)
    stage.old.before = crash_at(keys[5])
    operation = stage.start()
    with pytest.raises(Crash):
        stage.old.run(1)
    stage.follow()
    assert [(job.state, job.unsent) for job in stage.view(operation).jobs] == [("followed", 3)]
    stage.world.execute("UPDATE eed_shadow_job SET moved_at = '2001-01-01 00:00:00.000000'")
    stage.follow()
    found = stage.view(operation)
    assert (found.counts.same, found.counts.only_new, found.jobs[0].state) == (5, 3, "done")


def test_it_ends_after_its_days(stage: ShadowStage) -> None:
    stage.old.prepare(2, job=1)
    stage.old.prepare(3, job=2)
    operation = stage.start()
    stage.old.run(1)
    stage.old.take(2)
    stage.follow()
    stage.world.execute("UPDATE eed_shadow SET made_at = '2001-01-01 00:00:00.000000'")
    stage.follow()
    found = stage.view(operation)
    assert found.state == "done"
    assert {job.key: (job.state, job.counts.emails) for job in found.jobs} == {"1": ("done", 2), "2": ("left", 0)}


def test_what_is_accepted_is_counted_by_its_name(stage: ShadowStage) -> None:
    keys = stage.old.prepare(6)
    wrong_subject = next(one for one in FAULTS if one.name == "wrong subject")
    missing = next(one for one in FAULTS if one.name == "missing attachment")
    stage.old.faults = {keys[1]: wrong_subject, keys[2]: wrong_subject, keys[4]: missing}
    stage.old.run(1)
    cli, operation = stage.site.cli, stage.start("1")
    stage.follow(1)
    assert "3 differs" in cli("shadow", "report").output
    accept = ("shadow", "accept", "subject", "--field", "subject", "--reason", "it is new", "--pattern")
    assert "regular expression" in cli.refused(*accept, "(")
    cli.good(*accept, "^subject: old")
    assert "Choose another name" in cli.refused(*accept, "again")
    found = stage.view(operation)
    assert (found.counts.accepted, found.counts.differs, found.accepted) == (2, 1, {"subject": 2})
    assert cli("shadow", "report").exit_code == 1
    cli.good("shadow", "accept", "file", "--field", "attachment", "--pattern", "pdf", "--reason", "not any more")
    assert "3 same, 3 accepted" in cli.good("shadow", "report")
    assert {one["name"] for one in cli.json("shadow", "accepted")} == {"subject", "file"}
    cli.good("shadow", "revoke", "file", "--reason", "it is")
    assert stage.view(operation).counts.differs == 1
    cli.refused("shadow", "revoke", "file", "--reason", "again")


def test_commands_show_it_and_both_messages(stage: ShadowStage, tmp_path: Path) -> None:
    keys = stage.old.prepare(5)
    stage.old.faults = {keys[2]: FAULTS[0]}
    stage.old.run(1)
    cli = stage.site.cli
    cli.refused("shadow", "report")
    operation = cli.json("shadow", "start", "--job", "1")["operation"]
    cli.good("shadow", "follow")
    assert [one["operation"] for one in cli.json("shadow", "list")] == [operation]
    assert cli.json("shadow", "status")["counts"]["same"] == 4
    assert cli.json("shadow", "status", operation)["jobs"][0]["state"] == "done"
    assert "another content" in cli.good("shadow", "differences")
    assert [one["key"] for one in cli.json("shadow", "differences", "--job", "1")] == [str(keys[2])]
    shown = cli.good("shadow", "show", str(keys[2]), "--keep", str(tmp_path / "both"))
    assert "another content" in shown
    old, new = ((tmp_path / "both" / f"{keys[2]}.{side}.eml").read_bytes() for side in ("old", "new"))
    assert b"X-Mailer: Old Server" in old
    assert b"<rehearsal@mail.example.com>" in new
    assert stage.world.scalar("SELECT COUNT(*) FROM eed_audit WHERE act = 'preview'") == 1
    cli.refused("shadow", "show", str(keys[1]))
    assert f"c{keys[2]}@" not in cli.good("shadow", "differences") + cli.good("shadow", "differences", "--emails")


def test_the_api_and_the_pages_show_and_accept(stage: ShadowStage) -> None:
    keys = stage.old.prepare(6)
    stage.old.faults = {keys[1]: FAULTS[9], keys[3]: FAULTS[2], keys[4]: FAULTS[7]}
    stage.old.run(1)
    site = stage.site
    assert site.problem("POST", "/api/v1/shadows", {"jobs": ["1"]})[0] == 428
    begun = site.ask("POST", "/api/v1/shadows", {"jobs": ["1"]}, Idempotency_Key="a", role="operator")
    assert begun.status_code == 202, begun.text
    operation = begun.json["id"]  # type: ignore[index]
    assert site.problem("POST", "/api/v1/shadows", {}, Idempotency_Key="b")[0] == 409
    stage.follow(1)
    found = site.json("GET", f"/api/v1/shadows/{operation}")
    assert (found["state"], found["counts"]["same"], found["counts"]["only_new"]) == ("done", 3, 1)
    assert [one["operation"] for one in site.json("GET", "/api/v1/shadows")["items"]] == [operation]
    first = site.json("GET", f"/api/v1/shadows/{operation}/emails?limit=2")
    rest = site.json("GET", first["next"])
    assert [one["key"] for one in (*first["items"], *rest["items"])] == [str(keys[n]) for n in (1, 3, 4)]
    one = site.json("GET", f"/api/v1/shadows/{operation}/emails/{keys[1]}")
    assert [difference["field"] for difference in one["differences"]] == ["subject"]
    message = f"/api/v1/shadows/{operation}/messages"
    sees = site.token("operator", "view", "see_content")
    assert b"X-Mailer: Old" in site.ask("GET", f"{message}/old/{keys[1]}", token=sees).data
    assert b"rehearsal@" in site.ask("GET", f"{message}/new/{keys[1]}", token=sees).data
    assert site.problem("GET", f"{message}/old/{keys[4]}", token=sees)[0] == 404
    assert site.ask("GET", f"{message}/old/{keys[1]}", role="viewer").status_code == 403
    body = {"name": "subject", "field": "subject", "pattern": "old", "reason": "it is new"}
    assert site.ask("POST", "/api/v1/shadow-acceptances", body, role="viewer").status_code == 403
    assert site.json("POST", "/api/v1/shadow-acceptances", body)["items"][0]["name"] == "subject"
    assert site.json("GET", f"/api/v1/shadows/{operation}")["accepted"] == {"subject": 1}
    page = site.ask("GET", f"/shadows/{operation}").text
    assert "only we attach *.pdf" in page
    assert str(keys[3]) in page
    assert "it is new" in site.ask("GET", "/shadows").text
    assert f"/shadows/{operation}" in site.ask("GET", f"/operations/{operation}").text
    revoked = site.json("POST", "/api/v1/shadow-acceptances/subject/revoke", {"reason": "an error"})
    assert revoked["items"] == []


def test_the_pages_begin_and_accept(stage: ShadowStage) -> None:
    stage.old.prepare(1)
    site = stage.site
    form = {"media": "application/x-www-form-urlencoded", "role": "operator"}

    def post(path: str, **fields: str) -> str:
        answer = site.ask("POST", path, urlencode(fields), **form)
        assert answer.status_code in (200, 303), answer.text
        return answer.headers.get("Location", "")

    for path in ("/shadows/start", "/shadow-acceptances/accept"):
        assert site.ask("GET", path, role="operator").status_code == 200
        assert site.ask("GET", path, role="viewer").status_code == 403
    assert "/shadows/" in post("/shadows/start", days="2", job="")
    accept = {"name": "footer", "field": "html", "pattern": "Sent", "reason": "it is new"}
    post("/shadow-acceptances/accept", **accept)
    assert "footer" in site.ask("GET", "/shadows").text
    post("/shadow-acceptances/footer/revoke", reason="no more")
    assert site.operations.shadow_acceptances.list_all() == []


def test_it_waits_while_copies_cannot_be_read_and_goes_on(stage: ShadowStage) -> None:
    stage.old.prepare(4)
    operation = stage.start()
    stage.old.run(1)
    away = stage.copies.rename(stage.copies.with_name("away"))
    for _ in range(MOST_TRIES + 2):
        stage.follow(1)
    found = stage.view(operation)
    assert (found.state, found.counts.emails) == ("running", 0)
    assert "cannot be read" in found.waits
    assert "cannot be read" in stage.site.cli.good("shadow", "status")
    away.rename(stage.copies)
    stage.follow(2)
    found = stage.view(operation)
    assert (found.counts.same, found.waits) == (4, "")


def test_kills_while_nothing_is_to_be_done_add_up_to_nothing(
    stage: ShadowStage, killed_at: Callable[[str, int], None]
) -> None:
    stage.old.prepare(2)
    operation = stage.start()
    for _ in range(MOST_TRIES + 2):
        killed_at("operations.taken", 1)
        with pytest.raises(Killed):
            stage.steps.shadows()
        stage.lapse()
        stage.follow(1)
    stage.old.run(1)
    stage.follow()
    assert (stage.view(operation).counts.same, stage.view(operation).errors) == (2, ())


def copied(stage: ShadowStage) -> dict[str, bytes]:
    """The copies, by key."""
    return {path.stem: path.read_bytes() for path in sorted(stage.copies.glob("*.eml"))}


def as_mbox(copies: dict[str, bytes], path: Path) -> None:
    box = mailbox.mbox(path)
    for key, content in copies.items():
        box.add(f"X-Row: {key}\n".encode() + content.replace(b"\r\n", b"\n"))
    box.close()


def as_maildir(copies: dict[str, bytes], path: Path) -> None:
    box = mailbox.Maildir(path)
    for content in copies.values():
        box.add(content)
    box.close()


def beside(stage: ShadowStage, directory: Path, more: str = "", copies: str = "") -> ShadowStage:
    """Another site on the same tables and files."""
    directory.mkdir()
    second = ShadowStage(stage.world, directory, more, copies=copies)
    shutil.copytree(stage.site.cli.files, second.site.cli.files, dirs_exist_ok=True)
    return second


@pytest.mark.parametrize(
    ("kind", "key", "make"), [("mbox", "header:X-Row", as_mbox), ("maildir", "message_id", as_maildir)]
)
def test_copies_are_found_in_a_mailbox(
    world: World, tmp_path: Path, kind: str, key: str, make: Callable[[dict[str, bytes], Path], None]
) -> None:
    stage = ShadowStage(world, tmp_path)
    keys = stage.old.prepare(5)
    stage.old.faults = {keys[2]: FAULTS[2], keys[3]: FAULTS[9]}
    stage.old.run(1)
    make(copied(stage), tmp_path / "box")
    copies = f'[{{ path = "{tmp_path / "box"}", kind = "{kind}", key = "{key}" }}]'
    second = beside(stage, tmp_path / "second", copies=copies)
    if kind == "mbox":
        os.utime(tmp_path / "box", (1e9, 1e9))
    operation = second.start("1")
    second.follow(1)
    found = second.view(operation)
    assert (found.counts.same, found.counts.differs, found.stray_copies) == (3, 2, 0)
    assert {one.field for one in found.groups} == {"attachment", "subject"}
    assert second.site.operations.shadow_results.messages(operation, str(keys[3])).theirs is not None


def test_copies_are_found_in_a_column(world: World, tmp_path: Path) -> None:
    stage = ShadowStage(world, tmp_path)
    keys = stage.old.prepare(4)
    stage.old.faults = {keys[1]: FAULTS[9]}
    stage.old.run(1)
    column = "BLOB" if world.database.dialect == "sqlite" else "MEDIUMBLOB"
    world.execute(f"ALTER TABLE delivery_email ADD COLUMN sent_copy {column}")
    for key, content in copied(stage).items():
        world.execute("UPDATE delivery_email SET sent_copy = :it WHERE id = :id", it=content, id=int(key))
    second = beside(stage, tmp_path / "second", 'copy_column = "sent_copy"', "[]")
    operation = second.start("1")
    second.follow(1)
    found = second.view(operation)
    assert (found.counts.same, [one.field for one in found.groups]) == (3, ["subject"])


def test_statuses_alone_are_compared_where_there_are_no_copies(world: World, tmp_path: Path) -> None:
    stage = ShadowStage(world, tmp_path, copies="[]")
    keys = stage.old.prepare(4)
    stage.old.faults = {keys[0]: FAULTS[9], keys[1]: FAULTS[7]}
    stage.old.run(1)
    operation = stage.start("1")
    stage.follow(1)
    assert (stage.view(operation).counts.same, stage.view(operation).counts.only_new) == (3, 1)


def test_copies_that_were_moved_are_not_taken_for_a_second_email(stage: ShadowStage) -> None:
    """The comparison of job 1 finds a copy of job 2, which is somewhere else when that is compared."""
    stage.old.prepare(4)
    first, second = stage.old.prepare(2, job=2)
    operation = stage.start()
    stage.old.before = crash_at(second)
    with pytest.raises(Crash):
        stage.old.run(2)
    stage.old.before = lambda _: None
    stage.old.run(1)
    stage.follow()
    assert stage.view(operation).counts.same == 4
    (stage.copies / "archive").mkdir()
    (stage.copies / f"{first}.eml").rename(stage.copies / "archive" / f"{first}.eml")
    stage.old.run(2)
    stage.follow()
    assert stage.world.scalar(f"SELECT COUNT(*) FROM eed_shadow_copy WHERE match_key = '{first}'") == 2
    found = stage.view(operation)
    assert (found.counts.same, found.counts.emails) == (6, 6)


def test_what_a_comparison_leaves_is_cleaned(stage: ShadowStage) -> None:
    keys = stage.old.prepare(5)
    stage.old.faults = {keys[1]: FAULTS[0]}
    stage.old.run(1)
    operation = stage.start("1")
    stage.follow(1)
    count = "SELECT COUNT(*) FROM eed_shadow_copy"
    assert stage.world.scalar(count) == 5
    stage.steps.over()
    assert stage.world.scalar(count) == 1
    assert stage.site.operations.shadow_results.messages(operation, str(keys[1])).theirs is not None
    stage.world.execute("UPDATE eed_shadow SET made_at = '2001-01-01 00:00:00.000000'")
    stage.steps.over()
    for table in ("eed_shadow", "eed_shadow_job", "eed_shadow_email", "eed_shadow_copy"):
        assert stage.world.scalar(f"SELECT COUNT(*) FROM {table}") == 0
