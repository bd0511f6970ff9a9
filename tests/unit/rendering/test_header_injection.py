"""No text from a job, an email or a file can add, change or end a header. Each way in is tried with each trick."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from eed_delivery.errors import ConfigError, RenderError
from eed_delivery.model import Email, Job
from tests.unit.rendering.making import attachment, decoded, email, header_names, job, name_in, read, rendered

USUAL = ["Date", "From", "To", "Subject", "Message-ID", "MIME-Version", "Content-Type"]

BREAKS = [
    "hi\r\nBcc: x@y.example",
    "hi\nBcc: x@y.example",
    "hi\rBcc: x@y.example",
    "hi\r\n\r\n<p>another body</p>",
    "hi\r\n Bcc: x@y.example",
    "hi\0Bcc: x@y.example",
    "hi\x0bBcc: x@y.example",
    "hi\x0cBcc: x@y.example",
    "hi\x1cBcc: x@y.example",
    "hi\x85Bcc: x@y.example",
    "hi\u2028Bcc: x@y.example",
    "hi\u2029Bcc: x@y.example",
    "hi\x7f",
    "hi\tthere",
    "hi\ud800",
]
LOOKALIKES = [
    "=?utf-8?q?hi=0D=0ABcc:_x=40y.example?=",
    "=?utf-8?b?aGkNCkJjYzogeEB5LmV4YW1wbGU=?=",
    "a =?us-ascii?Q?=0ABcc:x?= b",
    "=?utf-8?q?half",
    '" <x@y.example>, "',
    "\\",
    "Name <x@y.example>",
    "x@y.example, z@y.example",
    "(comment)",
    "group: a@b.example;",
]


def by_subject(text: str) -> tuple[Job, Email]:
    return job(subject=text.replace("{", "")), email()


def by_variable(text: str) -> tuple[Job, Email]:
    return job(subject="{{ x }}"), email(variables={"x": text})


def by_name(text: str) -> tuple[Job, Email]:
    return job(), email(recipient_name=text)


def by_sender(text: str) -> tuple[Job, Email]:
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    return job(sender=f'"{quoted}" <statements@bank.example>'), email()


def by_reply_to(text: str) -> tuple[Job, Email]:
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    return job(reply_to=f'"{quoted}" <help@bank.example>'), email()


def by_address(text: str) -> tuple[Job, Email]:
    return job(), email(recipient=f"{text}@customers.example")


def by_domain(text: str) -> tuple[Job, Email]:
    return job(), email(recipient=f"anna@{text}.example")


def by_file_name(text: str) -> tuple[Job, Email]:
    return job(), email(attachments=(attachment("a", filename=text),))


def by_content_type(text: str) -> tuple[Job, Email]:
    return job(), email(attachments=(attachment("a", content_type=f"text/{text}"),))


def by_charset(text: str) -> tuple[Job, Email]:
    return job(), email(attachments=(attachment("a", content_type=f"text/csv; charset={text}"),))


def by_location(text: str) -> tuple[Job, Email]:
    return job(), email(attachments=(attachment(text),))


WAYS_IN = [
    *(by_subject, by_variable, by_name, by_sender, by_reply_to, by_address, by_domain),
    *(by_file_name, by_content_type, by_charset, by_location),
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "a").write_bytes(b"x")
    return tmp_path


@pytest.mark.parametrize("text", BREAKS)
@pytest.mark.parametrize("way_in", WAYS_IN)
def test_breaks_are_refused(way_in: Any, text: str, root: Path) -> None:
    the_job, the_email = way_in(text)
    with pytest.raises(RenderError) as caught:
        rendered(the_job, the_email, root)
    assert "Bcc" not in caught.value.reply or way_in is by_location


@pytest.mark.parametrize("text", LOOKALIKES)
@pytest.mark.parametrize("way_in", WAYS_IN)
def test_lookalikes_stay_text_or_are_refused(way_in: Any, text: str, root: Path) -> None:
    the_job, the_email = way_in(text)
    try:
        made = rendered(the_job, the_email, root)
    except RenderError:
        assert way_in not in (by_subject, by_variable, by_name, by_sender, by_reply_to)
        return
    assert [name for name in header_names(made) if name != "Reply-To"] == USUAL
    seen = read(made)
    assert sorted(seen.keys()) == sorted(header_names(made))
    assert [len(seen[name].addresses) for name in ("From", "To")] == [1, 1]


@pytest.mark.parametrize("text", LOOKALIKES)
def test_reader_sees_the_lookalike_as_it_was_given(text: str, root: Path) -> None:
    file_name = f"x{text}x".replace("\\", "")
    made = rendered(
        job(subject="{{ x }}"),
        email(variables={"x": text}, recipient_name=text, attachments=(attachment("a", filename=file_name),)),
        root,
    )
    seen = read(made)
    assert seen["Subject"] == decoded(made, "Subject") == text
    assert name_in(made, "To") == text
    [part] = seen.iter_attachments()
    assert part.get_filename() == file_name


@pytest.mark.parametrize("text", [*BREAKS, *LOOKALIKES, "a b", "ä", "<", ">"])
def test_list_unsubscribe_takes_links_only(text: str) -> None:
    try:
        made = rendered(
            job(),
            email(variables={"x": text}),
            list_unsubscribe="<https://bank.example/u?{{ x }}>, <mailto:u@bank.example>",
        )
    except RenderError as error:
        assert "List-Unsubscribe" in error.reply
    else:
        assert "List-Unsubscribe" in header_names(made)
        assert text == "(comment)"
    encoded = rendered(
        job(),
        email(variables={"x": text.replace("\ud800", "")}),
        list_unsubscribe="<https://bank.example/?{{ x|urlencode }}>",
    )
    assert header_names(encoded)[5:7] == ["List-Unsubscribe", "List-Unsubscribe-Post"]


def test_break_in_the_list_unsubscribe_setting_is_refused() -> None:
    with pytest.raises((ConfigError, ValueError)):
        rendered(job(), email(), list_unsubscribe="<https://a.example/>\r\nBcc: x@y.example")


def test_line_breaks_of_the_template_around_the_subject_are_not_part_of_it() -> None:
    made = rendered(job(subject="{% if true %}\nStatement\n{% endif %}\n"), email())
    assert read(made)["Subject"] == "Statement"


@given(st.text(st.characters(exclude_categories=[]), max_size=60))
def test_any_text_anywhere_gives_the_usual_headers_or_a_render_error(text: str) -> None:
    for way_in in (by_variable, by_name, by_sender, by_address, by_domain):
        try:
            made = rendered(*way_in(text))
        except RenderError:
            continue
        assert header_names(made) == USUAL
        assert sorted(read(made).keys()) == sorted(USUAL)


_QTEXT = "".join(map(chr, range(0x20, 0x7F)))


@given(st.text(_QTEXT, min_size=1, max_size=30), st.none() | st.text(_QTEXT, max_size=30))
@example(", b@c.example", "Anna")
@example('>", <b@c.example>', None)
@example("Bcc: x@y.example", "Anna")
@example("=?utf-8?q?=0D=0ABcc:_x?=", None)
def test_a_quoted_local_part_is_one_address_and_nothing_else(local: str, name: str | None) -> None:
    """RFC 5322, 3.2.4 and 3.4.1: whatever is in the quotes is a part of the name of one mailbox."""
    quoted = local.replace("\\", "\\\\").replace('"', '\\"')
    try:
        made = rendered(job(), email(recipient=f'"{quoted}"@example.com', recipient_name=name))
    except RenderError as error:
        assert "=?" in local
        assert local not in error.reply
        return
    assert header_names(made) == USUAL
    [seen] = read(made)["To"].addresses
    assert (seen.username, seen.domain) == (local, "example.com")
    assert made.recipient.rpartition("@")[0] in (local, f'"{quoted}"')
    assert (
        f"{made.recipient}>" in made.content.decode()
        if name and name.strip()
        else made.recipient in made.content.decode()
    )
