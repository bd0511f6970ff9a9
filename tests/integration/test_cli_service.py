"""The commands that need the rest of the world: check, queue init, and the service itself in real processes."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import make_url

from eed_delivery import __version__
from eed_delivery.cli import cli
from eed_delivery.database.engine import make_engine
from eed_delivery.database.transactions import Database
from eed_delivery.model import Ticket
from eed_delivery.queue import Queue
from tests.command_line import CommandLine
from tests.servers import free_port
from tests.servers.ministack import MiniStack
from tests.servers.webhook_receiver import SECRET
from tests.waiting import until as looked_until
from tests.world import World

SOON = 60


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(f"sqlite:///{tmp_path}/ledger.sqlite3")
    yield world
    world.close()


@pytest.fixture
def eed(world: World, tmp_path: Path, ministack: MiniStack, queue_urls: tuple[str, str]) -> CommandLine:
    return CommandLine(tmp_path, world.url, queue_urls, ministack.endpoint_url)


def until(world: World, statement: str, wanted: object) -> None:
    """Ask the database until it answers so."""
    looked_until(
        lambda: world.scalar(statement) == wanted,
        lambda: f"{statement} never came to {wanted!r}, but is {world.scalar(statement)!r}",
        SOON,
    )


# --- check -------------------------------------------------------------------------------------------------------


def test_check_gives_each_part_its_verdict(eed: CommandLine) -> None:
    answer = eed.json("check")
    assert answer["ok"] is True
    where = [finding["where"] for finding in answer["findings"] if finding["level"] == "ok"]
    for part in ("configuration", "database", "ledger", "queue", "queue.dead_letter_url", "transport eml_folder"):
        assert part in where
    assert "0 error" in eed.good("check").splitlines()[-1]
    assert "This is a rehearsal" in eed.good("check")


def test_check_goes_on_after_an_error(tmp_path: Path) -> None:
    eed = CommandLine(tmp_path, f"sqlite:///{tmp_path}/empty.sqlite3")
    eed.files.rmdir()
    eed.emails.write_text("a file where a directory should be")
    result = eed("check", "--json")
    assert result.exit_code == 1
    answer = json.loads(result.stdout)
    assert answer["ok"] is False
    errors = {finding["where"]: finding for finding in answer["findings"] if finding["level"] == "error"}
    assert errors["ledger"]["remedy"] == "Run eed-delivery db init."
    assert "does not answer" in errors["queue"]["what"]
    assert "does not answer" in errors["queue.dead_letter_url"]["what"]
    assert "eml_folder" in errors["transport eml_folder"]["what"]
    assert "not a directory" in errors["rendering.attachments_root"]["what"]


def test_check_says_when_the_database_is_away(tmp_path: Path) -> None:
    eed = CommandLine(tmp_path, "mysql+pymysql://eed@127.0.0.1:1/delivery")
    errors = {f["where"]: f["what"] for f in json.loads(eed("check", "--json").stdout)["findings"]}
    assert "does not answer" in errors["database"]


def test_check_looks_into_the_redrive_policy(
    eed: CommandLine, ministack: MiniStack, queue_urls: tuple[str, str]
) -> None:
    sqs = ministack.client("sqs")
    arn = sqs.get_queue_attributes(QueueUrl=queue_urls[1], AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    other = sqs.create_queue(QueueName=f"{queue_urls[1].rpartition('/')[2]}-other")["QueueUrl"]

    def verdict(count: int, target: str) -> str:
        policy = json.dumps({"deadLetterTargetArn": target, "maxReceiveCount": count})
        attributes = {"RedrivePolicy": policy, "MessageRetentionPeriod": "3600"}
        sqs.set_queue_attributes(QueueUrl=queue_urls[0], Attributes=attributes)
        return eed("check").stdout

    assert "not more than worker.max_attempts = 3" in verdict(3, arn)
    assert "Make the two the same" in (told := verdict(9, arn))
    assert "drops messages after 0.0 days" in told
    assert "Dead letters would not be seen" in verdict(10, arn + "-other")
    sqs.send_message(QueueUrl=queue_urls[1], MessageBody="x")
    assert "about 1 dead letters are in it" in verdict(10, arn)
    eed.config.write_text(eed.config.read_text().replace(queue_urls[0], other))
    assert "it has no RedrivePolicy" in eed("check").stdout
    without = [line for line in eed.config.read_text().splitlines() if "dead_letter_url" not in line]
    eed.config.write_text("\n".join(without))
    assert "stay queued for long" in eed("check").stdout


def test_db_check_has_a_verdict_for_each_table(eed: CommandLine) -> None:
    answer = eed.json("db", "check")
    assert answer["ok"] is True
    text = eed.good("db", "check")
    assert text.splitlines()[0].split() == ["VERDICT", "WHERE", "WHAT"]
    assert "delivery_email: " in text
    eed.config.write_text(eed.config.read_text() + '[source.email]\nrecipient = "mail"\n')
    result = eed("db", "check")
    assert result.exit_code == 1
    assert "mail" in result.stdout


def test_db_check_tells_what_became_of_a_jdbc_url(database_url: str, tmp_path: Path) -> None:
    url = make_url(database_url)
    password = f"&password={url.password}" if url.password else ""
    jdbc = f"jdbc:mysql://{url.host}:{url.port}/{url.database}?user={url.username}{password}&autoReconnect=true"
    eed = CommandLine(tmp_path, jdbc)
    eed.good("db", "init", "--with-source")
    assert any(
        "autoReconnect" in finding["what"] for finding in json.loads(eed("db", "check", "--json").stdout)["findings"]
    )


def test_db_init_may_be_repeated_and_makes_no_source_unless_asked(tmp_path: Path) -> None:
    eed = CommandLine(tmp_path, f"sqlite:///{tmp_path}/new.sqlite3")
    assert eed.good("db", "init") == eed.good("db", "init")
    database = Database(make_engine(make_url(f"sqlite:///{tmp_path}/new.sqlite3"), connections=1))
    tables = database.run(lambda c: set(c.exec_driver_sql("SELECT name FROM sqlite_master").scalars()))
    assert "eed_email" in tables
    assert "delivery_email" not in tables
    database.close()


def test_queue_init_makes_both_queues_and_corrects_them(world: World, tmp_path: Path, ministack: MiniStack) -> None:
    endpoint = ministack.endpoint_url
    urls = (f"{endpoint}/000000000000/cli-mail", f"{endpoint}/000000000000/cli-mail-buried")
    eed = CommandLine(tmp_path, world.url, urls, endpoint)
    assert "about 0 messages" not in eed("check").stdout
    made = eed.json("queue", "init")
    assert made["url"].endswith("/cli-mail")
    assert made["dead_letter_url"].endswith("/cli-mail-buried")
    sqs = ministack.client("sqs")
    sqs.set_queue_attributes(QueueUrl=made["url"], Attributes={"VisibilityTimeout": "5"})
    assert "queue.url" in eed.good("queue", "init")
    facts = sqs.get_queue_attributes(QueueUrl=made["url"], AttributeNames=["All"])["Attributes"]
    assert (facts["VisibilityTimeout"], facts["MessageRetentionPeriod"]) == ("120", "1209600")
    assert json.loads(facts["RedrivePolicy"])["maxReceiveCount"] in (10, "10")


def test_queue_init_names_urls_that_differ(world: World, tmp_path: Path, ministack: MiniStack) -> None:
    urls = ("https://elsewhere.example/1/mail2", "https://elsewhere.example/1/mail2-dead")
    eed = CommandLine(tmp_path, world.url, urls, ministack.endpoint_url)
    assert '[queue] url = "' in eed.good("queue", "init")


def test_queue_init_leaves_aws_alone(eed: CommandLine, tmp_path: Path) -> None:
    kept = [line for line in eed.config.read_text().splitlines() if "endpoint_url" not in line]
    eed.config.write_text("\n".join(kept))
    assert "--on-aws" in eed.refused("queue", "init")


def test_queue_init_without_a_queue_service(tmp_path: Path) -> None:
    eed = CommandLine(tmp_path, f"sqlite:///{tmp_path}/x.sqlite3")
    eed.good("db", "init")
    assert "the queue cannot be made" in eed.refused("queue", "init", code=69)


# --- the service -------------------------------------------------------------------------------------------------


def test_the_service_sends_a_submitted_job_and_stops_at_sigterm(world: World, eed: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "body.txt").write_text("Dear {{ recipient_name }}")
    (tmp_path / "r.csv").write_text("email,name\na@example.com,A\nb@example.com,B\n")
    with (tmp_path / "log").open("wb") as log:
        service = eed.process("run", stdout=log, stderr=log)
    try:
        words = ("--name", "n", "--sender", "s@example.com", "--subject", "Hello", "--text", str(tmp_path / "body.txt"))
        key = eed.good("submit", *words, "--recipients", str(tmp_path / "r.csv")).strip()
        until(world, "SELECT COUNT(*) FROM eed_email WHERE state = 'sent'", 2)
        assert "balanced: 2 = 2 sent" in eed.good("job", key, "--watch")
        roles = {"publisher", "sweeper", "worker", "channels"}
        until(world, "SELECT COUNT(DISTINCT role) FROM eed_worker", len(roles))  # each says so by the side of its work
        assert {process["role"] for process in eed.json("processes")} == roles
    finally:
        os.kill(service.pid, signal.SIGTERM)
        assert service.wait(SOON) == 0, (tmp_path / "log").read_text()
    assert len(list(eed.emails.glob("*.eml"))) == 2


def test_each_role_has_its_row_while_it_lives(
    world: World, eed: CommandLine, tmp_path: Path, ministack: MiniStack
) -> None:
    places = {"bounces.listen": "", "web.listen": "", "operators.listen": ""}
    places = {f"{role}.listen": f"127.0.0.1:{free_port()}" for role in ("bounces", "web", "operators")}
    more = {
        **places,
        "bounces.address": "bounce+{}@mail.example.com",
        "bounces.secret": "b" * 40,
        "web.base_url": "https://links.example.com",
        "web.secret": "w" * 40,
        "operators.secret": "o" * 40,
        "webhooks.url": "https://hooks.example.com/x",
        "webhooks.secret": SECRET,
        "tracking.events_queue_url": ministack.make_queue("events-of-all-roles")[0],
        "resolver.log": str(tmp_path / "mail.log"),
        "transport.archive.url": str(tmp_path / "archive"),
        "transport.archive.spool": str(tmp_path / "spool"),
        "worker.heartbeat_seconds": "1",
    }
    eed.environ |= {"EED_" + name.upper().replace(".", "__"): value for name, value in more.items()}
    with (tmp_path / "log").open("wb") as log:
        service = eed.process("run", stdout=log, stderr=log)
    roles = {
        "archive",
        "bounces",
        "channels",
        "events",
        "operators",
        "publisher",
        "resolver",
        "sweeper",
        "web",
        "webhooks",
        "worker",
    }
    try:
        looked_until(
            lambda: {row[0] for row in world.execute("SELECT role FROM eed_worker")} >= roles,
            lambda: f"{world.execute('SELECT role FROM eed_worker')} {(tmp_path / 'log').read_text()[-3000:]}",
            SOON,
        )
        seen = eed.json("processes")
        assert {process["role"] for process in seen} == roles
        assert {(process["version"], len(process["config"]), *process["differs"]) for process in seen} == {
            (__version__, 12)
        }
    finally:
        os.kill(service.pid, signal.SIGTERM)
        assert service.wait(SOON) == 0, (tmp_path / "log").read_text()
    assert world.execute("SELECT role FROM eed_worker") == []


def test_a_setting_under_an_old_name_is_reported_by_check_and_at_the_start(eed: CommandLine, tmp_path: Path) -> None:
    old = eed.config.read_text().replace('"eml_folder"', '"outbox"').replace("[eml_folder]", "[outbox]")
    eed.config.write_text(old)
    renamed = ("[outbox]", 'transport.kind = "outbox"')
    warned = {f["where"]: f["remedy"] for f in eed.json("check")["findings"] if f["level"] == "warning"}
    assert [warned[where] for where in renamed] == ["Write [eml_folder].", 'Write "eml_folder".']
    worker = eed.process("worker", "--drain", stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    said = [json.loads(line) for line in worker.communicate(timeout=SOON)[0].splitlines()]
    assert [line["setting"] for line in said if line["event"] == "setting_renamed"] == list(renamed)


def test_each_role_alone_and_a_worker_that_drains(
    world: World, eed: CommandLine, tmp_path: Path, ministack: MiniStack, queue_urls: tuple[str, str]
) -> None:
    sent = world.add_job()
    world.enlist(1)
    # As if published: else the publisher sends a second message, and the drain may have to wait out its lease.
    world.execute("UPDATE eed_email SET state = 'queued'")
    published = world.add_job(job_id=2)
    Queue(ministack.client("sqs"), queue_urls[0]).publish([Ticket(sent[0], 0, 0, "1")])
    with (tmp_path / "log").open("wb") as log:
        started = [eed.process(*words, stdout=log, stderr=log) for words in (["publisher"], ["sweeper"])]
        worker = eed.process("worker", "--drain", stdout=log, stderr=log)
        try:
            assert worker.wait(SOON) == 0
            assert world.state(sent[0]) == "sent"
            until(world, "SELECT state FROM eed_job WHERE job_id = 1", "finished")  # by the sweeper
            until(world, f"SELECT COUNT(*) FROM eed_email WHERE email_id = {published[0]} AND state <> 'pending'", 1)
        finally:
            for process in started:
                os.kill(process.pid, signal.SIGTERM)
            for process in started:
                assert process.wait(SOON) == 0, (tmp_path / "log").read_text()


def test_the_service_does_not_start_without_its_tables(tmp_path: Path) -> None:
    eed = CommandLine(tmp_path, f"sqlite:///{tmp_path}/empty.sqlite3")
    process = eed.process("run", stdout=-1, stderr=-1)
    _, told = process.communicate(timeout=SOON)
    assert process.returncode == 78
    assert b"Run eed-delivery db init." in told


def test_check_tells_what_ses_allows(eed: CommandLine, ministack: MiniStack) -> None:
    eed.environ |= {"EED_TRANSPORT__KIND": "ses", "EED_SES__ENDPOINT_URL": ministack.endpoint_url}
    findings = json.loads(eed("check", "--json").stdout)["findings"]
    assert any("SES allows" in finding["what"] for finding in findings if finding["where"] == "transport ses")


def test_check_looks_at_the_queue_of_events(eed: CommandLine, ministack: MiniStack) -> None:
    assert "are not tracked" in eed.good("check")
    plain = ministack.client("sqs").create_queue(QueueName="events-without-redrive")["QueueUrl"]
    eed.environ |= {"EED_TRANSPORT__KIND": "ses", "EED_SES__ENDPOINT_URL": ministack.endpoint_url}
    eed.environ["EED_TRACKING__EVENTS_QUEUE_URL"] = plain
    findings = json.loads(eed("check", "--json").stdout)["findings"]
    told = [(f["level"], f["what"]) for f in findings if f["where"] == "tracking.events_queue_url"]
    assert [level for level, _ in told] == ["ok", "warning", "warning"]
    assert "RedrivePolicy" in told[1][1]
    assert "configuration_set" in told[2][1]
    eed.environ["EED_SES__CONFIGURATION_SET"] = "set"
    eed.environ["EED_TRACKING__EVENTS_QUEUE_URL"] = ministack.make_queue("events-with-redrive")[0]
    findings = json.loads(eed("check", "--json").stdout)["findings"]
    assert [f["level"] for f in findings if f["where"] == "tracking.events_queue_url"] == ["ok"]


def test_the_demo_is_loaded_only_when_it_is_called() -> None:
    told = subprocess.run(
        [sys.executable, "-c", "import sys, eed_delivery.cli; print('eed_delivery.demo' in sys.modules)"],
        capture_output=True,
        check=True,
    )
    assert told.stdout == b"False\n"
    result = CliRunner().invoke(cli, ["demo", "--help"])
    assert result.exit_code == 0
    assert "Usage: cli demo" in result.stdout
