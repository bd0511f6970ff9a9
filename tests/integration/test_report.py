"""`report` in its three formats, and the certificate, checked by the script that auditors are given."""

import csv
import io
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from eed_delivery.ledger.delivering.recording import Decision
from eed_delivery.model import EmailState, Outcome, Verdict
from tests.command_line import CommandLine
from tests.integration.test_outcomes import EVENTS, HARD, LOOKS, NO, YES, take
from tests.world import World

CHECKER = Path(__file__).parents[2] / "docs" / "check_certificate.py"
HOSTILE = '<script>alert("x")</script>&\u202e\x1b[2J'
DOUBT = Decision(EmailState.IN_DOUBT, Outcome(Verdict.IN_DOUBT, f"lost after the dot {HOSTILE}"), counted=True)
SENT = range(1000, 1005)
FAILED, DOUBTFUL, OPEN = 1005, 1006, 1007
RECIPIENTS = [*(f"c{n}@example.com" for n in range(5)), "=cmd@example.com", '"a,\n b"@example.com', "Zoë@example.com"]


@pytest.fixture
def world(world: World) -> World:
    """Job 1: five sent, one failed, one in doubt, one still to send; job 2 is another's."""
    world.add_job(RECIPIENTS, name=f"Statements {HOSTILE}")
    world.enlist()
    decisions = {**dict.fromkeys(SENT, YES), FAILED: NO, DOUBTFUL: DOUBT}
    for email_id, decision in decisions.items():
        email = world.claimed(email_id)
        assert world.delivering.wire(email, 60) is None
        assert world.delivering.record(email, decision, 12)
    world.add_job(job_id=2)
    world.enlist(2)
    take(world, EVENTS)
    return world


@pytest.fixture
def eed(world: World, tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path, world.url)


@pytest.fixture
def finished(world: World) -> World:
    """The last email of job 1 is sent, and the job is finished."""
    email = world.claimed(OPEN)
    world.delivering.wire(email, 60)
    world.delivering.record(email, YES, 1)
    assert world.sweeping.finish(1) is True
    return world


def check(path: Path) -> tuple[int, str]:
    """The auditor's script, without a way to our code."""
    command = [sys.executable, "-I", str(CHECKER), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd="/")
    return done.returncode, done.stdout + done.stderr


def written(eed: CommandLine, tmp_path: Path) -> Path:
    path = tmp_path / "job 1.csv"
    eed.good("report", "1", "--output", str(path))
    return path


def test_the_script_agrees_with_a_finished_job(finished: World, eed: CommandLine, tmp_path: Path) -> None:
    path = written(eed, tmp_path)
    assert check(path) == (0, "8 rows agree with the certificate: BALANCED\n")
    certificate = json.loads((tmp_path / "job 1.csv.certificate.json").read_text())
    assert certificate["sums"] == [
        "8 = 6 sent + 1 failed + 0 suppressed + 0 cancelled + 1 in_doubt",
        "6 sent = 1 delivered + 1 soft_bounced + 1 hard_bounced + 1 complained + 2 no_word_yet",
        "8 found = 8 enlisted + 0 moved + 0 regenerated + 0 refused",
    ]
    assert certificate["outcomes_of_others"] == 1
    assert (certificate["job"], certificate["name"], certificate["total"]) == ("1", f"Statements {HOSTILE}", 8)
    assert certificate["registered_at"] <= certificate["finished_at"] <= certificate["read_from"]
    assert certificate["read_from"] <= certificate["read_to"]
    assert all(certificate[name].endswith("Z") for name in ("registered_at", "finished_at", "read_from", "read_to"))


def test_a_job_that_goes_on_does_not_balance_yet(eed: CommandLine, tmp_path: Path) -> None:
    path = written(eed, tmp_path)
    assert check(path) == (0, "8 rows agree with the certificate: NOT BALANCED YET\n")
    certificate = json.loads((tmp_path / "job 1.csv.certificate.json").read_text())
    assert (certificate["open"], certificate["finished_at"]) == (1, None)
    assert certificate["sums"][0].endswith(" + 1 in_doubt + 1 open")


def test_a_job_of_which_emails_may_be_missing_does_not_balance(finished: World, eed: CommandLine) -> None:
    finished.execute("UPDATE eed_job SET enlisted_at = NULL WHERE job_id = 1")
    assert json.loads(eed("report", "1").stderr)["verdict"] == "NOT BALANCED YET"
    finished.execute("UPDATE eed_job SET enlisted_at = created_at, total = 9 WHERE job_id = 1")
    assert json.loads(eed("report", "1").stderr)["verdict"] == "NOT BALANCED YET"


def refuse(world: World) -> None:
    """Two rows of job 1 are refused: one by a key that cannot be kept, one of an earlier round."""
    rows = (("=18446744073709551615", "its key cannot be stored: the largest number is 9223372036854775807", 0),
            ("77", "it has failed before in job 7, and source.job.known_rows is 'refuse'", 1))  # fmt: skip
    for key, reason, round_ in rows:
        world.execute(
            "INSERT INTO eed_refusal (job_id, job_key, source_key, reason, round, refused_at)"
            " VALUES (1, '1', :k, :r, :n, '2026-11-22 12:00:00.000000')", k=key, r=reason, n=round_,
        )  # fmt: skip
    world.execute("UPDATE eed_job SET found = found + 2, refused = 2 WHERE job_id = 1")


def test_a_resend_is_an_email_and_no_row_of_the_source(finished: World, eed: CommandLine, tmp_path: Path) -> None:
    assert eed.good("resend", "1000", "--reason", "lost") == "1000~1\n"
    new = finished.reporting.email_id("1000~1")
    assert new is not None
    email = finished.claimed(new)
    finished.delivering.wire(email, 60)
    finished.delivering.record(email, YES, 1)
    assert finished.sweeping.finish(1) is True
    path = written(eed, tmp_path)
    assert check(path) == (0, "9 rows agree with the certificate: BALANCED\n")
    certificate = json.loads((tmp_path / "job 1.csv.certificate.json").read_text())
    said = "8 found = 9 enlisted + 0 moved + 0 regenerated + 0 refused - 1 resent"
    assert (certificate["resent"], certificate["sums"][2]) == (1, said)
    assert said in eed.good("job", "1")
    assert "resend" in eed.good("job", "1")
    altered = path.with_name("job 1.csv.certificate.json")
    altered.write_text(json.dumps({**certificate, "resent": 0}))
    assert check(path)[0] == 1


def test_each_refused_row_is_in_the_report_by_key_and_reason(finished: World, eed: CommandLine, tmp_path: Path) -> None:
    refuse(finished)
    path = written(eed, tmp_path)
    assert check(path) == (0, "8 rows and 2 refused rows agree with the certificate: BALANCED\n")
    *_, first, second = csv.reader(io.StringIO(path.read_text(), newline=""))
    assert first == ["'=18446744073709551615", "", "refused", "0", "2026-11-22T12:00:00.000Z", "",
                     "its key cannot be stored: the largest number is 9223372036854775807", "", "", "", ""]  # fmt: skip
    assert (second[0], second[2]) == ("77", "refused")
    report = json.loads(eed.good("report", "1", "--format", "json"))
    assert [(row["email"], row["round"]) for row in report["refused"]] == [(first[0][1:], 0), ("77", 1)]
    certificate = report["certificate"]
    assert (certificate["found"], certificate["refused"], certificate["refused_rows"]) == (10, 2, 2)
    assert certificate["sums"][2] == "10 found = 8 enlisted + 0 moved + 0 regenerated + 2 refused"
    assert certificate["sha256"] == json.loads((tmp_path / "job 1.csv.certificate.json").read_text())["sha256"]
    _, found = page(eed)
    assert "6 of 10 recipients (60.0 %) were sent their email. Not sent: 1 failed, 1 in doubt, 2 refused." in found.text
    assert "Of those sent, 1 came back." in found.text
    assert "Refused 2" in found.text
    assert "1 refused its key cannot be stored: the largest number is …" in found.text
    told = eed.good("job", "1")
    assert "6 of 10 recipients (60.0 %) were sent their email; not sent: 1 failed, 1 in_doubt, 2 refused" in told
    assert "10 found = 8 enlisted + 0 moved + 0 regenerated + 2 refused" in told
    assert "     1  refused   its key cannot be stored: the largest number is …" in told.splitlines()


def test_a_row_that_nobody_accounts_for_is_told_everywhere(finished: World, eed: CommandLine) -> None:
    finished.execute("UPDATE eed_job SET found = 9 WHERE job_id = 1")
    assert json.loads(eed("report", "1").stderr)["verdict"] == "NOT BALANCED YET"
    what = "9 found = 8 enlisted + 0 moved + 0 regenerated + 0 refused"
    assert f"Not every row that was found in the source is accounted for: {what}" in page(eed)[1].text
    assert "not every row found is accounted for (9 found, and 8 enlisted" in eed.good("job", "1")
    assert eed.json("job", "1")["accounted"] is False


def test_only_a_job_that_served_everybody_is_green(world: World, eed: CommandLine) -> None:
    assert 'class="verdict good"' not in page(eed)[0]
    world.execute("UPDATE eed_email SET state = 'sent', outcome = NULL WHERE job_id = 1")
    assert "All 8 recipients were sent their email." in page(eed)[1].text
    assert 'class="verdict good"' in page(eed)[0]
    for state in ("failed", "in_doubt", "suppressed", "cancelled", "pending"):
        world.execute("UPDATE eed_email SET state = :s WHERE email_id = 1000", s=state)
        source, found = page(eed)
        assert 'class="verdict good"' not in source
        assert "7 of 8 recipients (87.5 %) were sent their email. Not sent: 1 " in found.text
    world.execute("UPDATE eed_email SET state = 'sent', outcome = 'hard_bounced' WHERE email_id = 1000")
    assert 'class="verdict good"' not in page(eed)[0]
    world.add_job([], job_id=3)
    world.enlist(3)
    source, found = page(eed, "3")
    assert 'class="verdict good"' not in source
    assert "There was nothing to send." in found.text


def test_what_nobody_would_tell_us_is_not_tracked_and_not_zero(world: World, tmp_path: Path) -> None:
    """Without tracking, with bounces by mail, with SES's events; and whatever was heard is shown."""
    world.execute("UPDATE eed_email SET outcome = NULL")
    events = '[tracking]\nevents_queue_url = "http://127.0.0.1:9/0/events"'
    by_mail = '[bounces]\naddress = "b@returns.example.com"'
    known = {}
    for name, more in (("none", ""), ("mail", by_mail), ("events", events)):
        (tmp_path / name).mkdir()
        known[name] = CommandLine(tmp_path / name, world.url, more=more)
    known["mail"].environ["EED_BOUNCES__SECRET"] = "for-this-test-and-for-nothing-else-at-all"
    _, found = page(known["none"])
    assert "Delivered not tracked Soft bounced not tracked Hard bounced not tracked" in found.text
    assert "Whether any did is not tracked." in found.text
    assert "Delivered not tracked Soft bounced 0 0.0 % Hard bounced 0 0.0 %" in page(known["mail"])[1].text
    assert "Delivered 0 0.0 % Soft bounced 0 0.0 %" in page(known["events"])[1].text
    told = known["none"].good("job", "1")
    assert [line.split() for line in told.splitlines() if "not tracked" in line] == [
        ["delivered", "not", "tracked"], ["bounced", "not", "tracked"]
    ]  # fmt: skip
    assert known["none"].json("job", "1")["tracked"] == {"deliveries": False, "bounces": False}
    assert known["mail"].json("job", "1")["tracked"] == {"deliveries": False, "bounces": True}
    assert "not tracked" not in known["events"].good("job", "1")
    world.execute("UPDATE eed_email SET outcome = 'delivered' WHERE email_id = 1000")
    assert "Delivered 1 20.0 %" in page(known["none"])[1].text
    assert known["none"].json("job", "1")["tracked"] == {"deliveries": True, "bounces": False}


Edit = Callable[[list[bytes]], list[bytes]]


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (lambda lines: [lines[0], lines[1].replace(b"c0@", b"c9@"), *lines[2:]], "sha256"),
        (lambda lines: [lines[0], lines[1].replace(b",sent,", b",failed,"), *lines[2:]], "states"),
        (lambda lines: [lines[0], lines[1].replace(b"delivered", b"complained"), *lines[2:]], "outcomes_of_sent"),
        (lambda lines: [lines[0], lines[1].replace(b",sent,", b",lost,"), *lines[2:]], "is no state"),
        (lambda lines: [lines[0], *lines[2:]], "rows: the certificate says 8, the rows say 7"),
        (lambda lines: [*lines[:2], lines[1], *lines[2:]], "email 1000 is there twice"),
        (lambda lines: [lines[0], lines[2], lines[1], *lines[3:]], "sha256"),
        (lambda lines: [lines[0], lines[1].replace(b",sent,", b"sent"), *lines[2:]], "9 cells instead of 11"),
        (lambda lines: lines[1:], "the first line"),
        (lambda lines: [lines[0].replace(b"\r\n", b"\n"), *lines[1:]], "sha256"),
        (lambda lines: [*lines, b"\xff"], "utf-8"),
        (lambda lines: [], "the first line"),
    ],
)
@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_a_report_that_was_changed_is_found_out(
    finished: World, eed: CommandLine, tmp_path: Path, edit: Edit, told: str
) -> None:
    path = written(eed, tmp_path)
    before = path.read_bytes()
    path.write_bytes(b"".join(edit(before.splitlines(keepends=True))))
    assert path.read_bytes() != before
    code, text = check(path)
    assert code == 1
    assert told in text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sha256", "0" * 64),
        ("total", 9),
        ("rows", 9),
        ("open", 1),
        ("verdict", "NOT BALANCED YET"),
        ("version", 2),
        ("format", "another"),
        ("all_enlisted", False),
        ("changed_while_read", True),
        ("sums", []),
        ("outcomes_of_others", 0),
        ("states", {}),
        ("outcomes_of_sent", {}),
    ],
)
@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_a_certificate_that_was_changed_is_found_out(
    finished: World, eed: CommandLine, tmp_path: Path, name: str, value: object
) -> None:
    path = written(eed, tmp_path)
    beside = tmp_path / "job 1.csv.certificate.json"
    beside.write_text(json.dumps(json.loads(beside.read_text()) | {name: value}))
    assert check(path)[0] == 1


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_the_script_says_what_it_cannot_read(finished: World, eed: CommandLine, tmp_path: Path) -> None:
    path = written(eed, tmp_path)
    beside = tmp_path / "job 1.csv.certificate.json"
    beside.write_text("[]")
    assert check(path) == (1, "the certificate is no object\n")
    beside.write_text("{")
    assert check(path)[0] == 1
    beside.unlink()
    assert check(path)[0] == 2


def test_the_rows_are_the_emails_and_run_nothing_in_a_spreadsheet(finished: World, eed: CommandLine) -> None:
    result = eed("report", "1")
    header, *rows = csv.reader(io.StringIO(result.stdout_bytes.decode(), newline=""))
    assert header == [
        *("email", "recipient", "state", "attempts", "changed_at", "message_id", "detail"),
        *("outcome", "outcome_at", "sha256", "archived_at"),
    ]
    assert [row[0] for row in rows] == [str(n) for n in range(1000, 1008)]
    assert [row[1] for row in rows] == [*RECIPIENTS[:5], "'=cmd@example.com", *RECIPIENTS[6:]]
    hard = rows[HARD - 1000]
    assert (hard[2], hard[3], hard[5:]) == (
        "sent", "1", ["m", "250 ok", "hard_bounced", "2026-11-22T12:02:00.000Z", "", ""]
    )  # fmt: skip
    assert json.loads(result.stderr)["verdict"] == "BALANCED"


def test_json_has_rows_and_certificate_in_one_object(finished: World, eed: CommandLine) -> None:
    report = json.loads(eed.good("report", "1", "--format", "json"))
    assert [email["recipient"] for email in report["emails"]] == RECIPIENTS
    assert report["emails"][HARD - 1000]["outcome"] == "hard_bounced"
    assert report["emails"][OPEN - 1000]["outcome"] is None
    of_csv = json.loads(eed("report", "1").stderr)
    times = ("read_from", "read_to")
    assert {**report["certificate"], **dict.fromkeys(times)} == {**of_csv, **dict.fromkeys(times)}


def test_opens_and_clicks_are_in_the_rows_only_where_they_are_asked_for(
    finished: World, eed: CommandLine, tmp_path: Path
) -> None:
    plain = written(eed, tmp_path).read_bytes()
    take(finished, LOOKS)
    assert written(eed, tmp_path).read_bytes() == plain
    path = tmp_path / "opened.csv"
    eed.good("report", "1", "--opens", "--output", str(path))
    header, *rows = csv.reader(io.StringIO(path.read_text(), newline=""))
    assert header[-4:] == ["opens", "clicks", "machine_opens", "machine_clicks"]
    assert [row[-4:] for row in rows[:4]] == [
        ["2", "0", "0", "0"], ["0", "0", "1", "0"], ["0", "0", "0", "0"], ["1", "1", "0", "0"]
    ]  # fmt: skip
    assert check(path) == (0, "8 rows agree with the certificate: BALANCED\n")
    in_all = {"opened": 2, "clicked": 1, "machine_opened": 1, "machine_clicked": 0}
    assert json.loads((tmp_path / "opened.csv.certificate.json").read_text())["engagement"] == in_all
    report = json.loads(eed.good("report", "1", "--opens", "--format", "json"))
    assert (report["emails"][0]["opens"], report["engagement"], report["certificate"]["version"]) == (2, in_all, 4)
    report = json.loads(eed.good("report", "1", "--format", "json"))
    assert ("opens" in report["emails"][0], report["engagement"], report["certificate"]["version"]) == (
        False,
        in_all,
        4,
    )


def test_the_page_has_opens_and_clicks_apart_from_outcomes_where_there_are_any(
    finished: World, eed: CommandLine
) -> None:
    assert "Opens and clicks" not in page(eed)[1].text
    take(finished, LOOKS)
    text = page(eed)[1].text
    assert "Opens and clicks Opened 2 33.3 % Clicked 1 16.7 % Opened by machines 1 16.7 % Clicked by machines 0" in text
    assert "6 sent = 1 delivered + 1 soft_bounced + 1 hard_bounced + 1 complained + 2 no_word_yet" in text


def test_a_job_without_emails_has_a_report(world: World, eed: CommandLine) -> None:
    world.add_job([], job_id=3)
    world.enlist(3)
    report = json.loads(eed.good("report", "3", "--format", "json"))
    assert (report["emails"], report["certificate"]["rows"]) == ([], 0)
    assert len(eed.good("report", "3").splitlines()) == 1
    assert "None was accepted." in eed.good("report", "3", "--format", "html")


# --- files -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_what_cannot_be_written_is_said_and_leaves_nothing_behind(eed: CommandLine, tmp_path: Path) -> None:
    assert "cannot be written" in eed.refused("report", "1", "--output", str(tmp_path / "nowhere" / "x.csv"))
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert "not a regular file" in eed.refused("report", "1", "--output", str(pipe))
    assert pipe.is_fifo()
    assert "there is no job 99" in eed.refused("report", "99", "--output", str(tmp_path / "99.csv"))
    assert not [path.name for path in tmp_path.iterdir() if "99" in path.name or path.name.endswith(".part")]


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_a_report_that_fails_half_way_leaves_the_old_one(world: World, eed: CommandLine, tmp_path: Path) -> None:
    path = written(eed, tmp_path)
    before = path.read_bytes()
    world.execute("UPDATE eed_email SET outcome = 'nonsense' WHERE email_id = :i", i=OPEN)
    with pytest.raises(ValueError, match="nonsense"):
        eed("report", "1", "--output", str(path))
    assert path.read_bytes() == before
    assert not list(tmp_path.glob(".*.part"))


@pytest.mark.parametrize("world", ["sqlite"], indirect=True)
def test_a_report_is_for_its_owner_alone_and_follows_no_link(eed: CommandLine, tmp_path: Path) -> None:
    victim = tmp_path / "victim.conf"
    victim.write_text("important")
    (tmp_path / "r.csv").symlink_to(victim)
    (tmp_path / ".r.csv.part").symlink_to(victim)
    before = os.umask(0o022)
    try:
        eed.good("report", "1", "--output", str(tmp_path / "r.csv"))
    finally:
        os.umask(before)
    assert victim.read_text() == "important"
    for name in ("r.csv", "r.csv.certificate.json"):
        found = (tmp_path / name).lstat()
        assert (stat.S_ISREG(found.st_mode), stat.S_IMODE(found.st_mode)) == (True, 0o600)


# --- the page ----------------------------------------------------------------------------------------------------


class Page(HTMLParser):
    """Tags, attributes and text of a page, and whether every element is closed."""

    EMPTY = frozenset({"meta", "br", "line", "rect"})

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(source)
        self.close()
        assert self._open == []

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in self.EMPTY:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.EMPTY:
            assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.words.append(data)


def page(eed: CommandLine, job: str = "1") -> tuple[str, Page]:
    source = eed.good("report", job, "--format", "html")
    return source, Page(source)


def test_the_page_tells_the_whole_story(finished: World, eed: CommandLine) -> None:
    _, found = page(eed)
    for words in (
        "Balanced. Every one of the 8 emails has ended.",
        "Total 8", "Sent 6", "Failed 1", "In doubt 1", "Delivered 1 16.7 %", "No word yet 2 33.3 %",
        "of 1 that do not count as sent",
        "1 failed 550 5.1.1 no such user",
        "1 hard bounced NoEmail 550 5.1.1",
        f"eed-delivery --config {eed.config} settle --as sent {DOUBTFUL}",
        "8 = 6 sent + 1 failed + 0 suppressed + 0 cancelled + 1 in_doubt",
        json.loads(eed("report", "1").stderr)["sha256"],
    ):  # fmt: skip
        assert words in found.text
    assert found.tags.count("rect") >= 1


def test_a_page_of_a_job_that_goes_on_says_so(world: World, eed: CommandLine) -> None:
    _, found = page(eed)
    assert "Not balanced yet. 1 of 8 emails have not ended." in found.text
    assert "Still open 1" in found.text
    world.execute("UPDATE eed_job SET enlisted_at = NULL")
    assert "The job is still being picked up." in page(eed)[1].text


def test_a_doubt_on_the_page_has_the_time_of_its_hand_over(finished: World, eed: CommandLine) -> None:
    finished.execute("UPDATE eed_email SET wire_at = '2020-03-04 05:06:07' WHERE email_id = :i", i=DOUBTFUL)
    assert f"Handed over What happened, and what to type {DOUBTFUL} 2020-03-04 05:06:07 UTC" in page(eed)[1].text


def test_others_words_are_no_markup_and_move_nothing(finished: World, eed: CommandLine) -> None:
    finished.execute("UPDATE eed_job SET reason = :r", r=HOSTILE)
    finished.execute("UPDATE eed_event SET sub_type = :s", s=HOSTILE)
    finished.execute("UPDATE eed_email SET detail = :d WHERE state = 'failed'", d=f"550 {HOSTILE}")
    source, found = page(eed)
    assert "script" not in found.tags
    assert "\u202e" not in source
    assert "\x1b" not in source
    assert found.text.count('<script>alert("x")</script>&') >= 2  # the name and the reason


def test_the_page_needs_nothing_from_anywhere_and_runs_nothing(finished: World, eed: CommandLine) -> None:
    source, found = page(eed)
    names = {name for name, _ in found.attributes}
    assert not names & {"src", "href", "style", "action", "srcset", "data"}
    assert not [name for name in names if name.startswith("on")]
    assert not set(found.tags) & {"script", "link", "img", "iframe", "object", "embed", "form", "base"}
    assert "url(" not in source
    assert "@import" not in source
    assert ("lang", "en") in found.attributes
    assert "@media print" in source


def test_no_address_of_a_recipient_is_on_the_page(finished: World, eed: CommandLine) -> None:
    for email_id, address in zip(range(1000, 1008), RECIPIENTS, strict=True):
        finished.execute(
            "UPDATE eed_email SET detail = :d WHERE email_id = :i", d=f"550 <{address}> {address}: no", i=email_id
        )
    source, _ = page(eed)
    assert "example.com" not in source.replace(str(eed.config), "")


def test_the_page_is_bounded(world: World, eed: CommandLine) -> None:
    words = [f"{chr(97 + n // 26)}{chr(97 + n % 26)}" for n in range(60)]
    world.add_job([f"{word}@example.com" for word in words], job_id=4)
    world.enlist(4)
    world.execute("UPDATE eed_email SET state = 'in_doubt' WHERE job_id = 4")
    for email_id, word in enumerate(words, start=4000):
        world.execute("UPDATE eed_email SET detail = :d WHERE email_id = :i", d=f"lost {word}", i=email_id)
    _, found = page(eed, "4")
    assert found.text.count("settle --as sent") == 50
    assert "10 more; all of them:" in found.text
    assert "emails 4 --state in_doubt" in found.text
    assert "40 more, for other reasons." in found.text


def test_a_key_that_looks_like_an_option_stays_a_key(world: World, eed: CommandLine) -> None:
    world.execute("UPDATE eed_email SET source_key = '-x' WHERE email_id = :i", i=DOUBTFUL)
    assert "settle --as sent -- -x" in page(eed)[1].text


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_times_are_utc_with_the_named_local_time_of_the_machine_beside_them(world: World, eed: CommandLine) -> None:
    world.execute("UPDATE eed_job SET created_at = '2026-07-01 23:30:00.000000' WHERE job_id = 1")
    words = {}
    for zone in ("CET-1CEST,M3.5.0,M10.5.0/3", "UTC0"):
        eed.environ["TZ"] = zone
        process = eed.process("report", "1", "--format", "html", stdout=subprocess.PIPE)
        told, _ = process.communicate(timeout=60)
        words[zone[:3]] = Page(told.decode()).text
    assert "Registered 2026-07-01 23:30:00 UTC (2026-07-02 01:30:00 +02:00)" in words["CET"]
    assert "local time of the machine that made this report: CET/CEST." in words["CET"]
    assert "Registered 2026-07-01 23:30:00 UTC ;" in words["UTC"]
    assert "The machine that made this report keeps UTC." in words["UTC"]
