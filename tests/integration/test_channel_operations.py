"""Channels that people create, change, hold and remove while the service runs."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from eed_delivery.app.operations import Operations
from eed_delivery.channels.directory import ChannelDirectory
from eed_delivery.channels.watch import ChannelWatch, WantedWorkers
from eed_delivery.config import load
from eed_delivery.errors import ConfigError, QueueGone
from eed_delivery.ledger.channels.listing import ChannelChange, ChannelLedger
from eed_delivery.ledger.delivering.claims import Standing, new_token
from eed_delivery.ledger.delivering.recording import Decision
from eed_delivery.ledger.holds.ledger import HoldLedger
from eed_delivery.ledger.publishing.served_channels import ServedChannels
from eed_delivery.ledger.workers import Process, WorkerLedger
from eed_delivery.model import EmailState, HoldScope, HoldTarget, Outcome, Verdict
from eed_delivery.operations.channels import (
    ALL,
    ChannelEdit,
    NewChannel,
    OnWire,
)
from eed_delivery.operations.refusals import InvalidRequest, UnknownKey, WrongState
from eed_delivery.operations.repeats import KeyedRequest, KeyTaken
from eed_delivery.runtime.supervisor import PULSE_SECONDS
from tests.command_line import CommandLine
from tests.operating import ANNA, operations_over
from tests.servers.scripted_http import ScriptedHttp, answer, ok
from tests.world import World

pytestmark = pytest.mark.both_databases

QUEUE = {
    "url": "https://sqs.us-east-1.amazonaws.com/0/letters",
    "dead_letter_url": "https://sqs.us-east-1.amazonaws.com/0/l-dead",
}
LETTERS: dict[str, Any] = {"kind": "smtp", "host": "127.0.0.1", "tls": "none", "queue": QUEUE}
NO_QUEUE = answer(400, b'{"__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": "there is none"}')
OF_FILE = """
[channel.of_file]
kind = "eml_folder"
directory = "/nowhere"
queue = { url = "https://sqs.us-east-1.amazonaws.com/0/f", dead_letter_url = "https://127.0.0.1/0/f-dead" }
"""


@pytest.fixture
def operations(world: World, tmp_path: Path) -> Operations:
    return operations_over(world, tmp_path, OF_FILE)


def test_a_channel_is_created_changed_and_removed(operations: Operations) -> None:
    channels = operations.channels
    made = channels.create(NewChannel("letters", LETTERS))
    assert (made.kind, made.origin, made.version, made.settings, made.problem) == ("smtp", "ledger", 1, LETTERS, None)
    changed = channels.edit(ChannelEdit("letters", {**LETTERS, "threads": 3}, version=1))
    assert (changed.version, changed.settings["threads"], changed.changed_by) == (2, 3, "anna")
    assert [(c.name, c.origin) for c in channels.all()] == [
        ("default", "file"), ("of_file", "file"), ("letters", "ledger")
    ]  # fmt: skip
    channels.remove("letters")
    assert channels.create(NewChannel("letters", LETTERS)).version == 3, "whoever saw 2 changes nothing of this one"
    with pytest.raises(WrongState, match="has changed since you read it"):
        channels.edit(ChannelEdit("letters", LETTERS, version=2))
    channels.remove("letters")
    with pytest.raises(UnknownKey, match=r"there is no channel letters\. The channels are default, of_file"):
        channels.view("letters")


@pytest.mark.parametrize("act", ["create", "edit"])
def test_a_repeat_of_what_failed_after_its_queues_were_begun_does_all_of_it(
    world: World, tmp_path: Path, act: str
) -> None:
    """The row of the queues is in the audit by then."""
    there = ok(b'{"Attributes": {"QueueArn": "arn:aws:sqs:us-east-1:0:mail"}}')
    with ScriptedHttp([NO_QUEUE, NO_QUEUE, answer(400, b'{"__type": "x#Sick", "message": "no"}'), there, there]) as sqs:
        queue = f"{sqs.url}/0/mail"
        eed = CommandLine(tmp_path, world.url, (queue, f"{queue}-dead"), sqs.url)
        operations = Operations(load(eed.config, eed.environ), ANNA, world.database)
        repeats, channels = operations.repeats, operations.channels
        wanted = {**LETTERS, "threads": 3, "queue": {"create": True}}
        if act == "edit":
            channels.create(NewChannel("letters", LETTERS))

        def work() -> None:
            if act == "create":
                channels.create(NewChannel("letters", wanted))
            else:
                channels.edit(ChannelEdit("letters", wanted, 1))

        request = KeyedRequest("anna", "one", "PUT", "/channels", act)
        taken = repeats.take(request)
        assert isinstance(taken, KeyTaken)
        with pytest.raises(QueueGone):
            repeats.act(taken, work)
        assert world.scalar("SELECT COUNT(*) FROM eed_audit WHERE act = 'queue_init'") == 1
        world.execute("UPDATE eed_idempotency_key SET lease_until = '2001-01-01 00:00:00.000000'")
        taken = repeats.take(request)
        assert isinstance(taken, KeyTaken)
        repeats.act(taken, work)
        assert channels.view("letters").settings == wanted


def test_of_two_people_who_change_a_channel_one_is_refused(operations: Operations) -> None:
    channels = operations.channels
    channels.create(NewChannel("letters", LETTERS))
    channels.edit(ChannelEdit("letters", {**LETTERS, "threads": 3}, version=1))
    with pytest.raises(WrongState, match="has changed since you read it"):
        channels.edit(ChannelEdit("letters", {**LETTERS, "threads": 5}, version=1))
    assert channels.view("letters").settings["threads"] == 3


@pytest.mark.parametrize(
    ("name", "change", "problem"),
    [
        ("letters", {"kind": "pigeon"}, "there is no kind of channel 'pigeon'"),
        ("letters", {"password": "hunter2"}, "not a reference to a secret"),
        ("letters", {"port": "none"}, "channel.letters.port"),
        ("letters", {"prot": 25}, "Did you mean port"),
        ("letters", {"threads": 0}, "channel.letters.threads"),
        ("letters", {"queue": {"url": QUEUE["url"]}}, "it has no dead-letter queue"),
        ("letters", {"queue": {**QUEUE, "url": "https://sqs.us-east-1.amazonaws.com/0/f"}}, "use the same queue"),
        ("Letters", {}, "channel.Letters"),
        ("*", {}, "channel.\\*"),
    ],
)
def test_settings_that_are_wrong_are_refused_with_what_is_right(
    operations: Operations, world: World, name: str, change: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ConfigError, match=problem) as refused:
        operations.channels.create(NewChannel(name, {**LETTERS, **change}))
    assert "hunter2" not in str(refused.value)
    assert world.execute("SELECT COUNT(*) FROM eed_channel") == [(0,)]
    assert world.execute("SELECT COUNT(*) FROM eed_audit") == [(0,)]


def test_a_channel_of_the_file_is_only_read(operations: Operations) -> None:
    channels = operations.channels
    with pytest.raises(WrongState, match="described in the configuration file"):
        channels.edit(ChannelEdit("of_file", LETTERS, version=0))
    with pytest.raises(WrongState, match="described in the configuration file"):
        channels.remove("default")
    with pytest.raises(WrongState, match="there is a channel of_file already"):
        channels.create(NewChannel("of_file", LETTERS))


def test_a_channel_that_unfinished_jobs_name_is_not_removed(operations: Operations, world: World) -> None:
    channels = operations.channels
    channels.create(NewChannel("letters", LETTERS))
    world.add_job()
    world.enlist()
    world.execute("UPDATE eed_job SET channel = 'letters'")
    with pytest.raises(WrongState, match="1 unfinished jobs name the channel letters"):
        channels.remove("letters")
    assert channels.view("letters").jobs == 1
    world.execute("UPDATE eed_job SET finished_at = '2026-01-01 00:00:00'")
    channels.remove("letters")


def test_a_channel_that_cannot_be_used_here_stops_no_other(operations: Operations, world: World) -> None:
    """Another host has a kind that this one does not have."""
    ledger = ChannelLedger(world.database)
    ledger.create("letters", LETTERS)
    ledger.create("pigeons", {**LETTERS, "kind": "pigeon"})
    ledger.create("of_file", LETTERS)
    found = {c.name: c for c in operations.channels.all()}
    assert "no kind of channel 'pigeon'" in str(found["pigeons"].problem)
    assert found["of_file"].origin == "file" and "has a channel of this name" in str(found["of_file"].problem)
    directory = ChannelDirectory(operations.settings, ledger)
    assert list(directory.now()) == ["default", "of_file", "letters"]


# --- holds -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["default", ALL])
def test_a_hold_is_felt_at_the_next_claim_and_at_the_next_wire(
    operations: Operations, world: World, which: str
) -> None:
    first, second = world.add_job(["a@example.com", "b@example.com"])
    world.enlist()
    in_hand = world.claimed(first)
    world.execute("UPDATE eed_email SET state = 'queued' WHERE email_id = :id", id=second)
    operations.channels.hold(which, "a wrong letter")
    assert world.delivering.wire(in_hand, 60) is Standing.OVER
    claim = world.claim(second)
    assert (claim.emails, [r.standing for r in claim.refusals]) == ((), [Standing.OVER])
    assert [(world.state(i), world.row(i)["attempts"]) for i in (first, second)] == [("pending", 0)] * 2
    held = ServedChannels("default", frozenset())
    assert world.registry.lease(new_token(), 60, 50, 0, held) == [], "nothing of it is published"
    operations.channels.release(which)
    (leased,) = world.registry.lease(new_token(), 60, 50, 0, held)
    assert [ticket.email_id for ticket in world.registry.pending([leased], 10)] == [first, second]
    assert world.claim(first).emails


def test_a_hold_of_one_channel_is_not_anothers(operations: Operations, world: World) -> None:
    (only,) = world.add_job()
    world.enlist()
    operations.channels.hold("of_file", "their server moves")
    assert world.claim(only).emails


def test_a_hold_with_an_end_is_over_by_itself(operations: Operations, world: World) -> None:
    (only,) = world.add_job()
    world.enlist()
    result = operations.channels.hold("default", "for two hours", 7200)
    assert result.hold.seconds is not None and 7100 < result.hold.seconds < 7201  # SQLite calculates it in days
    assert world.claim(only).emails == ()
    assert world.execute("SELECT COUNT(*) FROM eed_job j, eed_hold h WHERE j.held_until = h.until_at") == [(1,)]
    for table, column in (("eed_hold", "until_at"), ("eed_job", "held_until")):
        world.execute(f"UPDATE {table} SET {column} = '2001-01-01 00:00:00.000000'")
    assert world.claim(only).emails
    assert operations.channels.view("default").hold is None
    assert world.registry.look_at_holds() == [HoldTarget(HoldScope.CHANNEL, "default")]
    assert world.registry.look_at_holds() == []
    assert world.scalar("SELECT held_until FROM eed_job") is None
    acts = world.execute("SELECT act, who, reason FROM eed_audit WHERE act = 'channel_release'")
    assert acts == [("channel_release", "service", "the end of the hold has come")]


def test_a_second_hold_replaces_the_first_and_all_is_released_alone(operations: Operations) -> None:
    channels = operations.channels
    channels.hold("default", "first", 60)
    hold = channels.hold("default", "second").hold
    assert (hold.reason, hold.until_at) == ("second", None)
    channels.hold(ALL, "everything")
    assert [hold.target.subject for hold in channels.release(ALL)] == ["default"]
    with pytest.raises(WrongState, match="no hold of all channels"):
        channels.release(ALL)
    assert channels.release("default") == ()
    with pytest.raises(WrongState, match="the channel default is not held"):
        channels.release("default")


def held_until(world: World) -> list[str | None]:
    return [None if until is None else str(until)[:4] for (until,) in world.execute("SELECT held_until FROM eed_job")]


def test_a_hold_whose_marks_are_missing_is_made_up_for_by_the_publisher(world: World, operations: Operations) -> None:
    """The process that held died between the two, or the job was opened again under the hold."""
    world.add_job()
    world.enlist()
    operations.channels.hold("default", "why")
    world.execute("UPDATE eed_job SET held_until = NULL")
    world.registry.look_at_holds()
    assert held_until(world) == ["9999"]
    world.execute("DELETE FROM eed_hold")
    world.registry.look_at_holds()
    assert held_until(world) == [None]


def test_the_longer_of_two_holds_counts(world: World, operations: Operations) -> None:
    world.add_job()
    world.enlist()
    operations.channels.hold("default", "why", 60)
    operations.channels.hold(ALL, "why")
    assert held_until(world) == ["9999"]
    operations.channels.release(ALL)
    assert held_until(world) not in (["9999"], [None])
    operations.channels.release("default")
    assert held_until(world) == [None]


def test_what_cannot_be_held_is_refused(operations: Operations) -> None:
    with pytest.raises(UnknownKey, match="there is no channel letters"):
        operations.channels.hold("letters", "why")
    with pytest.raises(InvalidRequest):
        operations.channels.hold("default", " ")
    with pytest.raises(InvalidRequest, match="the end of the hold has passed"):
        operations.channels.hold("default", "why", -1)


def test_what_is_on_the_wire_is_counted_by_channel(operations: Operations, world: World) -> None:
    (only,) = world.add_job()
    world.enlist()
    assert world.delivering.wire(world.claimed(only), 60) is None
    assert operations.channels.hold("default", "why").on_wire.emails == 1
    assert operations.channels.on_wire(ALL).emails == 1
    assert operations.channels.on_wire("of_file").emails == 0
    world.execute("UPDATE eed_email SET state = 'sent'")
    assert operations.channels.on_wire(ALL).emails == 0


def test_what_leaves_after_a_hold_is_followed_until_the_wire_is_free(operations: Operations, world: World) -> None:
    ids = world.add_job(["a@example.com", "b@example.com"])
    world.enlist()
    emails = [world.claimed(one) for one in ids]
    for email in emails:
        assert world.delivering.wire(email, 60) is None
    sent = Decision(EmailState.SENT, Outcome(Verdict.SENT, "250 ok", 250), counted=True)
    told: list[int] = []

    def pause() -> None:
        """Each look finds one email less, but for one that finds no change."""
        if len(told) != 2 or pauses.pop():
            world.delivering.record(emails.pop(), sent, 1)

    pauses = [True, False]
    for news in operations.channels.leaving(ALL, pause):
        assert isinstance(news, OnWire)
        told.append(news.emails)
    assert told == [2, 1, 0]
    assert pauses == []
    assert news.last_at is not None


def test_hosts_with_different_settings_of_a_channel_are_named(operations: Operations, world: World) -> None:
    """Their files differ, or one of them has not seen the last change yet."""
    channels, workers = operations.channels, WorkerLedger(world.database)
    ours = operations.channels.view("of_file")
    assert (ours.workers, ours.differing) == (0, ())

    def beats(host: str, mark: str | None, channel: str = "of_file") -> None:
        process = Process(f"{host}:{mark}:{channel}", host, "worker", 2, channel, mark)
        workers.beat(process, sending=True, detail=None, alive_seconds=60)

    beats("a", "file 0 ab")
    beats("b", "file 0 ab")
    beats("b", "file 0 cd", "default")
    assert (channels.view("of_file").workers, channels.view("of_file").differing) == (2, ())
    beats("c", "file 0 cd")
    assert channels.view("of_file").differing == ("a", "b", "c")
    assert channels.view("default").differing == ()
    warning = channels.check("of_file")[-1]
    assert (warning.level, warning.what) == ("warning", "the workers on a, b, c have different settings of it")


# --- which workers are wanted ------------------------------------------------------------------------------------


def test_workers_are_wanted_for_each_channel_that_is_not_held(operations: Operations, world: World) -> None:
    told: list[tuple[WantedWorkers, ...]] = []
    directory = ChannelDirectory(operations.settings, ChannelLedger(world.database))
    watch = ChannelWatch(directory, HoldLedger(world.database), told.append)
    default, of_file = WantedWorkers("default", 1, "file 0"), WantedWorkers("of_file", 1, "file 0")
    channels = operations.channels
    watch.step()
    watch.step()
    assert told == [(default, of_file)], "it is said once"
    # From the change to the process: a look, a pulse to the supervisor, its own round. The rest of 10 s is for a start.
    assert watch.step() + PULSE_SECONDS + PULSE_SECONDS / 2 <= 5
    channels.create(NewChannel("letters", {**LETTERS, "processes": 2}))
    watch.step()
    assert told[-1] == (default, of_file, WantedWorkers("letters", 2, "ledger 1"))
    channels.edit(ChannelEdit("letters", LETTERS, version=1))
    watch.step()
    assert told[-1] == (default, of_file, WantedWorkers("letters", 1, "ledger 2"))
    channels.hold("default", "why")
    watch.step()
    assert [one.channel for one in told[-1]] == ["of_file", "letters"]
    channels.hold(ALL, "why")
    watch.step()
    assert told[-1] == ()
    channels.release(ALL)
    channels.release("default")
    channels.remove("letters")
    watch.step()
    assert told[-1] == (default, of_file)


# --- the command line --------------------------------------------------------------------------------------------


@pytest.fixture
def eed(world: World, tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path, world.url, more=OF_FILE)


def assignments(**more: str) -> list[str]:
    pairs = {
        "host": "127.0.0.1",
        "tls": "none",
        "queue.url": QUEUE["url"],
        "queue.dead_letter_url": QUEUE["dead_letter_url"],
    }
    return [word for pair in {**pairs, **more}.items() for word in ("--set", "=".join(pair))]


def test_a_channel_by_the_command_line(eed: CommandLine, world: World) -> None:
    assert [kind["name"] for kind in eed.json("channel", "kinds")] == ["eml_folder", "ftp", "s3", "ses", "sftp", "smtp"]
    made = eed.json("channel", "create", "letters", "--kind", "smtp", *assignments(port="2525"))
    assert (made["channel"], made["state"], made["version"], made["settings"]["port"]) == (
        "letters",
        "active",
        1,
        "2525",
    )
    changed = eed.json("channel", "edit", "letters", "--set", "threads=3", "--unset", "port", "--version", "1")
    assert (changed["version"], changed["settings"].get("port"), changed["settings"]["threads"]) == (2, None, "3")
    assert "has changed since" in eed.refused("channel", "edit", "letters", "--set", "threads=4", "--version", "1")
    shown = eed.good("channel", "show", "letters")
    assert "version 2" in shown and QUEUE["url"] in shown
    held = eed.good("channel", "hold", "letters", "--for", "2h", "--reason", "their server moves")
    assert held.startswith("channel letters is held until 20")
    listed = {row["channel"]: row for row in eed.json("channel", "list")}
    assert (listed["letters"]["state"], listed["letters"]["hold"]["reason"]) == ("held", "their server moves")
    assert "their server moves" in eed.good("channel", "list")
    assert eed.good("channel", "release", "letters") == "channel letters is released\n"
    assert "channel letters removed" in eed.good("channel", "remove", "letters")
    assert "there is no channel letters" in eed.refused("channel", "show", "letters")
    acts = [row[0] for row in world.execute("SELECT act FROM eed_audit ORDER BY act_id")]
    assert acts == ["channel_create", "channel_edit", "channel_hold", "channel_release", "channel_remove"]


def test_settings_as_json_on_stdin(eed: CommandLine) -> None:
    eed.good("channel", "create", "letters", "--settings", "-", stdin=json.dumps(LETTERS))
    assert eed.json("channel", "show", "letters")["settings"] == LETTERS
    assert "this is not JSON" in eed.refused("channel", "create", "x", "--settings", str(eed.config), code=2)


def test_a_hold_of_everything_says_when_nothing_is_on_the_wire(eed: CommandLine) -> None:
    held = eed.good("channel", "hold", "--all", "--reason", "wrong letter").splitlines()
    assert held == ["all channels are held until the hold is released", "nothing is on the wire. None was sent of late"]
    assert "Name a channel, or use --all" in eed.refused("channel", "hold", "--reason", "x", code=2)
    assert "there is no channel *" in eed.refused("channel", "hold", "*", "--reason", "x")
    assert eed.good("channel", "release", "--all") == "all channels are released\n"


def test_a_wrong_setting_is_a_mistake_in_the_configuration(eed: CommandLine) -> None:
    said = eed.refused("channel", "create", "letters", "--kind", "smtp", *assignments(password="hunter2"), code=78)
    assert "not a reference to a secret" in said and "hunter2" not in said


def test_settings_of_the_file_are_shown_without_secrets(world: World, tmp_path: Path) -> None:
    more = f'[smtp]\nusername = "u"\n{OF_FILE}'
    eed = CommandLine(tmp_path, world.url, more=more)
    eed.environ["EED_SMTP__PASSWORD"] = "hunter2"
    load(eed.config, eed.environ)
    assert "hunter2" not in eed.good("channel", "show", "default") + eed.good("channel", "list", "--json")


PARTNER: dict[str, Any] = {
    "kind": "ftp", "host": "127.0.0.1", "tls": "none", "username": "bank", "password": "env:CHANNEL_PARTNER",
    "directory": "incoming", "queue": QUEUE,
}  # fmt: skip


@pytest.mark.parametrize("under_way", ["job", "manifest"])
@pytest.mark.parametrize(
    ("change", "moved"),
    [
        ({"directory": "elsewhere"}, "directory"),
        ({"host": "localhost", "port": 2121}, "host and port"),
        ({"username": "other"}, "username"),
        ({"kind": "smtp"}, "kind"),
        ({"port": 21, "threads": 3, "verify": "hash"}, None),
    ],
)
def test_a_channel_gets_no_other_root_while_its_jobs_put_files_there(
    operations: Operations, world: World, under_way: str, change: dict[str, Any], moved: str | None
) -> None:
    channels = operations.channels
    channels.create(NewChannel("partner", PARTNER))
    world.add_job()
    world.enlist()
    world.execute("UPDATE eed_job SET channel = 'partner'")
    if under_way == "manifest":
        world.execute("UPDATE eed_job SET finished_at = created_at")
        world.execute(
            "INSERT INTO eed_manifest (job_id, round, number, channel, wanted_at)"
            f" VALUES (1, 1, 1, 'partner', {world.now})"
        )
    changed = {**PARTNER, **change}
    if change.get("kind") == "smtp":
        changed = {**LETTERS}
    edit = ChannelEdit("partner", changed, version=1)
    if moved is not None:
        with pytest.raises(WrongState, match=f"^{moved}: the channel partner would put files elsewhere"):
            channels.edit(edit)
        assert channels.view("partner").version == 1
        edit = replace(edit, force=True)
    assert channels.edit(edit).version == 2


def test_a_channel_without_jobs_gets_another_root(operations: Operations) -> None:
    channels = operations.channels
    channels.create(NewChannel("partner", PARTNER))
    assert channels.edit(ChannelEdit("partner", {**PARTNER, "directory": "new"}, version=1)).version == 2


def test_a_job_that_comes_during_a_change_of_root_stops_it(operations: Operations, world: World) -> None:
    operations.channels.create(NewChannel("partner", PARTNER))
    world.add_job()
    world.enlist()
    world.execute("UPDATE eed_job SET channel = 'partner'")
    ledger = ChannelLedger(world.database)
    assert ledger.change("partner", {**PARTNER, "directory": "new"}, 1, only_unused=True) is ChannelChange.IN_USE
    assert ledger.all()["partner"].version == 1
