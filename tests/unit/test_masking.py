"""No log line has a recipient's name or local part: addresses in each spelling, and mail servers' replies."""

import re
import time

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from eed_delivery.model import Email, Outcome, Verdict
from eed_delivery.untrusted import mask_addresses, may_hold_address
from eed_delivery.worker.logged_replies import of_many, of_one

AT = [
    "@", "＠", "﹫", "%40", "%2540", "%252540", "=40", "+40", "&#64;", "&#064;", "&#x40;", "&#X0040;", "&commat;",
    "&amp;#64;", "\\u0040", "\\U00000040", "\\x40", "\\x{40}", "\\100", "\\\\u0040", " (at) ", "[at]", "{AT}", " (@) ",
]  # fmt: skip
LOCAL = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9.!$*^_`|~ä-]{0,80}", fullmatch=True)


@given(local=LOCAL, at=st.sampled_from(AT), before=st.sampled_from(["", "to ", "<", "?e=", "smtp;", "(", "mailto:"]))
def test_no_local_part_survives_however_the_at_sign_is_spelt(local: str, at: str, before: str) -> None:
    before = "" if at == "@" and before == "?e=" else before  # letters of a local part, but for a coded one in a URL
    text = f"{before}{local}{at}example.com> refused"
    assume(before or not re.match(r"[245]\d\d-", local))
    assert may_hold_address(text)
    assert mask_addresses(text) == f"{before}***{at}example.com> refused"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("https://x.example/u?e=anna%2Eb%40example.com&n=1", "https://x.example/u?e=***%40example.com&n=1"),
        ("%22anna%20b%22%40example.com", "***%40example.com"),
        ("=?utf-8?q?anna=2Eb=40example=2Ecom?=", "=?utf-8?q?***=40example=2Ecom?="),
        ("anna%40%5B192.0.2.1%5D", "***%40%5B192.0.2.1%5D"),
        ("anna [at] example [dot] com", "*** [at] example [dot] com"),
        ('"anna \\" b"@example.com', "***@example.com"),
        ("a" * 300 + "@example.com", "***@example.com"),
        ("anna%40a.example,boris%40b.example", "***%40a.example,***%40b.example"),
    ],
)
def test_codings_around_it(text: str, masked: str) -> None:
    assert mask_addresses(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "refused at mx.example.com", "x=40.5, size=4096", "100%40 of it", "listed (at 10:40)", "a=40", "C:\\100\\x.y",
        "250 2.0.0 Ok: queued as 4F40A2", "2026-11-30T05:40:00+40.123", "rate 50%25 of 40.5",
    ],
)  # fmt: skip
def test_what_is_no_address_stays(text: str) -> None:
    assert mask_addresses(text) == text


@pytest.mark.parametrize("at", ["@", "%40", " (at) "])
@pytest.mark.parametrize("before", ["", "more than 100 of the last 200 emails were refused alike: "])
def test_the_code_of_a_reply_stays_where_an_address_follows_at_once(before: str, at: str) -> None:
    assert mask_addresses(f"{before}550-anna{at}example.com is unknown") == f"{before}550-***{at}example.com is unknown"


def test_a_local_part_that_looks_like_a_code_stays_private_within_a_text() -> None:
    assert mask_addresses("sent to 212-555-0100@example.com") == "sent to ***@example.com"


@given(st.text())
def test_a_text_that_may_hold_none_is_left_alone_and_masking_twice_is_masking_once(text: str) -> None:
    assert may_hold_address(text) or mask_addresses(text) == text
    assert mask_addresses(mask_addresses(text)) == mask_addresses(text)


PUMPS = ["a", '"', '\\"', "a@", "a%40", "a=40", "=41", "&amp;", "&#0", "(at)", "\\", "a%40b.", "%25", " a", "a.b"]


@pytest.mark.parametrize("pump", PUMPS)
def test_masking_takes_linear_time(pump: str) -> None:
    """CPU time, of which a quadratic rule took 40 s for this much."""
    started = time.process_time()
    for prefix in ("", '"', "a%40"):
        mask_addresses(prefix + pump * (60_000 // len(pump)) + " ")
    assert time.process_time() - started < 5


ANNA = Email(7, 1, "1047", 0, 1, 0, "anna.mueller+bank@customer.example", "Dr. Anna Müller")
IN_REPLIES = [
    "550 5.1.1 <anna.mueller+bank@customer.example>: Recipient address rejected: User unknown",
    "550 5.1.1 anna.mueller%2Bbank%40customer.example unknown",
    "550 Anna Müller no longer works here",
    "550 ANNA MUELLER is gone, write to her colleague",
    "550 Mailbox of Müller, Anna is full",
    "550 Mailbox /var/mail/customer.example/anna.mueller/new is full",
    "550 no such user annamueller here",
    "550 account 'DE89370400440532013000' of Mu\u0308ller blocked",
]


@pytest.mark.parametrize("reply", IN_REPLIES)
def test_a_line_about_a_refused_email_names_nobody(reply: str) -> None:
    shown = of_one(ANNA, Outcome(Verdict.PERMANENT, reply, 550, "5.1.1"))
    assert shown.startswith(("550 ", "…"))
    for reason in (shown, of_many(f"more than 100 of the last 200 emails were refused alike: {reply}", ANNA)):
        lower = reason.lower()
        assert not [
            word for word in ("anna", "müller", "mu\u0308ller", "mueller", "muller", "DE89") if word.lower() in lower
        ]


def test_an_accepted_email_keeps_the_ids_of_the_mail_servers_log() -> None:
    accepted = Outcome(Verdict.SENT, "250 2.0.0 Ok <anna.mueller@customer.example> queued as 4WqXk2Nz8z9", 250)
    assert of_one(ANNA, accepted) == "250 2.0.0 Ok <***@customer.example> queued as 4WqXk2Nz8z9"


@pytest.mark.parametrize(
    "reason",
    [
        "554 5.7.1 Service unavailable; client host [192.0.2.7] blocked using bl.example; see https://bl.example/q/192.0.2.7",
        "421 4.7.0 mx1.customer.example too many connections from 2001:db8::1234:5678",
        "the connection to smtp.customer.example:587 was refused",
        "550 5.1.1 user unknown in virtual mailbox table",
    ],
)
def test_what_says_who_refuses_and_why_stays(reason: str) -> None:
    assert of_many(reason) == reason
    role = Email(7, 1, "1047", 0, 1, 0, "user.info@customer.example", "Mailbox")
    assert of_many(reason, role) == reason
