"""Messages: what we build is what the standard library's parser reads back, in any script and of any shape."""

import base64
import re
from datetime import timedelta, timezone
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import cast
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from eed_delivery.config import RenderingSettings
from eed_delivery.errors import ConfigError, RenderError
from eed_delivery.rendering.attachments import AttachmentStore
from eed_delivery.rendering.headers import check_block, encoded_words, file_name, one_line
from eed_delivery.rendering.mime import BodyPart, attachment_part, body_part, message, new_boundary, text_part
from eed_delivery.rendering.renderer import Renderer
from eed_delivery.rendering.unsubscribe import unsubscribe_fields
from tests.examples import examples
from tests.unit.rendering.making import (
    NOON,
    any_text,
    attachment,
    decoded,
    email,
    header_names,
    job,
    name_in,
    read,
    rendered,
    renderer,
    settings,
    words,
)

_CHANGED = {*"/\\", *map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A))}
_DEVICE = re.compile(r"(con|prn|aux|nul|com.|lpt.)( *\.|$)", re.IGNORECASE)
"""What a file name does not hold or is not: test_local_attachments.py says what becomes of it."""


def in_lines(text: str) -> str:
    """A text's content as a reader gets it: CRLF line ends, and one at the end."""
    lines = re.sub("\r\n|\r|\n", "\n", text)
    return (lines if lines.endswith("\n") else lines + "\n").replace("\n", "\r\n")


def test_whole_message(tmp_path: Path) -> None:
    (tmp_path / "s.pdf").write_bytes(b"%PDF-1.7 content")
    made = rendered(
        job(reply_to="Help <help@bank.example>", subject="Statement {{ month }}"),
        email(recipient_name="Anna", variables='{"month": "May"}', attachments=(attachment("s.pdf"),)),
        tmp_path,
        list_unsubscribe="<https://bank.example/u/{{ email_id }}>, <mailto:u@bank.example>",
    )
    assert header_names(made) == [
        *("Date", "From", "To", "Reply-To", "Subject", "Message-ID"),
        *("List-Unsubscribe", "List-Unsubscribe-Post", "MIME-Version", "Content-Type"),
    ]
    seen = read(made)
    assert parsedate_to_datetime(seen["Date"]) == NOON
    assert seen["From"] == '"Bank" <statements@bank.example>' or seen["From"] == "Bank <statements@bank.example>"
    assert seen["To"].addresses[0].addr_spec == "anna@customers.example"
    assert seen["Reply-To"].addresses[0].addr_spec == "help@bank.example"
    assert seen["Subject"] == "Statement May"
    assert seen["Message-ID"] == "<7.2@mail.bank.example>" == made.message_id
    assert seen["List-Unsubscribe"] == "<https://bank.example/u/7>, <mailto:u@bank.example>"
    assert seen["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert [part.get_content_type() for part in seen.walk()] == [
        *("multipart/mixed", "multipart/alternative", "text/plain", "text/html", "application/pdf")
    ]
    assert (made.email_id, made.gen, made.envelope_sender, made.recipient, made.needs_smtputf8) == (
        *(7, 2, "statements@bank.example", "anna@customers.example", False),
    )


@given(words)
def test_subject_in_any_script(subject: str) -> None:
    made = rendered(job(subject="{{ subject }}"), email(variables={"subject": subject}))
    assert read(made)["Subject"] == subject.strip()
    assert decoded(made, "Subject") == subject.strip()


@given(st.text(st.sampled_from("ab :=?"), max_size=400))
def test_plain_subjects_are_folded_and_unfold_to_the_same(subject: str) -> None:
    made = rendered(job(subject="{{ subject }}"), email(variables={"subject": subject}))
    assert read(made)["Subject"] == subject.strip()
    assert all(len(line) <= 76 for line in made.content.split(b"\r\n\r\n")[0].split(b"\r\n"))


def test_long_plain_subject_stays_readable_in_the_source() -> None:
    made = rendered(job(subject="Your monthly statement " * 6), email())
    assert b"Subject: Your monthly statement Your" in made.content
    assert b"=?" not in made.content.split(b"\r\n\r\n")[0]


@given(words)
def test_no_character_is_split_between_encoded_words_or_parameters(text: str) -> None:
    """RFC 2047, section 5: each word stands alone. A lenient reader would not show it, so each is decoded by itself."""
    pieces = re.findall(r"=\?utf-8\?b\?([^?]*)\?=", encoded_words(text))
    assert "".join(base64.b64decode(piece).decode() for piece in pieces) == text
    assert all(len(line) <= 75 - len("Reply-To: ") for line in encoded_words(text).split("\r\n"))
    values = re.findall(r"filename(?:\*\d+)?\*=(?:utf-8'')?([^;]*)", file_name(f"ä{text}"))
    assert "".join(unquote(value, errors="strict") for value in values) == f"ä{text}"


@given(words)
def test_recipient_name_in_any_script(name: str) -> None:
    made = rendered(job(), email(recipient_name=name))
    assert name_in(made, "To") == name.strip()
    assert [address.addr_spec for address in read(made)["To"].addresses] == ["anna@customers.example"]


@given(words)
def test_sender_name_in_any_script(name: str) -> None:
    quoted = name.strip().replace("\\", "\\\\").replace('"', '\\"')
    made = rendered(job(sender=f'"{quoted}" <statements@bank.example>'), email())
    assert name_in(made, "From") == name.strip()
    assert made.envelope_sender == "statements@bank.example"


@given(any_text, any_text)
def test_bodies(text: str, html: str) -> None:
    made = rendered(
        job(text_template="{{ text }}", html_template="{{ html|safe }}"), email(variables={"text": text, "html": html})
    )
    seen = read(made)
    plain, rich = seen.get_body(("plain",)), seen.get_body(("html",))
    assert plain is not None and rich is not None
    assert plain.get_content() == in_lines(text)
    assert rich.get_content() == in_lines(html)
    assert max(map(len, made.content.split(b"\r\n"))) <= 998


@given(st.text(st.sampled_from("abc .=\t"), max_size=3000))
def test_long_and_blank_lines(text: str) -> None:
    made = rendered(job(text_template="{{ text }}", html_template=None), email(variables={"text": text}))
    assert read(made).get_content() == in_lines(text)
    assert max(map(len, made.content.split(b"\r\n"))) <= 998


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("plain\n", "7bit"),
        ("x" * 998 + "\n", "7bit"),
        ("x" * 999 + "\n", "quoted-printable"),
        ("Grüße und sonst nur ASCII\n", "quoted-printable"),
        ("short\n" + "x" * 999 + "\nshort", "quoted-printable"),
        ("a tab\tis 7bit, and so are \r\n and \r as ends of lines\n", "7bit"),
        ("\0 bell \a\n", "quoted-printable"),
        ("form\ffeed\n", "quoted-printable"),
        ("delete\x7f\n", "quoted-printable"),
        ("привет, мир\n", "base64"),
    ],
)
def test_plainest_encoding_that_is_safe(text: str, encoding: str) -> None:
    part = text_part("plain", text)
    assert f"Content-Transfer-Encoding: {encoding}\r\n".encode() in part.fields


@given(st.lists(st.sampled_from(["\r", "\n", "\0", "\x1f", "\x7f", "\t", "ä", ".", "x" * 499])).map("".join))
def test_7bit_is_exactly_what_may_go_as_it_is(text: str) -> None:
    """RFC 2045, section 2.7: lines of at most 998 bytes that end in CRLF, all ASCII; we allow no controls but tabs."""
    part = text_part("plain", text)
    lines = in_lines(text).encode().split(b"\r\n")
    plain = all(len(line) <= 998 and re.fullmatch(rb"[\t -~]*", line) for line in lines)
    assert (b"Content-Transfer-Encoding: 7bit\r\n" in part.fields) == plain
    assert not plain or b"".join(part.body) == b"\r\n".join(lines)


@given(st.binary(max_size=6000))
def test_attachment_bytes(content: bytes) -> None:
    boundary = new_boundary()
    parts = [attachment_part("a.bin", "application/octet-stream", content)]
    made, _ = message([], body_part("x", None, boundary), parts, boundary, 10**6)
    [seen] = cast(EmailMessage, message_from_bytes(made, policy=policy.default)).iter_attachments()
    assert seen.get_content() == content
    assert max(map(len, made.split(b"\r\n"))) <= 78


@given(st.integers(57 * 62, 57 * 66), st.binary(min_size=1, max_size=8))
def test_attachment_bytes_around_a_block_of_rows(size: int, seed: bytes) -> None:
    content = (seed * size)[:size]
    assert b"".join(attachment_part("a", "a/b", content).body) == base64.encodebytes(content).replace(b"\n", b"\r\n")


@given(
    words.filter(lambda name: name.strip().strip(". ") and not set(name) & _CHANGED and not _DEVICE.match(name.strip()))
)
def test_file_name_in_any_script(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    root = tmp_path_factory.getbasetemp()
    (root / "a").write_bytes(b"x")
    made = rendered(job(), email(attachments=(attachment("a", filename=name),)), root)
    [seen] = read(made).iter_attachments()
    assert seen.get_filename() == name.strip()
    assert seen.get_content_disposition() == "attachment"


def test_html_only_gets_a_text_part_made_from_it() -> None:
    html = '<h1>Dear {{ name }}</h1><p>See <a href="https://bank.example/x">here</a></p><ul><li>one<li>two</ul>'
    seen = read(rendered(job(html_template=html, text_template=None), email(variables={"name": "Zoë & Co"})))
    body = seen.get_body(("plain",))
    assert body is not None
    text = body.get_content()
    assert "Dear Zoë & Co" in text
    assert "[here](https://bank.example/x)" in text
    assert "* one" in text


def test_hidden_text_stays_hidden_and_styles_make_no_blanks() -> None:
    html = '<div style="display:none; color: red">preheader</div>'
    html += '<p style="padding-left: 99999em; margin-top: 99999em">x</p>y'
    made = rendered(job(html_template=html, text_template=None), email())
    body = read(made).get_body(("plain",))
    assert body is not None
    assert body.get_content().split() == ["x", "y"]
    assert len(made.content) < 2000


def test_html_without_words_has_no_text_part() -> None:
    seen = read(rendered(job(html_template="<img src='https://bank.example/x.png'>", text_template=None), email()))
    assert seen.get_content_type() == "text/html"


@given(any_text)
@hypothesis_settings(max_examples=examples(50))
def test_text_can_be_made_from_any_html(html: str) -> None:
    compiled = renderer().compile(job(html_template="{{ html|safe }}", text_template=None))
    try:
        made = renderer().render(compiled, email(variables={"html": html}))
    except RenderError as error:
        assert "give the job a text template" in error.reply
    else:
        read(made)


def test_text_only_has_no_html_part() -> None:
    assert read(rendered(job(html_template=None), email())).get_content_type() == "text/plain"


def test_neither_text_nor_html_is_refused_when_compiling() -> None:
    with pytest.raises(RenderError, match="neither an HTML nor a text template"):
        renderer().compile(job(html_template=None, text_template=""))


def test_too_large(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(800_000))
    with pytest.raises(RenderError, match=r"too large: 1\.0 MB, the limit is 1\.0 MB"):
        rendered(job(), email(attachments=(attachment("a"),)), tmp_path, max_message_bytes=1024 * 1024)
    assert rendered(job(), email(attachments=(attachment("a"),)), tmp_path, max_message_bytes=1_100_000)


def test_too_large_stops_reading_attachments(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(80_000))
    many = (*[attachment("a")] * 2, attachment("missing"))
    with pytest.raises(RenderError, match="too large"):
        rendered(job(), email(attachments=many), tmp_path, max_message_bytes=100_000)


def test_half_a_character_in_a_body_is_a_render_error() -> None:
    with pytest.raises(RenderError, match=r"half a character \(U\+D800\)"):
        rendered(job(text_template="{{ x }}"), email(variables='{"x": "\\ud800"}'))


def test_envelope_sender_of_the_configuration_wins() -> None:
    made = rendered(job(), email(), envelope_sender="bounces@bank.example")
    assert made.envelope_sender == "bounces@bank.example"
    assert read(made)["From"].addresses[0].addr_spec == "statements@bank.example"


def test_non_ascii_address_needs_smtputf8_and_is_utf8_in_the_header() -> None:
    made = rendered(job(), email(recipient="jürgen@bücher.example", recipient_name="Jürgen"))
    assert made.needs_smtputf8
    assert made.recipient == "jürgen@xn--bcher-kva.example"
    assert "<jürgen@xn--bcher-kva.example>" in made.content.decode()
    assert read(made)["To"].addresses[0].addr_spec == "jürgen@xn--bcher-kva.example"


def test_idn_domain_alone_stays_ascii() -> None:
    made = rendered(job(), email(recipient="info@bücher.example"))
    assert not made.needs_smtputf8
    assert made.recipient == "info@xn--bcher-kva.example"
    assert read(made)["To"].addresses[0].addr_spec == "info@xn--bcher-kva.example"


@pytest.mark.parametrize("field", ["sender", "reply_to"])
def test_non_ascii_sender_needs_smtputf8(field: str) -> None:
    assert rendered(job(**{field: "jürgen@bank.example"}), email()).needs_smtputf8


def test_date_is_the_second_in_which_it_was_rendered() -> None:
    elsewhere = NOON.astimezone(timezone(timedelta(hours=2)))
    times = [NOON, NOON + timedelta(seconds=0.999999), NOON + timedelta(seconds=1), elsewhere]
    maker = Renderer(settings(), AttachmentStore(None), iter(times).__next__)
    compiled = maker.compile(job())
    dates = [read(maker.render(compiled, email()))["Date"] for _ in times]
    assert [parsedate_to_datetime(date) - NOON for date in dates] == [timedelta(seconds=n) for n in (0, 0, 1, 0)]
    assert all(date.endswith(" +0000") for date in dates)


def test_two_messages_share_no_boundary() -> None:
    maker = renderer()
    compiled = maker.compile(job())
    first, second = (read(maker.render(compiled, email())).get_boundary() for _ in range(2))
    assert first != second


@pytest.mark.parametrize(
    ("template", "post"),
    [
        ("<https://a.example/{{ email_id }}>", True),
        ("<mailto:u@a.example?subject={{ job_id }}>", False),
        ("<https://a.example/1>, <https://a.example/2>", False),
    ],
)
def test_one_click_unsubscribe_only_with_one_https_link(template: str, post: bool) -> None:
    names = header_names(rendered(job(), email(), list_unsubscribe=template))
    assert "List-Unsubscribe" in names
    assert ("List-Unsubscribe-Post" in names) == post


def test_list_unsubscribe_that_comes_out_blank_is_left_out() -> None:
    assert unsubscribe_fields(" \n") == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("list_unsubscribe", "<https://a.example/{{ >"), ("envelope_sender", "a..b@bank.example")],
)
def test_bad_settings_are_configuration_errors(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"rendering.{name}"):
        renderer(**{name: value})


def test_message_id_domain_is_checked() -> None:
    unchecked = RenderingSettings.model_construct(message_id_domain="a.example>\r\nBcc: x", max_output_chars=1000)
    with pytest.raises(ConfigError, match="message_id_domain"):
        Renderer(unchecked, AttachmentStore(None))


@pytest.mark.parametrize(
    "block",
    [
        b"From: a\r\nBcc: x@y.example\r\n",
        b"From: a\r\nFrom: b\r\n",
        b"From: a\nBcc: b\r\n",
        b"From: a\rBcc: b\r\n",
        b"From: a\0\r\n",
        b"From: a\r\n \r\n",
        b"From: a\r\nno colon\r\n",
        b"From: a\r\n\r\nbody\r\n",
        b" From: a\r\n",
        b"From: " + b"a" * 1000 + b"\r\n",
        b"",
    ],
)
def test_check_of_the_finished_block(block: bytes) -> None:
    with pytest.raises(RenderError):
        check_block(block, [b"From"])


def test_good_block_passes_the_check() -> None:
    check_block(b"From: a\r\n b\r\nTo: c\r\n", [b"From", b"To"])


_BITS = ["From", "To", "B", ":", " ", "\t", "\v", "\f", "a", "ä", "\r\n", "\r\n", "\r\n ", "\r", "\n", "\0", "x" * 499]


@given(st.lists(st.sampled_from(_BITS)).map("".join))
def test_only_whole_fields_pass_the_check(text: str) -> None:
    """Against the same rules, read line by line."""
    block = text.encode()
    names, good = [], len(block.split(b"\r\n")) == block.count(b"\r") + 1 == block.count(b"\n") + 1
    for number, line in enumerate(block.removesuffix(b"\r\n").split(b"\r\n")):
        name, colon, _ = line.partition(b":")
        if colon and name and all(0x21 <= byte <= 0x7E for byte in name):
            names.append(name)
        elif not (number and line[:1] in (b" ", b"\t") and line.strip()):
            good = False
        good = good and len(line) <= 998 and b"\0" not in line
    if good:
        check_block(block, names)
    with pytest.raises(RenderError, match="differ from the intended ones" if good else None):
        check_block(block, [*names, b"Bcc"] if good else names)


def test_message_is_checked_after_it_is_built() -> None:
    """The second line of defence, on its own: a field that smuggles in another is caught in the finished bytes."""
    body = BodyPart(b"Content-Type: text/plain\r\n", (b"Content-Type",), (b"x\r\n",))
    with pytest.raises(RenderError, match="differ from the intended ones"):
        message([b"Subject: a\r\nBcc: b@c.example\r\n"], body, [], "b", 1000)
    with pytest.raises(RenderError):
        message([b"Subject: a\r\n\r\nbody\r\n"], body, [], "b", 1000)


def test_overlong_subject_is_refused() -> None:
    with pytest.raises(RenderError, match="2,001 characters long, and the limit is 2,000"):
        one_line("x" * 2001, "subject")
