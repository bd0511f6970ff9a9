"""`eed-delivery bounce` and `eed-delivery bounces` as a mail server and systemd meet them: real processes."""

import json
import os
import signal
import smtplib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from eed_delivery.tracking.bounces.verp import Verp
from tests.command_line import CommandLine
from tests.integration.test_bounce_server import HARD, hand_over, listens, outcomes
from tests.servers import free_port
from tests.service_process import events_in
from tests.waiting import until
from tests.world import World

SOON = 60
SECRET, FORMER = "a secret of the tests, 32 bytes!", "a-secret-in-use-until-yesterday"
VERP = Verp("bounces.bank.example", SECRET.encode())


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(f"sqlite:///{tmp_path}/ledger.sqlite3")
    yield world
    world.close()


@pytest.fixture
def eed(world: World, tmp_path: Path) -> CommandLine:
    command = CommandLine(tmp_path, world.url, more='[bounces]\naddress = "bounces.bank.example"\n')
    command.environ |= {"EED_BOUNCES__SECRET": SECRET, "EED_BOUNCES__FORMER_SECRETS": f"{FORMER} {FORMER}-2"}
    return command


def piped(eed: CommandLine, raw: bytes, *words: str, environ: dict[str, str] | None = None) -> tuple[int, str]:
    """The command with `raw` on its stdin; its exit code, and what it says on stderr."""
    eed.environ |= environ or {}
    process = eed.process("bounce", *words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdin is not None
    with process.stdin as pipe:
        pipe.write(raw)  # BrokenPipeError if not all of it is read
    process.stdin = None
    out, err = process.communicate(timeout=SOON)
    assert out == b""
    return process.returncode, err.decode()


def test_a_bounce_from_a_pipe_is_an_outcome(eed: CommandLine, world: World, one: int) -> None:
    code, said = piped(eed, HARD + b"x" * 3_000_000, "--recipient", VERP.sender(one, 0))  # all of it is read
    assert code == 0, said
    assert outcomes(world) == {one: "hard_bounced"}
    assert '"verdict": "bounce"' in said
    assert "@" not in said


def test_postfix_local_names_the_recipient_in_the_environment(eed: CommandLine, world: World, one: int) -> None:
    environ = {"RECIPIENT": "root@bank.example", "ORIGINAL_RECIPIENT": VERP.sender(one, 0)}
    assert piped(eed, HARD, environ=environ)[0] == 0
    assert outcomes(world) == {one: "hard_bounced"}


def test_what_was_sent_with_a_former_secret_still_bounces(eed: CommandLine, world: World, one: int) -> None:
    for secret in (FORMER, f"{FORMER}-2"):
        sent_to = Verp("bounces.bank.example", secret.encode()).sender(one, 0)
        assert eed("bounce", "--recipient", sent_to, stdin=HARD).exit_code == 0
        assert outcomes(world) == {one: "hard_bounced"}
        world.execute("UPDATE eed_email SET outcome = NULL")
        world.execute("DELETE FROM eed_event")


@pytest.mark.parametrize(
    "recipient", ["postmaster@bounces.bank.example", "", "b+1000.0.aaaaaaaaaaaaaaaa@bounces.bank.example"]
)
def test_what_is_not_ours_is_not_bounced_back(eed: CommandLine, world: World, one: int, recipient: str) -> None:
    assert piped(eed, HARD, "--recipient", recipient)[0] == 0
    assert outcomes(world) == {one: None}


@pytest.mark.parametrize(
    "broken",
    [
        {"EED_DATABASE__URL": "mysql+pymysql://eed@127.0.0.1:1/delivery"},
        {"EED_DATABASE__URL": "sqlite:////nowhere/ledger.sqlite3"},
        {"EED_BOUNCES__SECRET": "short"},
        {"EED_BOUNCES__ADDRESS": ""},
        {"EED_WORKER__THREADS": "none"},
    ],
    ids=str,
)
def test_what_stands_in_the_way_is_temporary(eed: CommandLine, one: int, broken: dict[str, str]) -> None:
    code, said = piped(eed, HARD, "--recipient", VERP.sender(one, 0), environ=broken)
    assert code == 75, said
    assert SECRET not in said


@pytest.mark.parametrize("command", ["bounces", "run"])
def test_the_commands_listen_until_they_are_told_to_stop(
    eed: CommandLine, world: World, one: int, tmp_path: Path, command: str
) -> None:
    port = free_port()
    eed.environ["EED_BOUNCES__LISTEN"] = f"127.0.0.1:{port}"
    with (tmp_path / "log").open("wb") as log:
        role = eed.process(command, stdout=log, stderr=log)
    try:
        wait_for(port)
        with smtplib.LMTP("127.0.0.1", port) as client:
            assert hand_over(client, VERP.sender(one, 0))[0] == 250
    finally:
        os.kill(role.pid, signal.SIGTERM)
        assert role.wait(SOON) == 0, (tmp_path / "log").read_text()
    assert outcomes(world) == {one: "hard_bounced"}
    assert {event["role"] for event in events_in(tmp_path / "log", "bounce_taken")} == {"bounces"}
    assert "role_died" not in (tmp_path / "log").read_text()


def wait_for(port: int) -> None:
    until(lambda: listens(port), lambda: "nobody listens", SOON)


def test_the_command_wants_its_address_and_port(eed: CommandLine) -> None:
    assert "bounces.listen" in eed.refused("bounces", code=78)


@pytest.mark.parametrize("command", ["run", "worker"])
def test_a_mistake_in_the_address_is_told_at_the_start(eed: CommandLine, command: str) -> None:
    eed.environ["EED_BOUNCES__ADDRESS"] = "bounces@bank.example"
    assert "the address for bounces" in eed.refused(command, code=78)


@pytest.mark.parametrize(
    ("environ", "level", "word"),
    [
        ({}, "ok", "received only by eed-delivery bounce"),
        ({"EED_BOUNCES__LISTEN": "127.0.0.1:2424"}, "ok", "listened for at 127.0.0.1:2424"),
        ({"EED_TRANSPORT__KIND": "ses"}, "ok", "SES reports bounces by events"),
        ({"EED_BOUNCES__ADDRESS": ""}, "ok", "not tracked"),
        ({"EED_BOUNCES__ADDRESS": "b@bank.example"}, "error", "the address for bounces"),
    ],
    ids=str,
)
def test_check_says_where_bounces_come_back_to(
    eed: CommandLine, environ: dict[str, str], level: str, word: str
) -> None:
    eed.environ |= environ
    findings = json.loads(eed("check", "--json").stdout)["findings"]
    assert [(f["level"], word in f["what"]) for f in findings if f["where"] == "bounces.address"] == [(level, True)]
