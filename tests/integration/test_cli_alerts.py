"""`eed-delivery alerts`: what is listed, and what a test sends by each way."""

import email
import email.policy
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from eed_delivery.ledger.alerts.turns import AlertLedger, AlertThreshold
from tests.command_line import CommandLine
from tests.servers import free_port
from tests.servers.alert_receiver import AlertReceiver
from tests.servers.ministack import REGION, MiniStack
from tests.servers.ses_stub import SesStub
from tests.servers.smtp_server import SmtpServer
from tests.world import World

_numbers = itertools.count(1)
RULES = """
[alerts]
service = "bank"
sender = "eed@example.com"
sns_endpoint_url = "{endpoint}"
[alerts.audience.devops]
email = ["oncall@example.com", "boss@example.com"]
[alerts.audience.dev]
webhook = ["{webhook}/{{token}}"]
sns = ["{topic}"]
[[alerts.rule]]
name = "breaker"
word = "breaker_open"
level = "error"
audience = ["dev", "devops"]
[[alerts.rule]]
name = "slow"
regex = "slow|late"
count = 20
window_seconds = 60
audience = "devops"
[[alerts.fact]]
name = "doubts"
fact = "in_doubt"
at_least = 1
audience = "dev"
"""


@pytest.fixture
def receiver() -> Iterator[AlertReceiver]:
    with AlertReceiver() as receiver:
        yield receiver


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(f"sqlite:///{tmp_path}/ledger.sqlite3")
    yield world
    world.close()


@pytest.fixture
def topic(ministack: MiniStack) -> tuple[str, str]:
    """A topic, and the queue that gets what is published to it."""
    sns, sqs, number = ministack.client("sns"), ministack.client("sqs"), next(_numbers)
    arn = sns.create_topic(Name=f"cli-alerts-{number}")["TopicArn"]
    queue = sqs.create_queue(QueueName=f"cli-alerts-{number}")["QueueUrl"]
    queue_arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=queue_arn)
    return arn, queue


@pytest.fixture
def eed(
    world: World, tmp_path: Path, receiver: AlertReceiver, ministack: MiniStack, topic: tuple[str, str]
) -> CommandLine:
    rules = RULES.format(endpoint=ministack.endpoint_url, webhook=receiver.url, topic=topic[0])
    assert f":{REGION}:" in topic[0]
    eed = CommandLine(tmp_path, world.url, more=rules)
    eed.environ["EED_ALERTS__WEBHOOK_TOKEN"] = "s3cret"
    return eed


def through_smtp(eed: CommandLine, port: int) -> None:
    smtp = {"HOST": "127.0.0.1", "PORT": str(port), "TLS": "none"}
    eed.environ |= {"EED_TRANSPORT__KIND": "smtp", **{f"EED_SMTP__{name}": value for name, value in smtp.items()}}


def test_rules_are_listed_with_what_they_look_for_and_when_they_were_told(eed: CommandLine, world: World) -> None:
    ledger = AlertLedger(world.database, 60)
    ledger.ask(AlertThreshold("breaker", 1, 60, 900), 1)
    ledger.ask(AlertThreshold("breaker", 1, 60, 900), 3)
    lines = eed.good("alerts", "list").splitlines()
    assert [line.split()[0] for line in lines] == ["RULE", "breaker", "slow", "doubts"]
    assert lines[1].split()[-1] == "3"
    assert "slow|late/, 20 times in 60 s" in lines[2]
    assert "in_doubt >= 1" in lines[3]
    assert "never" in lines[3]
    listed = eed.json("alerts", "list")
    assert (listed[0]["times_since_then"], listed[0]["last_alert_at"][-1]) == (3, "Z")
    assert listed[1]["last_alert_at"] is None


def test_without_rules_it_says_so(world: World, tmp_path: Path) -> None:
    bare = CommandLine(tmp_path, world.url)
    assert "There are no rules" in bare.good("alerts", "list")
    assert bare.json("alerts", "list") == []
    assert "none yet" in bare.refused("alerts", "test", "breaker")


def test_rules_are_listed_while_the_database_is_away(eed: CommandLine) -> None:
    eed.environ["EED_DATABASE__URL"] = f"mysql+pymysql://eed@127.0.0.1:{free_port()}/delivery"
    result = eed("alerts", "list")
    assert result.exit_code == 0
    assert "breaker" in result.stdout
    assert "cannot be read" in result.stderr


def test_a_test_goes_by_every_way_of_the_rule_and_says_that_it_is_one(
    eed: CommandLine, world: World, receiver: AlertReceiver, ministack: MiniStack, topic: tuple[str, str]
) -> None:
    with SmtpServer() as mail:
        through_smtp(eed, mail.port)
        shown = eed.good("alerts", "test", "breaker")
        assert shown.count("handed over") == 4
        assert "s3cret" not in shown
        assert {one.recipient for one in mail.received} == {"oncall@example.com", "boss@example.com"}
        message = email.message_from_bytes(mail.received[0].content, policy=email.policy.default)
    assert message["Subject"].startswith("[bank] TEST, error:")
    assert "This is a test" in message.get_content()
    (posted,) = receiver.posted
    assert (posted.path, posted.alert["test"], posted.alert["rule"]) == ("/s3cret", True, "breaker")
    (published,) = ministack.client("sqs").receive_message(QueueUrl=topic[1], WaitTimeSeconds=5)["Messages"]
    assert json.loads(published["Body"])["MessageAttributes"]["test"]["Value"] == "true"
    assert world.scalar("SELECT COUNT(*) FROM eed_alert") == 0, "a test uses up nobody's cool-down"


def test_a_way_that_fails_is_named_the_others_are_tried_and_the_exit_code_is_1(
    eed: CommandLine, receiver: AlertReceiver
) -> None:
    through_smtp(eed, free_port())
    receiver.answers = [503, 503]
    result = eed("alerts", "test", "breaker")
    assert result.exit_code == 1
    assert "it answered 503" in result.stdout
    assert result.stdout.count("cannot connect") == 2
    assert result.stdout.count("handed over") == 1
    assert "3 of 4 receivers did not accept the test alert" in result.stderr
    tried: Any = json.loads(eed("alerts", "test", "doubts", "--json").stdout)
    assert sorted(bool(one["problem"]) for one in tried) == [False, True]


def test_a_rule_that_is_not_there_is_refused_with_those_that_are(eed: CommandLine) -> None:
    assert "breaker, slow, doubts" in eed.refused("alerts", "test", "braker")


def test_through_ses_no_event_about_an_alert_comes_back_as_one_about_an_email(eed: CommandLine) -> None:
    with SesStub() as ses:
        eed.environ |= {
            "EED_TRANSPORT__KIND": "ses",
            "EED_SES__ENDPOINT_URL": ses.endpoint_url,
            "EED_SES__CONFIGURATION_SET": "statements",
        }
        eed.good("alerts", "test", "slow")
        assert [one.recipients for one in ses.taken] == [("oncall@example.com",), ("boss@example.com",)]
        assert {one.configuration_set for one in ses.taken} == {None}


def test_in_a_rehearsal_an_alert_is_a_file(eed: CommandLine) -> None:
    eed.good("alerts", "test", "slow")
    assert len(list(eed.emails.glob("*.eml"))) == 2


def test_rules_are_printed_for_terraform_and_what_cloudwatch_cannot_find_is_said(eed: CommandLine) -> None:
    refused = eed("alerts", "terraform")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "error: CloudWatch has no pattern for rule slow: its regex is more than members" in refused.stderr
    printed = eed("alerts", "terraform", "--leave-out")
    assert printed.exit_code == 0
    assert printed.stderr.startswith("warning: CloudWatch has no pattern for rule slow")
    (rule,) = json.loads(printed.stdout)["alert_rules"].items()
    assert (rule[0], rule[1]["audience"], rule[1]["count"]) == ("breaker", ["dev", "devops"], 1)
    assert rule[1]["pattern"].startswith('"breaker_open" -')
