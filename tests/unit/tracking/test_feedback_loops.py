"""Complaints that come to the address registered with mailbox providers: our own signatures say about which email."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eed_delivery.events import DeliveryOutcome, EventKind
from eed_delivery.tracking.bounces.parsing import BounceReading, BounceVerdict, parse_complaint
from eed_delivery.tracking.bounces.verp import Verp
from tests.unit.tracking.bounce_samples import dsn, group, note

VERP = Verp("bounces.bank.example", b"a secret of the tests, 32 bytes!")
STRANGER = Verp("bounces.bank.example", b"another secret, which is no less long")
ADDRESS, MESSAGE_ID = VERP.sender(7, 1), VERP.message_id(7, 1, "mail.bank.example")
NOW = datetime(2026, 11, 23, 5, 0, tzinfo=UTC)
REPORT = """\
From: <feedback@arf.mail.example.net>
Subject: FW: Your statement
To: <fbl@bounces.bank.example>
Message-ID: <arf-1@mail.example.net>
Content-Type: multipart/report; report-type=feedback-report; boundary=b

--b
Content-Type: text/plain

This is an email abuse report.

--b
Content-Type: message/feedback-report

{report}
--b
Content-Type: {kind}

{copy}

Dear Anna
--b--
"""


def report(
    fields: str = "Feedback-Type: abuse", copy: str = "Subject: Your statement", kind: str = "message/rfc822"
) -> bytes:
    return REPORT.format(report=f"{fields}\n", copy=copy, kind=kind).encode()


def read(raw: bytes) -> BounceReading:
    return parse_complaint(raw, "fbl@bounces.bank.example", VERP, NOW)


@pytest.mark.parametrize(
    "raw",
    [
        report(f"Feedback-Type: abuse\nOriginal-Mail-From: <{ADDRESS}>"),
        report(f"Feedback-Type: abuse\nOriginal-Mail-From: {ADDRESS.upper()}"),
        report(copy=f"Return-Path: <{ADDRESS}>\nSubject: x"),
        report(copy=f"Received: from a (envelope-from <{ADDRESS}>) by b\nSubject: x"),
        report(copy=f"X-HmXmrOriginalRecipient: anna@example.com\nMessage-ID: {MESSAGE_ID}"),
        report(copy=f"Message-ID: {MESSAGE_ID.upper()}"),
        report(copy=f"Subject: x\nMessage-ID:\n {MESSAGE_ID}", kind="text/rfc822-headers"),
        f"From: staff@hotmail.com\nSubject: complaint about message from 192.0.2.1\nContent-Type: multipart/mixed; "
        f"boundary=b\n\n--b\nContent-Type: message/rfc822\n\nMessage-ID: {MESSAGE_ID}\n\nx\n--b--\n".encode(),
    ],
    ids=["mail-from", "upper case", "return-path", "received", "message-id", "its upper case", "headers alone", "jmrp"],
)
def test_a_complaint_is_about_the_email_whose_signature_it_holds(raw: bytes) -> None:
    reading = read(raw)
    event = reading.event
    assert reading.verdict is BounceVerdict.COMPLAINT and event is not None
    assert (event.kind, event.outcome, event.sub_type) == (
        EventKind.COMPLAINT,
        DeliveryOutcome.COMPLAINED,
        "abuse",
    )
    assert (event.email_id, event.gen, event.occurred_at) == (7, 1, NOW)


@pytest.mark.parametrize("kind", ["not-spam", "auth-failure"])
def test_a_report_that_says_nothing_against_us_has_no_outcome(kind: str) -> None:
    event = read(report(f"Feedback-Type: {kind}\nOriginal-Mail-From: <{ADDRESS}>")).event
    assert event is not None and (event.outcome, event.sub_type) == (None, kind)


@pytest.mark.parametrize(
    "held",
    [
        "Subject: nothing of ours",
        "Message-ID: <7.1@mail.bank.example>",  # as emails have it that were sent without bounces.address
        f"Return-Path: <{STRANGER.sender(7, 1)}>\nMessage-ID: {STRANGER.message_id(7, 1, 'mail.bank.example')}",
        f"Return-Path: <{ADDRESS.replace('7.1.', '8.1.')}>",
        f"Message-ID: {MESSAGE_ID.replace('<7.', '<8.')}",
        # one signature is not the other: who has seen the Message-ID in an archive does not know the address
        f"Return-Path: <b+7.1.{MESSAGE_ID.split('@')[1].split('.')[0]}@bounces.bank.example>",
        f"Message-ID: <7.1@{ADDRESS.split('@')[0].rsplit('.', 1)[1]}.mail.bank.example>",
        f"Message-ID: <{2**63}.1@aaaaaaaaaaaaaaaa.mail.bank.example>",
    ],
)
def test_nobody_complains_about_an_email_that_was_not_sent_to_them(held: str) -> None:
    assert read(report(copy=held)) == BounceReading(BounceVerdict.NOT_OURS)


@pytest.mark.parametrize("raw", [dsn(group("5.1.1")), note("From: anna@example.com\nSubject: hi", ADDRESS), b""])
def test_what_is_no_report_is_none_there(raw: bytes) -> None:
    assert read(raw) == BounceReading(BounceVerdict.NOT_UNDERSTOOD)


@given(st.binary(max_size=2000), st.integers(0, 2000))
def test_any_bytes_are_read(noise: bytes, at: int) -> None:
    whole = report(f"Original-Mail-From: <{ADDRESS}>")
    event = read(whole[:at] + noise + whole[at:]).event
    assert event is None or (event.email_id, event.gen) == (7, 1)


@given(st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1))
def test_a_message_id_is_read_back(email_id: int, gen: int) -> None:
    made = VERP.message_id(email_id, gen, "mail.bank.example")
    assert VERP.read_message_id(made) == VERP.read_message_id(f" {made.strip('<>')} ") == (email_id, gen)
    assert len(made) < 255
