"""Addresses: what is taken, in which form it goes on the wire, and that errors don't repeat it."""

import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import example, given
from hypothesis import strategies as st

from eed_delivery.errors import RenderError
from eed_delivery.rendering.addresses import as_rendered, recipient, sender


@pytest.mark.parametrize(
    ("given_address", "on_the_wire"),
    [
        ("anna@example.com", "anna@example.com"),
        (" anna@example.com\n", "anna@example.com"),
        ("Anna.B+tag@EXAMPLE.com", "Anna.B+tag@example.com"),
        ("o'brien@mail.test", "o'brien@mail.test"),
        ("root@localhost", "root@localhost"),
        ("a@bank.local", "a@bank.local"),
        ("a@bücher.example", "a@xn--bcher-kva.example"),
        ("a@bücher.test", "a@xn--bcher-kva.test"),
        ("a@xn--bcher-kva.example", "a@xn--bcher-kva.example"),
        ("用户@例子.example", "用户@xn--fsqu00a.example"),
        ('"try..this."@docomo.example', '"try..this."@docomo.example'),
        ('"quoted local"@Example.com', '"quoted local"@example.com'),
        ('"a@b"@example.com', '"a@b"@example.com'),
        ('"a, <b>;(c)"@example.com', '"a, <b>;(c)"@example.com'),
        ('"a\\"\\\\b"@example.com', '"a\\"\\\\b"@example.com'),
        ('"a\\ b"@example.com', '"a b"@example.com'),  # a backslash that is not needed (RFC 5321, 4.1.2)
        ('"anna"@example.com', "anna@example.com"),  # quotes that are not needed: the same mailbox
        ('"ä b"@bücher.example', '"ä b"@xn--bcher-kva.example'),
    ],
)
def test_good_addresses(given_address: str, on_the_wire: str) -> None:
    checked = recipient(given_address, None)
    assert checked.address == on_the_wire == as_rendered(given_address)
    assert as_rendered(on_the_wire) == on_the_wire
    assert checked.needs_smtputf8 == (not on_the_wire.isascii())


@pytest.mark.parametrize(
    "address",
    [
        *("", "  ", "anna", "@example.com", "anna@", "anna@@example.com", "a b@example.com", ".a@example.com"),
        *(
            "a.@example.com",
            "a..b@example.com",
            "a@-b.example",
            "a@b-.example",
            "a@b..example",
            "a@.example",
            "a@ex ample.com",
        ),
        *(
            "a@[127.0.0.1]",
            "try..this.@docomo.example",
            "Anna <a@example.com>",
            "a@example.com,b@example.com",
            "a@example.com;",
        ),
        *(
            "x" * 65 + "@example.com",
            "a@" + "x" * 64 + ".example",
            "a@" + ".".join(["x" * 60] * 5),
            "a@xn--zzzzzz.example",
        ),
        *("a@ab--c.example", "a@exa_mple.com", "a(b)@example.com", "<a@example.com>", "mailto:a@example.com,"),
        "=?utf-8?b?aGkNCkJjYzogeEB5LmV4YW1wbGU=?=@example.com",
        "a\u200b@example.com",
        *('""@example.com', '"a"b"@example.com', '"a\\"@example.com', '"a" @example.com', 'a"b c"@example.com'),
        *('"a\tb"@example.com', '"a\0b"@example.com', '"a\r\nBcc: x"@example.com', '"a\x7fb"@example.com'),
        *('"=?utf-8?q?x?="@example.com', '"=\\?utf-8?q?x y?="@example.com', f'"{"x" * 33} {"y" * 33}"@example.com'),
        *('"a b"@[127.0.0.1]', '"a b" <a@example.com>', '"a b"@example.com, c@example.com', '"a b"@-x.example'),
    ],
)
def test_bad_addresses_are_not_repeated_in_the_error(address: str) -> None:
    with pytest.raises(RenderError, match="recipient's address") as caught:
        recipient(address, None)
    assert len(address.strip()) < 5 or address.strip() not in caught.value.reply


SPECIAL = ("local", "localhost", "invalid", "onion", "arpa")


@given(st.text(st.sampled_from("aB9.-_+@!x'"), max_size=80))
@example("a@" + ".".join(["x" * 63] * 3) + "." + "y" * 60)
@example("a@" + ".".join(["x" * 63] * 3) + "." + "y" * 61)
@example("x" * 64 + "@b.example")
@example("x" * 65 + "@b.example")
def test_quick_check_of_plain_addresses_agrees_with_email_validator(address: str) -> None:
    try:
        expected = validate_email(
            address, check_deliverability=False, globally_deliverable=False, test_environment=True, strict=True
        ).ascii_email
    except EmailNotValidError:
        expected = None
    try:
        actual = recipient(address, None).address
    except RenderError:
        actual = None
    assert actual == expected


@pytest.mark.parametrize(
    ("text", "name", "address"),
    [
        ("a@bank.example", None, "a@bank.example"),
        ("<a@bank.example>", None, "a@bank.example"),
        ("Bank <a@bank.example>", "Bank", "a@bank.example"),
        ("Bank, Inc. <a@bank.example>", "Bank, Inc.", "a@bank.example"),
        ('"Bank, \\"Inc\\" <x>" <a@bank.example>', 'Bank, "Inc" <x>', "a@bank.example"),
        ('"" <a@bank.example>', None, "a@bank.example"),
        ("Zürcher Bänkli <a@bänk.example>", "Zürcher Bänkli", "a@xn--bnk-qla.example"),
        ("no-reply@bank.example <no-reply@bank.example>", "no-reply@bank.example", "no-reply@bank.example"),
    ],
)
def test_senders(text: str, name: str | None, address: str) -> None:
    found = sender(text, "job's sender")
    assert (found.name, found.address) == (name, address)


@pytest.mark.parametrize(
    "text",
    [
        *("", "Bank", "Bank <>", "Bank <a>", "Bank <a@bank.example", "A <a@b.example>, B <c@d.example>"),
        *('"Bank <a@bank.example>', "Bank a@bank.example", "a@b.example, c@d.example", "Bank <a@bank.example> x"),
        "Bank <a@bank.example>\r\nBcc: x@y.example",
    ],
)
def test_bad_senders(text: str) -> None:
    with pytest.raises(RenderError, match="job's sender"):
        sender(text, "job's sender")
