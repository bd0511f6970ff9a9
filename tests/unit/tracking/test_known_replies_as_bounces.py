"""The known replies once more, each as the diagnosis in a delivery status notification: both judges must agree."""

from collections.abc import Callable

import pytest

from eed_delivery.transports.smtp.answers import BEFORE_RCPT
from eed_delivery.transports.smtp.replies import parse
from tests.bounce_corpus.corpus import HARD
from tests.bounce_corpus.judging import FALSE_HARD, MISSED_HARD, RIGHT, VERP_ADDRESS, verdict
from tests.replies import KnownReply, known_replies

REPORT = """\
Return-Path: <>
From: MAILER-DAEMON@mx.example.net (Mail Delivery System)
Subject: Undelivered Mail Returned to Sender
To: {to}
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="X"
Message-Id: <20261001100000.4F1@mx.example.net>

--X
Content-Type: text/plain; charset=utf-8

This is the mail system at host mx.example.net.

I'm sorry to have to inform you that your message could not
be delivered to one or more recipients.

--X
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.net

Final-Recipient: rfc822; anna@example.com
Action: failed
Status: {status}
Remote-MTA: dns; mx.example.com
Diagnostic-Code: smtp; {words}

--X--
"""


def _bounce(reply: KnownReply) -> bytes:
    """As Postfix tells it: with the server's code, or with a catch-all of the same class."""
    lines = reply.reply.replace("{recipient}", "anna@example.com").replace("{id}", "a640c23a62f3a-sor").split("|")
    answer = parse([line.encode() for line in lines])
    status = answer.enhanced or f"{answer.code // 100}.0.0"
    return REPORT.format(to=VERP_ADDRESS, status=status, words="\n ".join(lines)).encode()


@pytest.fixture(scope="module")
def judged() -> list[tuple[KnownReply, bool]]:
    """Each reply that came when a recipient had been named, and whether it makes a hard bounce."""
    replies = [reply for reply in known_replies() if reply.phase not in BEFORE_RCPT]
    return [(reply, verdict(_bounce(reply)) == HARD) for reply in replies]


def _wrong(judged: list[tuple[KnownReply, bool]], of: Callable[[KnownReply], bool]) -> tuple[list[str], int]:
    some = [(reply, hard) for reply, hard in judged if of(reply)]
    return [reply.reply for reply, hard in some if hard != reply.dead], len(some)


def test_nearly_all_replies_make_the_right_bounce(judged: list[tuple[KnownReply, bool]]) -> None:
    wrong, count = _wrong(judged, lambda reply: True)
    assert len(wrong) <= (1 - RIGHT) * count, wrong


def test_hardly_any_living_address_bounces_hard(judged: list[tuple[KnownReply, bool]]) -> None:
    wrong, count = _wrong(judged, lambda reply: not reply.dead)
    assert len(wrong) <= FALSE_HARD * count, wrong


def test_nearly_all_dead_addresses_bounce_hard(judged: list[tuple[KnownReply, bool]]) -> None:
    wrong, count = _wrong(judged, lambda reply: reply.dead)
    assert len(wrong) <= MISSED_HARD * count, wrong
