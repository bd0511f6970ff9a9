"""The demo as an operator has it: one command, its exit status, what it says, the files, the commands it names."""

import email.policy
import fcntl
import json
import os
import re
import select
import shlex
import signal
import subprocess
import sysconfig
from dataclasses import dataclass
from email.parser import BytesParser
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import HTTPCookieProcessor, ProxyHandler, Request, build_opener

import pytest

from eed_delivery.demo.play import Demo, DemoFailed

PROGRAM = Path(sysconfig.get_path("scripts")) / "eed-delivery"
EMAILS = 40
LIMIT_SECONDS = 200


@dataclass(frozen=True)
class Played:
    """`left`: the command lines of its processes that were there when it had ended."""

    directory: Path
    status: int
    said: str
    left: list[str]

    @property
    def output(self) -> Path:
        return self.directory / "demo-output"

    def commands(self) -> list[str]:
        """The commands that it names, as typed."""
        return [line.strip() for line in self.said.splitlines() if re.match(r"    \S*eed-delivery ", line)]


def _run(command: list[str], directory: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=LIMIT_SECONDS)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Played:
    """The processes of a run share it: whoever is first plays it."""
    mine = tmp_path_factory.getbasetemp()
    directory = (mine if worker_id == "master" else mine.parent) / "demo"
    directory.mkdir(exist_ok=True)
    kept = directory.with_suffix(".json")
    with directory.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            done = _run([str(PROGRAM), "demo", "--emails", str(EMAILS)], directory)
            kept.write_text(json.dumps([done.returncode, done.stdout + done.stderr, _processes_in(directory)]))
    return Played(directory, *json.loads(kept.read_text()))


def _processes_in(directory: Path) -> list[str]:
    found = []
    for proc in Path("/proc").iterdir():
        try:
            command = (proc / "cmdline").read_bytes().decode(errors="replace") if proc.name.isdigit() else ""
            place = os.readlink(proc / "cwd") if command else ""
        except OSError:
            continue  # it has ended since, or is not ours to look at
        if str(directory) in command or place == str(directory):
            found.append(command)
    return found


def test_it_ends_well_and_balances(played: Played) -> None:
    assert played.status == 0, played.said
    assert f"{EMAILS} ended: balances" in played.said
    assert "  NO " not in played.said
    assert played.said.count("  yes  ") == 8
    assert played.said.splitlines()[-1].endswith("eed-delivery demo --keep-running")


def test_the_second_act_leaves_each_statement_with_the_partner_and_a_manifest_behind_them(played: Played) -> None:
    partner = played.output / "partner" / "4"
    said = json.loads((partner / "manifest.json").read_text())
    assert len(said["files"]) == said["count"] == 20
    assert {f"4/{path.name}" for path in partner.glob("*.pdf")} == {one["name"] for one in said["files"]}
    assert len(list((played.output / "mail-of-second-act").glob("*.eml"))) == 20


def test_it_shows_the_one_reply_and_the_one_doubt(played: Played) -> None:
    assert "552 5.2.2 mailbox full" in played.said
    assert "no reply to the final dot: the server closed the connection" in played.said


def test_everyone_but_the_refused_one_has_one_email_with_one_pdf(played: Played) -> None:
    recipients = []
    for path in (played.output / "mail").glob("*.eml"):
        message = BytesParser(policy=email.policy.default).parsebytes(path.read_bytes())
        recipients.append(message["To"].addresses[0].addr_spec)
        (attachment,) = message.iter_attachments()
        number = re.search(r"\d+", recipients[-1])
        assert number is not None
        source = played.output / "statements" / f"statement-{number[0]}.pdf"
        assert attachment.get_payload(decode=True) == source.read_bytes()
    assert len(recipients) == len(set(recipients)) == EMAILS - 1


def test_subjects_are_in_many_scripts(played: Played) -> None:
    subjects = set()
    for path in (played.output / "mail").glob("*.eml"):
        subjects.add(str(BytesParser(policy=email.policy.default).parsebytes(path.read_bytes())["Subject"])[:3])
    assert {"Ihr", "Η κ", "Вип", "كشف", "דף ", "您的十", "12月", "दिस"} <= subjects


def test_the_commands_it_names_work_when_it_has_ended(played: Played) -> None:
    commands = played.commands()
    named = [shlex.split(command)[3:] for command in commands]
    assert ["job", "1"] in named and any(words[0] == "settle" for words in named), played.said
    for command in commands:
        done = _run([str(PROGRAM), *shlex.split(command)[1:]], played.directory)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


def test_no_process_of_it_is_left(played: Played) -> None:
    assert played.left == []


def test_it_deletes_nothing_that_is_not_its_own(tmp_path: Path) -> None:
    precious = tmp_path / "demo-output" / "precious.txt"
    precious.parent.mkdir()
    precious.write_text("years of work")
    done = _run([str(PROGRAM), "demo", "--emails", "10"], tmp_path)
    assert done.returncode == 1
    assert "Nothing in it was changed" in done.stderr
    assert list(precious.parent.iterdir()) == [precious]


class Terminal:
    """A demo at a terminal."""

    def __init__(self, arguments: list[str], directory: Path) -> None:
        self._ours, theirs = os.openpty()
        self.process = subprocess.Popen(
            [str(PROGRAM), *arguments],
            cwd=directory,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "200"},
        )
        os.close(theirs)
        self.said = ""

    def await_words(self, words: str) -> None:
        """Read on until it has said `words`."""
        while words not in self.said:
            ready, _, _ = select.select([self._ours], [], [], LIMIT_SECONDS)
            assert ready, f"it fell silent: {self.said[-2000:]}"
            self.said += os.read(self._ours, 65536).decode(errors="replace")

    def interrupt(self) -> int:
        """Ctrl-C; returns its exit status."""
        self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(timeout=LIMIT_SECONDS)
        finally:
            os.close(self._ours)


def test_at_a_terminal_it_runs_on_and_sends_what_is_requeued(tmp_path: Path) -> None:
    terminal = Terminal(["demo", "--emails", "10", "--keep-running"], tmp_path)
    try:
        terminal.await_words("Ctrl-C ends the demo.")
        assert "10/10" in terminal.said  # the bar
        _look_at_the_page(terminal.said)
        command = [str(PROGRAM), "--config", "demo-output/eed-delivery.toml"]
        requeued = _run([*command, "requeue", "--job", "1", "--state", "failed", "--yes"], tmp_path)
        assert requeued.returncode == 0, requeued.stderr
        for _ in range(30):
            counts = json.loads(_run([*command, "job", "1", "--json"], tmp_path).stdout)["counts"]
            if counts["sent"] == 9:
                break
        assert counts["sent"] == 9 and counts["in_doubt"] == 1
    finally:
        status = terminal.interrupt()
    assert status == 0
    assert len(list((tmp_path / "demo-output" / "mail").glob("*.eml"))) == 10


def _look_at_the_page(said: str) -> None:
    """The link logs in once, and only by a visit."""
    link = re.search(r"http://127\.0\.0\.1:\d+/once/\S+", said)
    assert link is not None, said
    address = link[0].partition("/once/")[0]
    assert f"is open at {address}" in said
    browser, other = (build_opener(ProxyHandler({}), HTTPCookieProcessor()) for _ in range(2))
    with pytest.raises(HTTPError, match="405"):  # a mail program or a chat looks whether it is there
        other.open(Request(link[0], method="HEAD"))
    first = browser.open(link[0])
    assert first.url == f"{address}/"
    assert "<bdi>demo</bdi>, admin" in first.read().decode()
    assert "Statements of December, 10 customers" in browser.open(f"{address}/jobs").read().decode()
    for visitor in (browser, other):
        with pytest.raises(HTTPError, match="403"):
            visitor.open(link[0])
    with pytest.raises(HTTPError, match="404"):
        other.open(f"{address}/once/guessed")
    assert other.open(f"{address}/jobs").url == f"{address}/login"
    assert "Statements of December" in browser.open(f"{address}/jobs").read().decode(), "the session goes on"


def _script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_a_service_that_dies_is_named_with_its_log(tmp_path: Path) -> None:
    program = _script(tmp_path / "service", "echo 'no disk' >&2; exit 3")
    with pytest.raises(DemoFailed, match=r"(?s)ended by itself, with status 3.*no disk"):
        Demo(tmp_path / "out", 10, program=program).play()


def test_a_service_that_does_nothing_is_named_with_its_warnings(tmp_path: Path) -> None:
    line = json.dumps({"event": "waiting", "level": "warning", "reason": "the queue does not answer"})
    program = _script(tmp_path / "service", f"echo '{line}'; exec sleep 600")
    with pytest.raises(DemoFailed, match=r"(?s)did not pick up the job.*the queue does not answer"):
        Demo(tmp_path / "out", 10, program=program, patience_seconds=1).play()
