"""Headers are read back as they were meant, and those too that `email.policy.default` gets wrong."""

import pytest
from hypothesis import given, settings

from eed_delivery.demo.people import LANGUAGES, customers
from eed_delivery.rendering.header_reading import decoded, fields, mailboxes
from eed_delivery.rendering.headers import mailbox, unstructured
from tests.examples import examples
from tests.unit.rendering.making import email, job, rendered, words

ADDRESS = "anna@customers.example"


def message(to: str = ADDRESS, subject: bytes = b"Subject: s\r\n") -> bytes:
    return b"Received: x\r\n" + subject + b"To: " + to.encode() + b"\r\n\r\nTo: nobody <n@example.com>\r\n"


def test_every_name_of_the_demo_is_read() -> None:
    names = {language.name(number) for language in LANGUAGES for number in range(40)}
    assert len(names) > 350
    for name in names:
        (field,) = fields(message(mailbox(name, ADDRESS)), "to")
        assert mailboxes(field) == [(name, ADDRESS)]


def test_every_email_of_a_large_demo_is_read() -> None:
    for customer in customers(400):
        made = rendered(
            job(subject="{{ s }}"),
            email(recipient=customer.address, recipient_name=customer.name, variables={"s": customer.subject}),
        )
        (to,), (subject,) = fields(made.content, "To"), fields(made.content, "Subject")
        assert mailboxes(to) == [(customer.name, customer.address)]
        assert decoded(subject) == customer.subject


@settings(max_examples=examples(500), deadline=None)
@given(words.map(str.strip), words.map(str.strip))
def test_any_name_and_subject_come_back(name: str, subject: str) -> None:
    content = message(mailbox(name, ADDRESS), unstructured("Subject", subject))
    (to,), (found,) = fields(content, "To"), fields(content, "Subject")
    assert mailboxes(to) == [(name, ADDRESS)]
    assert decoded(found) == subject


@pytest.mark.parametrize(
    ("field", "read_as"),
    [
        ("=?utf-8?b?w6Q=?=\r\n =?utf-8?b?w7Y=?=\r\n <a@example.com>", [("äö", "a@example.com")]),
        ("=?utf-8?q?a?= =?iso-8859-1?q?=E4?= <a@example.com>", [("aä", "a@example.com")]),
        ("=?utf-8?q?a=2C_b?= <a@example.com>, c@example.com", [("a, b", "a@example.com"), ("", "c@example.com")]),
        ('"A, \\"B\\""\r\n\t<a@example.com>', [('A, "B"', "a@example.com")]),
    ],
)
def test_a_field_is_unfolded_and_its_words_joined(field: str, read_as: list[tuple[str, str]]) -> None:
    """RFC 5322, section 2.2.3; RFC 2047, sections 6.1, 6.2 and 8."""
    (found,) = fields(message(field), "To")
    assert mailboxes(found) == read_as


def test_white_space_beside_plain_words_stays() -> None:
    assert decoded("a =?utf-8?q?b?= =?utf-8?q?c?= d") == "a bc d"


def test_a_field_that_is_there_twice_or_not_is_seen() -> None:
    assert fields(b"To: a\nTO: b\n\nto: c", "to") == ["a", "b"]
    assert fields(b"To: a\r\n\r\n", "Cc") == []
