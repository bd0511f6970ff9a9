"""The ways out of an alert, each against a real server: a mail server, SNS, an HTTP receiver."""

import email
import email.policy
import itertools
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from eed_delivery.alerts.alert import Alert
from eed_delivery.alerts.outgoing import WAITING, Outgoing
from eed_delivery.alerts.receivers import EmailReceiver, NotHandedOver, SnsReceiver, WebhookReceiver
from eed_delivery.config import SmtpSettings
from eed_delivery.transports.smtp.transport import SmtpTransport
from tests.servers import free_port
from tests.servers.alert_receiver import AlertReceiver
from tests.servers.ministack import MiniStack
from tests.servers.smtp_server import Close, Say, SmtpServer

_numbers = itertools.count(1)


def alert(rule: str = "breaker", **facts: Any) -> Alert:
    return Alert(
        "ab12", "eed", "vm", rule, "error", "breaker_open", "2026-01-01T00:00:00Z", {"reason": "Ü 421", **facts}
    )


@pytest.fixture
def server() -> Iterator[SmtpServer]:
    with SmtpServer() as server:
        yield server


@pytest.fixture
def mail(server: SmtpServer) -> EmailReceiver:
    settings = SmtpSettings(host="127.0.0.1", port=server.port, tls="none", command_timeout_seconds=5)
    return EmailReceiver(lambda: SmtpTransport(settings), "eed@example.com", "oncall@example.com", "mail.example.com")


def test_an_alert_is_an_email_that_asks_for_no_answer(server: SmtpServer, mail: EmailReceiver) -> None:
    mail.send(alert())
    (received,) = server.received
    assert (received.sender, received.recipient) == ("eed@example.com", "oncall@example.com")
    message = email.message_from_bytes(received.content, policy=email.policy.default)
    assert message["Subject"] == "[eed] error: breaker_open (breaker)"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Message-ID"] == "<alert-ab12@mail.example.com>"
    assert "reason: Ü 421" in message.get_content()
    assert b"\r\n" in received.content
    assert b"\n" not in received.content.replace(b"\r\n", b"")


def test_a_line_cannot_write_a_header(server: SmtpServer, mail: EmailReceiver) -> None:
    mail.send(Alert("1", "eed", "h", "r", "error", "x\r\nBcc: all@example.com", "now", {"a\nBcc": "b\r\n.\r\nQUIT"}))
    (received,) = server.received
    message = email.message_from_bytes(received.content, policy=email.policy.default)
    assert message["Bcc"] is None
    assert "QUIT" in message.get_content()


@pytest.mark.parametrize("answer", [Say("550 5.7.1 not you"), Say("451 later"), Close()])
def test_a_mail_server_that_refuses_is_told(server: SmtpServer, mail: EmailReceiver, answer: Any) -> None:
    server.on("dot", answer, times=1)
    with pytest.raises(NotHandedOver):
        mail.send(alert())
    mail.send(alert())
    assert len(server.received) == 1


def test_a_mail_server_that_is_away_is_told() -> None:
    settings = SmtpSettings(host="127.0.0.1", port=free_port(), tls="none")
    receiver = EmailReceiver(lambda: SmtpTransport(settings), "a@example.com", "b@example.com", "example.com")
    with pytest.raises(NotHandedOver, match="cannot connect"):
        receiver.send(alert())


@pytest.fixture
def topic(ministack: MiniStack) -> tuple[str, Any]:
    """A topic, and what gives the messages that a subscribed queue has got."""
    sns, sqs, number = ministack.client("sns"), ministack.client("sqs"), next(_numbers)
    arn = sns.create_topic(Name=f"alerts-{number}")["TopicArn"]
    queue = sqs.create_queue(QueueName=f"alerts-{number}")["QueueUrl"]
    queue_arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=queue_arn)

    def published() -> list[dict[str, Any]]:
        got = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=5).get("Messages", [])
        return [json.loads(message["Body"]) for message in got]

    return arn, published


def test_an_alert_is_published_to_a_topic(ministack: MiniStack, topic: tuple[str, Any]) -> None:
    arn, published = topic
    SnsReceiver(lambda: ministack.client("sns"), arn).send(alert())
    (message,) = published()
    assert message["Subject"] == "[eed] error: breaker_open (breaker)"
    assert "reason: Ü 421" in message["Message"]
    said = {name: value["Value"] for name, value in message["MessageAttributes"].items()}
    assert said == {"service": "eed", "rule": "breaker", "level": "error", "test": "false"}


def test_a_topic_that_is_not_there_is_told(ministack: MiniStack) -> None:
    receiver = SnsReceiver(lambda: ministack.client("sns"), "arn:aws:sns:us-east-1:000000000000:nobody")
    with pytest.raises(NotHandedOver, match="NotFound"):
        receiver.send(alert())


@pytest.fixture
def receiver() -> Iterator[AlertReceiver]:
    with AlertReceiver() as receiver:
        yield receiver


def test_an_alert_is_posted_as_json_with_a_text_for_people(receiver: AlertReceiver) -> None:
    WebhookReceiver(f"{receiver.url}/hooks/{{token}}?a=b", "s3cret").send(alert(job_id=7))
    (posted,) = receiver.posted
    assert posted.path == "/hooks/s3cret?a=b"
    assert posted.headers["content-type"] == "application/json; charset=utf-8"
    assert (posted.alert["rule"], posted.alert["line"]["job_id"]) == ("breaker", 7)
    assert "reason: Ü 421" in posted.alert["text"]


@pytest.mark.parametrize("status", [301, 307, 400, 404, 500, 503])
def test_anything_but_a_yes_is_no_and_nobody_is_led_elsewhere(receiver: AlertReceiver, status: int) -> None:
    with AlertReceiver() as elsewhere:
        receiver.answers, receiver.location = [status], f"{elsewhere.url}/stolen"
        with pytest.raises(NotHandedOver, match=f"answered {status}"):
            WebhookReceiver(receiver.url, None).send(alert())
        assert elsewhere.posted == []


def test_a_receiver_that_is_away_or_hangs_is_told_without_its_secret(
    receiver: AlertReceiver,
) -> None:
    receiver.hang()
    # The last is no address at all, which the library tells in full.
    for url in (receiver.url, f"http://127.0.0.1:{free_port()}", "http://nobody.invalid", "http://127.0.0.1:99999"):
        receiver = WebhookReceiver(url + "/hooks/{token}", "s3cret", answer_seconds=0.5)
        with pytest.raises(NotHandedOver) as told:
            receiver.send(alert())
        assert "s3cret" not in str(told.value)
        assert "hooks" not in receiver.label


class Counting:
    """A way that a test holds open or shut; `label` as a way's."""

    label = "test"

    def __init__(self, problems: list[Exception | None]) -> None:
        self.problems = problems
        self.sent: list[Alert] = []
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self._changed = threading.Condition()

    def wait_for(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.sent) >= count, 60)

    def send(self, alert: Alert) -> None:
        self.entered.set()
        self.gate.wait(60)
        problem = self.problems.pop(0) if self.problems else None
        if problem is not None:
            raise problem
        with self._changed:
            self.sent.append(alert)
            self._changed.notify_all()


def closed(way: Outgoing, seconds: float = 60) -> None:
    way.close(time.monotonic() + seconds)


def test_what_fails_is_tried_again_and_what_is_lost_is_told_with_the_next() -> None:
    receiver = Counting([NotHandedOver("no"), NotHandedOver("no"), RuntimeError("a defect"), None, NotHandedOver("no")])
    way = Outgoing(receiver, pauses_seconds=(0.01, 0.01))
    way.put(alert("first"))
    way.put(alert("second"))
    way.put(alert("third"))
    receiver.wait_for(2)
    closed(way)
    assert [(one.rule, one.lost) for one in receiver.sent] == [("second", 1), ("third", 0)]


def test_at_the_end_what_waits_is_tried_once_and_not_for_minutes() -> None:
    receiver = Counting([NotHandedOver("no")] * 9)
    way = Outgoing(receiver, pauses_seconds=(600, 600, 600))
    way.put(alert("first"))
    assert receiver.entered.wait(60)
    way.put(alert("second"))
    closed(way)
    assert len(receiver.problems) >= 6, "the first twice, the second once"
    assert way.lost == 2


def test_a_way_that_hangs_keeps_nobody_and_gives_up_what_is_too_much() -> None:
    receiver = Counting([])
    receiver.gate.clear()
    way = Outgoing(receiver)
    way.put(alert("hangs"))
    assert receiver.entered.wait(60)
    for n in range(WAITING + 3):
        way.put(alert(str(n)))
    assert way.lost == 3
    way.close(time.monotonic())  # no longer than that
    receiver.gate.set()
    closed(way)
    assert len(receiver.sent) >= WAITING
    assert receiver.sent[0].lost == 0
    assert receiver.sent[1].lost == 3


def test_no_proxy_is_taken_from_the_environment(receiver: AlertReceiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    WebhookReceiver(receiver.url, None).send(alert())
    assert len(receiver.taken) == 1
