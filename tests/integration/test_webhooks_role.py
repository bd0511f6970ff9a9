"""The role `webhooks` as real processes: killed between the POST and its record, two at once, under `run`; and its
commands."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from eed_delivery.cli import cli
from eed_delivery.config import load
from eed_delivery.ledger.webhooks.outbox import Outbox
from eed_delivery.notices import Notice, NoticeKind
from tests.integration.conftest import NewStack
from tests.servers.smtp_server import Say
from tests.servers.webhook_receiver import SECRET, Handler, Receiver, Told, answering, each, hanging, taking
from tests.service_process import ServiceProcess
from tests.waiting import until as looked_until
from tests.world import World

PATIENCE = 120
until = partial(looked_until, seconds=PATIENCE)
CONFIG = """
[aws]
region = "us-east-2"
[queue]
url = "http://127.0.0.1:9/queue"
[rendering]
message_id_domain = "mail.example.com"
[webhooks]
url = "{hooks}"
timeout_seconds = 5
retry_delay_seconds = 1
"""


class House:
    """A host with the role on it, and the world it works in."""

    def __init__(self, url: str, receiver: Receiver, directory: Path) -> None:
        self.world = World(url)
        self.config = directory / "eed.toml"
        self.config.write_text(CONFIG.format(hooks=receiver.url))
        self.environ = {"EED_WEBHOOKS__SECRET": SECRET, "EED_DATABASE__URL": url}
        self._directory = directory
        self._outbox = Outbox.of(load(self.config, self.environ).webhooks)
        self._services: list[ServiceProcess] = []

    def start(self) -> ServiceProcess:
        log = self._directory / f"{len(self._services)}.log"
        service = ServiceProcess(("webhooks", "run"), self.config, self.environ, log)
        self._services.append(service)
        return service

    def close(self) -> None:
        for service in self._services:
            service.kill()
        self.world.close()

    def put(self, count: int) -> None:
        notices = [Notice(NoticeKind.JOB_PAUSED, 1, facts={"n": n}) for n in range(count)]
        self.world.database.run(lambda c: self._outbox.put(c, notices))

    def states(self) -> dict[str, int]:
        return dict(self.world.execute("SELECT state, COUNT(*) FROM eed_webhook GROUP BY state"))

    def let_leases_run_out(self) -> None:
        past = "UTC_TIMESTAMP(6) - INTERVAL 1 MINUTE"  # and no older: what is too old is given up
        self.world.execute(f"UPDATE eed_webhook SET due_at = {past} WHERE state = 'waiting'")

    def command(self, *words: str) -> Result:
        return CliRunner().invoke(cli, ["webhooks", *words, "--config", str(self.config)], env=self.environ)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running
        assert running.forged == []


@pytest.fixture
def house(database_url: str, receiver: Receiver, tmp_path: Path) -> Iterator[House]:
    house = House(database_url, receiver, tmp_path)
    yield house
    house.close()


@pytest.fixture
def desk(receiver: Receiver, tmp_path: Path) -> Iterator[House]:
    """For commands alone."""
    house = House(f"sqlite:///{tmp_path}/ledger.sqlite3", receiver, tmp_path)
    yield house
    house.close()


def test_killed_between_the_post_and_its_record_it_is_told_twice_with_one_id(house: House, receiver: Receiver) -> None:
    """kill -9 while the receiver has the whole request in hand: it takes it, and nobody hears that."""
    house.put(1)
    struck: list[str] = []

    def strike(handler: Handler, told: Told) -> None:
        struck.append(told.message_id)
        first.kill()
        handler.close_connection = True

    receiver.behave = each(strike, taking)
    first = house.start()
    until(lambda: not first.running)
    assert struck == [receiver.told[0].message_id]
    house.let_leases_run_out()
    second = house.start()
    until(lambda: house.states() == {"done": 1}, second.tail)
    assert receiver.ids() == {struck[0]: 2}
    assert receiver.told[0].body == receiver.told[1].body


def test_killed_again_and_again_nothing_is_lost(house: House, receiver: Receiver) -> None:
    house.put(120)
    lives: list[ServiceProcess] = []
    ends = (7, 40, 90)

    def strike_now_and_then(handler: Handler, told: Told) -> None:
        if len(receiver.told) >= ends[len(lives) - 1]:
            lives[-1].kill()
        taking(handler, told)

    receiver.behave = strike_now_and_then
    for _ in ends:
        lives.append(house.start())
        until(lambda: not lives[-1].running, lambda: f"{len(receiver.told)} {house.states()} {lives[-1].tail()}")
        house.let_leases_run_out()
    receiver.behave = taking
    service = house.start()
    until(lambda: house.states() == {"done": 120}, service.tail)
    assert len(receiver.ids()) == 120
    assert service.terminate() == 0


def test_two_at_once_never_tell_the_same_one_at_the_same_time(house: House, receiver: Receiver) -> None:
    ports = set()

    def behave(handler: Handler, told: Told) -> None:
        ports.add(handler.client_address[1])
        if int(told.said["data"]["n"]) % 17 == 3 and receiver.ids()[told.message_id] == 1:
            handler.answer(500)
        else:
            taking(handler, told)

    receiver.behave = behave
    services = [house.start(), house.start()]
    until(lambda: all(s.log_events("ready") for s in services))
    house.put(600)
    until(lambda: house.states() == {"done": 600}, services[0].tail)
    assert receiver.together == 1
    assert len(receiver.taken) == len(set(receiver.taken)) == 600
    assert len(ports) > 2
    assert [service.terminate() for service in services] == [0, 0]


def test_it_stops_in_good_order_while_the_receiver_hangs(house: House, receiver: Receiver) -> None:
    receiver.behave = hanging
    house.put(3)
    service = house.start()
    until(lambda: bool(receiver.told))
    assert service.terminate() == 0
    assert house.world.execute("SELECT DISTINCT state, token FROM eed_webhook") == [("waiting", None)]


def test_run_tells_what_becomes_of_a_job(new_stack: NewStack, receiver: Receiver) -> None:
    stack = new_stack({"webhooks.url": receiver.url, "worker.processes": 1}, environ={"EED_WEBHOOKS__SECRET": SECRET})
    stack.mail_up().on("RCPT", Say("550 5.1.1 b@example.com is nobody"), recipient="b@example.com")
    _, second = stack.add_job(["a@example.com", "b@example.com"])
    service = stack.start("run")
    until(lambda: "job.finished" in receiver.types(), service.tail)
    until(lambda: len(receiver.told) == 3)
    by_type = {told.type: told.said["data"] for told in receiver.told}
    assert by_type.keys() == {"job.registered", "email.failed", "job.finished"}
    assert by_type["email.failed"] == {"job": "1", "email": str(second), "gen": 0, "code": 550, "enhanced": "5.1.1"}
    assert by_type["job.finished"] == {
        "job": "1",
        "state": "finished",
        "total": 2,
        "emails": {"sent": 1, "failed": 1},
        "refused": 0,
    }
    assert service.terminate() == 0


# --- the commands --------------------------------------------------------------------------------------------------


def test_the_list_says_how_the_endpoint_is_doing_and_what_was_given_up(desk: House) -> None:
    assert desk.command("list").output.splitlines() == ["up", "0 waiting, 0 done, 0 failed"]
    desk.put(2)
    desk.world.execute("UPDATE eed_webhook SET state = 'failed', status = 500, answer = 'no' WHERE webhook_id = 1")
    lines = desk.command("list").output.splitlines()
    assert lines[:3] == ["up", "1 waiting, 0 done, 1 failed", ""]
    assert lines[3].split() == ["ID", "KIND", "JOB", "EMAIL", "TRIES", "OCCURRED", "NEXT", "STATUS", "ANSWER"]
    assert len(lines) == 5
    assert lines[4].startswith("msg_1_")
    found = json.loads(desk.command("list", "--state", "waiting", "--json").output)
    assert found["counts"] == {"failed": 1, "waiting": 1}
    assert [one["kind"] for one in found["webhooks"]] == ["job.paused"]
    assert found["endpoint"]["down"] is False


def test_what_was_given_up_is_told_again_by_a_command(desk: House) -> None:
    desk.put(3)
    desk.world.execute("UPDATE eed_webhook SET state = 'failed'")
    ids = [one["message_id"] for one in json.loads(desk.command("list", "--json").output)["webhooks"]]
    done = desk.command("retry", ids[0])
    assert (done.exit_code, done.output) == (0, f"{ids[0]} will be sent again\n")
    refused = desk.command("retry", ids[0])
    assert (refused.exit_code, ids[0] in refused.output) == (1, True)
    assert desk.command("retry", "--all").output == "2 will be sent again\n"
    assert desk.states() == {"waiting": 3}
    for words in ((), (ids[0], "--all")):
        assert desk.command("retry", *words).exit_code == 2


def test_a_test_is_told_and_its_answer_shown(desk: House, receiver: Receiver) -> None:
    done = desk.command("test")
    assert (done.exit_code, done.output) == (0, "accepted: 200: thank you\n")
    (told,) = receiver.told
    assert told.type == "webhook.test"
    assert desk.states() == {}


def test_a_test_that_is_taken_ends_a_pause_and_one_that_is_not_does_not(desk: House, receiver: Receiver) -> None:
    desk.command("list")
    desk.world.execute("UPDATE eed_webhook_endpoint SET paused_at = '2026-11-23 08:00:00.000000', reason = 'moved'")
    assert desk.command("list").output.startswith(
        "paused since 2026-11-23T08:00:00Z, because it answered that it is gone (moved)."
    )
    receiver.behave = answering(410, b"gone")
    refused = desk.command("test")
    assert (refused.exit_code, "410: gone" in refused.output) == (1, True)
    assert desk.command("list").output.startswith("paused")
    receiver.behave = taking
    assert desk.command("test").output.splitlines()[1] == "its pause has ended"
    assert desk.command("list").output.startswith("up\n")


@pytest.mark.parametrize("words", [("test",), ("run",)])
def test_without_a_url_there_is_nobody_to_be_told(desk: House, words: Any) -> None:
    desk.config.write_text(desk.config.read_text().partition("[webhooks]")[0])
    refused = desk.command(*words)
    assert (refused.exit_code, "webhooks.url" in refused.output) == (78, True)
    assert desk.command("list").output.startswith("webhooks.url is not set")


def test_a_url_without_a_secret_is_a_mistake(desk: House) -> None:
    del desk.environ["EED_WEBHOOKS__SECRET"]
    refused = desk.command("list")
    assert (refused.exit_code, "webhooks.url and webhooks.secret" in refused.output) == (78, True)


def test_a_job_that_pauses_itself_says_codes_and_nobody_s_words(new_stack: NewStack) -> None:
    """The mail server's reply names a customer and her account: an operator may read it, another system may not."""
    settings = {
        "webhooks.url": "https://127.0.0.1:9/",
        "worker.same_answer_limit": 3,
        "worker.same_answer_window": 6,
    }
    stack = new_stack(settings, environ={"EED_WEBHOOKS__SECRET": SECRET})
    stack.mail_up().on("dot", Say("554 5.6.0 <anna.mueller@example.com>: account 'DE89370400440532013000' is closed"))
    stack.add_job([f"c{n}@example.com" for n in range(12)])
    stack.start("run")
    paused = "SELECT COUNT(*) FROM eed_job WHERE state = 'paused'"
    stack.wait_until(lambda: stack.world.scalar(paused) == 1, "it pauses itself")
    assert "DE89370400440532013000" in stack.world.scalar("SELECT reason FROM eed_job")
    facts = stack.world.scalar("SELECT facts FROM eed_webhook WHERE kind = 'job.paused'")
    assert json.loads(facts)["reason"].endswith("were refused alike: 554 5.6.0")
