"""What comes to a bounce address is read for what it says of that one email, and of no other."""

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eed_delivery.events import DeliveryOutcome, EventKind
from eed_delivery.tracking.bounces.parsing import BounceReading, BounceVerdict, parse_bounce
from eed_delivery.tracking.bounces.verp import Verp
from tests.examples import examples
from tests.fuzz.bounces import Mutations, check, seeded
from tests.unit.tracking.bounce_samples import NO_BOUNCES, OTHERS, QMAIL, REPORTS, SAMPLES, Sample, dsn, group, note

VERP = Verp("bounces.bank.example", b"a secret of the tests, 32 bytes!")
ADDRESS = VERP.sender(7, 1)
NOW = datetime(2026, 11, 23, 5, 0, tzinfo=UTC)


def read(raw: bytes, sent_to: str = ADDRESS) -> BounceReading:
    return parse_bounce(raw, sent_to, VERP, NOW)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_each_form_is_read_for_what_it_is(sample: Sample) -> None:
    reading = read(sample.raw)
    assert reading.verdict is sample.verdict
    if reading.event is None:
        assert sample in NO_BOUNCES
        return
    event = reading.event
    assert (event.outcome, event.sub_type) == (sample.outcome, sample.sub_type)
    assert event.kind == EventKind(sample.verdict.value)
    if sample.verdict is not BounceVerdict.DELIVERY:
        assert (event.code, event.enhanced) == (sample.code, sample.enhanced)
    assert (event.email_id, event.gen, event.occurred_at) == (7, 1, NOW)
    assert "anna@" not in event.detail


@pytest.mark.parametrize("sample", REPORTS + OTHERS, ids=lambda sample: sample.name)
@pytest.mark.parametrize("sent_to", ["postmaster@bank.example", "b+7.1.aaaaaaaaaaaaaaaa@bounces.bank.example", ""])
def test_only_the_envelope_decides_whom_it_concerns(sample: Sample, sent_to: str) -> None:
    for raw in (sample.raw, sample.raw.replace(b"b+7.1.aaaaaaaaaaaaaaaa@bounces.bank.example", ADDRESS.encode())):
        assert read(raw, sent_to) == BounceReading(BounceVerdict.NOT_OURS)


def test_what_a_bounce_says_inside_moves_it_to_no_other_email() -> None:
    theirs = VERP.sender(8, 0)
    inside = dsn(group("5.1.1", f"smtp; 550 5.1.1 <{theirs}>", recipient=f"rfc822; {theirs}"))
    event = read(f"To: {theirs}\nDelivered-To: {theirs}\nX-Original-To: {theirs}\n".encode() + inside).event
    assert event is not None
    assert (event.email_id, event.gen) == (7, 1)


@pytest.mark.parametrize("sample", REPORTS + OTHERS, ids=lambda sample: sample.name)
def test_the_same_message_twice_is_the_same_event(sample: Sample) -> None:
    first = read(sample.raw).event
    again = read(
        b"Received: by another way\nDelivered-To: x@example.com\n"
        + sample.raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    ).event
    assert first is not None and again is not None
    assert first.event_id == again.event_id
    assert len(first.event_id) <= 64


def test_without_a_message_id_the_text_tells_messages_apart() -> None:
    def of(text: str, hops: str = "") -> str:
        event = read(f"{hops}{QMAIL}\n\nHi. This is the qmail-send program at example.com.\n{text}\n".encode()).event
        assert event is not None
        return event.event_id

    assert of("one") == of("one", "Received: by another way\n") != of("two")


def test_events_of_two_emails_two_generations_or_two_kinds_differ() -> None:
    failed, delayed = dsn(group("5.1.1")), dsn(group("4.4.1", action="delayed"))
    addresses = [VERP.sender(7, 1), VERP.sender(7, 2), VERP.sender(71, 1), VERP.sender(8, 1)]
    events = [read(raw, address).event for address in addresses for raw in (failed, delayed)]
    assert len({event.event_id for event in events if event is not None}) == len(events)


def test_a_detail_is_the_server_s_words() -> None:
    event = read(dsn(group("5.1.1", "smtp; 550 5.1.1 User\n  unknown"))).event
    assert event is not None
    assert event.detail == "550 5.1.1 User unknown"


def test_a_detail_is_one_short_line_without_addresses() -> None:
    said = "smtp; 550 \x1b[31m \u202e <anna@example.com> " + "x" * 1600 + " " + "anna.smith@example.com " * 500
    event = read(dsn(group("5.1.1", said))).event
    assert event is not None
    assert event.detail.isprintable()
    assert len(event.detail) <= 500
    assert "anna" not in event.detail
    assert "***@example.com" in event.detail


@pytest.mark.parametrize("blanks", range(1900, 2010, 7))
def test_no_half_address_remains_where_a_detail_is_cut(blanks: int) -> None:
    event = read(
        note(QMAIL, "Hi. This is the qmail-send program\n" + " " * blanks + "anna.smith@example.com " * 9)
    ).event
    assert event is not None
    assert "anna" not in event.detail


def test_what_is_beyond_the_limit_is_not_looked_at() -> None:
    raw = dsn(group("5.1.1"), words="x\n" * 2000)
    whole, cut = (
        parse_bounce(raw, ADDRESS, VERP, NOW).event,
        parse_bounce(raw, ADDRESS, VERP, NOW, max_bytes=3000).event,
    )
    assert whole is not None and cut is not None
    assert (whole.enhanced, whole.outcome) == ("5.1.1", DeliveryOutcome.HARD_BOUNCED)
    assert (cut.enhanced, cut.outcome) == (None, DeliveryOutcome.SOFT_BOUNCED)


@given(st.binary(max_size=4000), st.sampled_from(SAMPLES))
@settings(max_examples=examples(200), deadline=None)
def test_any_bytes_are_read_without_an_exception(noise: bytes, sample: Sample) -> None:
    for raw in (noise, sample.raw[: len(sample.raw) // 2] + noise, noise + sample.raw):
        event = read(raw).event
        assert event is None or (event.email_id, event.gen) == (7, 1)


@given(
    st.lists(st.sampled_from(["failed", "delayed", "delivered", "relayed", "expanded"]), min_size=1, max_size=6),
    st.data(),
)
@settings(deadline=None)
def test_hard_only_where_every_mailbox_behind_the_address_is_dead(actions: list[str], data: st.DataObject) -> None:
    statuses = [data.draw(st.sampled_from(["5.1.1", "5.2.2", "5.7.1", "4.4.1"])) for _ in actions]
    groups = "\n".join(group(status, "", action) for status, action in zip(statuses, actions, strict=True))
    event = read(dsn(groups, words="Sorry.")).event
    assert event is not None
    dead = set(actions) <= {"failed", "delayed"} and "failed" in actions
    dead = dead and all(s == "5.1.1" for s, a in zip(statuses, actions, strict=True) if a == "failed")
    assert (event.outcome is DeliveryOutcome.HARD_BOUNCED) == dead


def test_mutated_samples_neither_break_the_parser_nor_concern_anybody_else() -> None:
    mutations = Mutations(seeded(5))
    for _ in range(400):
        check(mutations.next())


def test_details_hold_no_control_characters_whatever_comes() -> None:
    mutations = Mutations(seeded(6))
    for _ in range(200):
        event = read(mutations.next()).event
        assert event is None or not re.search(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e]", event.detail)
