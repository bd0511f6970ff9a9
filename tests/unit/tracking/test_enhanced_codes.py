"""A hard bounce is what makes mailing the address again pointless, and nothing else is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eed_delivery.events import DeliveryOutcome
from eed_delivery.tracking.bounces.diagnosis import diagnose
from eed_delivery.tracking.bounces.enhanced_codes import BY_SUBJECT, FIND, SOURCES, TABLE, Meaning, cause_of

DEAD = {"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1", "5.4.310", "5.7.17", "5.7.18"}
codes = st.builds("{}.{}.{}".format, st.sampled_from("45"), st.integers(0, 9), st.integers(0, 999))


def test_the_dead_are_these_and_no_others() -> None:
    every = [f"{kind}.{subject}.{detail}" for kind in "245" for subject in range(10) for detail in range(1000)]
    hard = {code for code in every if (cause := cause_of(code)) and cause.outcome is DeliveryOutcome.HARD_BOUNCED}
    assert hard == DEAD


@pytest.mark.parametrize(
    ("code", "meaning", "sub_type"),
    [
        ("5.1.1", Meaning.DEAD, "no_mailbox"),
        ("5.1.10", Meaning.DEAD, "no_domain"),
        ("5.2.2", Meaning.NOT_NOW, "full"),
        ("4.2.2", Meaning.NOT_NOW, "full"),
        ("5.2.3", Meaning.REFUSED, "too_large"),
        ("5.3.4", Meaning.REFUSED, "too_large"),
        ("5.4.7", Meaning.NOT_NOW, "expired"),
        ("5.6.7", Meaning.REFUSED, "content"),
        ("5.7.1", Meaning.REFUSED, "policy"),
        ("5.7.509", Meaning.REFUSED, "policy"),
        ("5.7.26", Meaning.REFUSED, "authentication"),
        ("4.7.26", Meaning.NOT_NOW, "authentication"),
        ("4.1.1", Meaning.NOT_NOW, "no_mailbox"),
        ("4.4.2", Meaning.NOT_NOW, "network"),
        ("5.1.99", Meaning.REFUSED, "address"),
        ("5.9.9", Meaning.REFUSED, "unknown"),
        ("4.9.9", Meaning.NOT_NOW, "unknown"),
        ("5.01.001", Meaning.DEAD, "no_mailbox"),
    ],
)
def test_what_a_code_means(code: str, meaning: Meaning, sub_type: str) -> None:
    cause = cause_of(code)
    assert cause is not None
    assert (cause.meaning, cause.sub_type) == (meaning, sub_type)


@pytest.mark.parametrize("code", ["2.0.0", "2.1.5", "", "5", "5.1", "6.1.1", "5.1.1111", "٥.1.1", "5.1.1 "])
def test_what_is_no_failure_has_no_cause(code: str) -> None:
    assert cause_of(code) is None


@given(codes)
def test_later_is_never_never(code: str) -> None:
    cause = cause_of(code)
    assert cause is not None
    assert code[0] == "5" or cause.meaning is Meaning.NOT_NOW
    assert cause.sub_type


def test_every_rule_is_there_once_and_says_where_it_is_from() -> None:
    assert len(TABLE) == len(SOURCES)
    assert all(source.startswith(("RFC ", "IANA", "Exchange Online")) for source in SOURCES.values())
    assert not any(cause.meaning is Meaning.DEAD for cause in BY_SUBJECT.values())


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("550 5.1.1 unknown", "5.1.1"),
        ("Sorry. (#5.1.1)", "5.1.1"),
        ("<mx.example.com #5.7.1>", "5.7.1"),
        ("see 5.1.1.", "5.1.1"),
        ("from 4.2.2.1", None),
        ("Exim 4.94.2", None),
        ("on 5.1.2026", None),
        ("15.1.1", None),
        ("1.5.1.1", None),
    ],
)
def test_a_code_is_found_in_running_text(text: str, found: str | None) -> None:
    match = FIND.search(text)
    assert (match[0] if match else None) == found


@pytest.mark.parametrize(
    ("status", "text", "meaning", "sub_type"),
    [
        # without an enhanced code the words decide: 550 may be anything (RFC 5321, 4.2.2)
        ("", "550 <anna@example.com>: Recipient address rejected: User unknown", Meaning.DEAD, "no_mailbox"),
        ("", "550 No such user here", Meaning.DEAD, "no_mailbox"),
        ("", "550 Unknown user", Meaning.DEAD, "no_mailbox"),
        ("", "550 Mailbox not found", Meaning.DEAD, "no_mailbox"),
        ("", "550 Invalid recipient", Meaning.DEAD, "no_mailbox"),
        ("", "550 account has been disabled", Meaning.DEAD, "disabled"),
        ("", "550 Access denied", Meaning.REFUSED, "policy"),
        ("", "550 Blocked - see https://spam.example", Meaning.REFUSED, "policy"),
        ("", "550 IP address not found", Meaning.REFUSED, "unknown"),
        ("", "550 Denied", Meaning.REFUSED, "unknown"),
        ("", "551 User has moved", Meaning.REFUSED, "moved"),
        ("", "551 no such user", Meaning.DEAD, "no_mailbox"),
        ("", "552 Mailbox full", Meaning.NOT_NOW, "full"),
        ("", "552 exceeded storage allocation", Meaning.NOT_NOW, "full"),
        ("", "552 Message size exceeds the limit", Meaning.REFUSED, "too_large"),
        ("", "553 sorry, that's not allowed", Meaning.REFUSED, "policy"),
        ("", "553 sorry", Meaning.REFUSED, "address"),
        ("", "553 Invalid recipient address", Meaning.DEAD, "no_mailbox"),
        ("", "554 delivery error", Meaning.REFUSED, "unknown"),
        ("", "556 no mail here", Meaning.DEAD, "no_domain"),
        ("", "450 User unknown", Meaning.NOT_NOW, "no_mailbox"),
        ("", "451 greylisted", Meaning.NOT_NOW, "rate"),
        ("", "421 come back", Meaning.NOT_NOW, "unknown"),
        ("", "User unknown", Meaning.DEAD, "no_mailbox"),
        ("", "", Meaning.REFUSED, "unknown"),
        # a code that says something is believed …
        ("5.7.26", "User unknown", Meaning.REFUSED, "authentication"),
        ("5.2.2", "User unknown", Meaning.NOT_NOW, "full"),
        ("4.2.2", "550 5.1.1 User unknown", Meaning.NOT_NOW, "full"),
        # … but nobody is dead against the words
        ("5.1.1", "user unknown or mailbox full", Meaning.NOT_NOW, "full"),
        ("5.1.1", "blocked as spam", Meaning.REFUSED, "policy"),
        ("5.1.1", "user unknown, not spam", Meaning.DEAD, "no_mailbox"),
        ("5.1.2", "lookup timed out", Meaning.NOT_NOW, "network"),
        ("5.1.0", "Sender address rejected: User unknown", Meaning.REFUSED, "sender"),
        # a catch-all gives way: 5.7.1 is one, with which some say "no such user"
        ("5.7.1", "User unknown", Meaning.DEAD, "no_mailbox"),
        ("5.7.1", "Message rejected", Meaning.REFUSED, "policy"),
        ("5.7.1", "Recipient address rejected: Access denied", Meaning.REFUSED, "policy"),
        ("5.7.1", "mailbox unavailable", Meaning.REFUSED, "policy"),
        ("5.7.13", "525 5.7.13 Account disabled", Meaning.REFUSED, "policy"),
        ("5.7.13", "525 5.7.13 Disabled recipient address", Meaning.DEAD, "disabled"),
        ("5.7.27", "550 Host does not accept mail", Meaning.DEAD, "no_domain"),
        ("5.7.27", "550 Sender address has null MX", Meaning.REFUSED, "sender"),
        ("5.3.2", "521 5.3.2 example.com: no mail here", Meaning.DEAD, "no_domain"),
        ("5.7.1", "521 5.7.1 go away", Meaning.REFUSED, "policy"),
        # neither code of the two may say "later"
        ("5.1.1", "450 4.1.1 User unknown", Meaning.NOT_NOW, "no_mailbox"),
        ("5.0.0", "550 5.2.2 full", Meaning.NOT_NOW, "full"),
        ("5.0.0", "User unknown", Meaning.DEAD, "no_mailbox"),
        ("4.0.0", "User unknown", Meaning.NOT_NOW, "no_mailbox"),
        ("5.0.0", "450 4.2.2 full", Meaning.NOT_NOW, "full"),
        ("4.0.0", "550 5.1.1 gone", Meaning.NOT_NOW, "unknown"),
        ("5.4.1", "Recipient address rejected: Access denied", Meaning.DEAD, "no_mailbox"),
        ("5.4.1", "no answer from host", Meaning.NOT_NOW, "network"),
        ("4.4.4", "Host or domain name not found", Meaning.NOT_NOW, "no_domain"),
    ],
)
def test_a_code_and_the_words_together(status: str, text: str, meaning: Meaning, sub_type: str) -> None:
    cause = diagnose(status, text).cause
    assert (cause.meaning, cause.sub_type) == (meaning, sub_type)


@given(st.sampled_from("01234567"), st.integers(0, 400), st.text(max_size=200))
def test_no_words_make_a_failure_for_now_a_hard_bounce(subject: str, detail: int, text: str) -> None:
    for words in (text, f"{text} user unknown", f"550 {text} no such domain"):
        assert diagnose(f"4.{subject}.{detail}", words).cause.meaning is Meaning.NOT_NOW


def test_the_basic_code_is_read_beside_the_enhanced_one() -> None:
    read = diagnose("5.1.1", "host mx.example.com[192.0.2.1] said: 550-5.1.1 no such user")
    assert (read.code, read.enhanced, read.spoken) == (550, "5.1.1", True)
    assert diagnose("", "at 5500 or 550.5 or a-550").code is None
    assert diagnose("", "nothing of the kind").spoken is False
