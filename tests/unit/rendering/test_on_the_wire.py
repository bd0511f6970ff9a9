"""What goes over the wire is what looking through every byte of the message would have let through."""

import base64
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eed_delivery.errors import PermanentFailure
from eed_delivery.model import Rendered
from eed_delivery.transports.smtp.content import on_the_wire
from tests.unit.rendering.making import any_text, attachment, email, job, plain_renderer, read

ROW = re.compile(rb"[A-Za-z0-9+/]{1,76}={0,2}\r\n")
bits = st.sampled_from([b"\r\n", b"\r", b"\n", b".", b"..", b"a", b"\x85", b"\x0b", b"\r\n."])
texts = st.lists(bits, max_size=8).map(b"".join)


def rows_of(data: bytes) -> bytes:
    return base64.encodebytes(data).replace(b"\n", b"\r\n")


def looked_through(content: bytes) -> bytes | None:
    """The wire's bytes by RFC 5321, 2.3.8 and 4.5.2, from every single byte; None for a bare CR or LF."""
    if re.search(rb"\r(?!\n)|(?<!\r)\n", content):
        return None
    stuffed = re.sub(rb"(\A|\r\n)\.", rb"\1..", content)
    return stuffed if stuffed.endswith(b"\r\n") else stuffed + b"\r\n"


def sent(content: bytes, rows: tuple[tuple[int, int], ...] = ()) -> bytes | None:
    try:
        return on_the_wire(
            Rendered(7, 2, "a@bank.example", "b@bank.example", "<7.2@bank.example>", content, False, rows)
        )
    except PermanentFailure:
        return None


@given(texts)
def test_text_alone(content: bytes) -> None:
    assert sent(content) == looked_through(content)


@given(
    st.lists(st.tuples(texts.map(lambda text: text + b"\r\n"), st.binary(min_size=1, max_size=400)), max_size=4), texts
)
def test_text_between_rows(pieces: list[tuple[bytes, bytes]], tail: bytes) -> None:
    content, rows = b"", []
    for text, data in pieces:
        content += text + rows_of(data)
        rows.append((len(content) - len(rows_of(data)), len(content)))
    assert sent(content + tail, tuple(rows)) == looked_through(content + tail)


@given(st.binary(min_size=1, max_size=600), st.integers(-80, 80), st.integers(-80, 80))
def test_a_place_that_is_wrong_is_not_believed(data: bytes, begin: int, end: int) -> None:
    """Off by a little to either side, it takes in a bare LF and a dot: the LF is found all the same."""
    before, rows = b"a\r\n.\r\n" * 20, rows_of(data)
    after = b"\r\n\n.b\r\n" * 20
    place = (len(before) + begin, len(before) + len(rows) + end)
    assert sent(before + rows + after, (place,)) is None
    good = before + rows + after.replace(b"\r\n\n", b"\r\n")
    assert sent(good, (place,)) == looked_through(good)


@pytest.mark.parametrize(
    "places", [((5, 9),), ((100, 178),), ((9, 5),), ((-78, 0),), ((0, 78), (0, 78)), ((78, 156), (0, 78))]
)
def test_places_that_cannot_be_are_not_believed(places: tuple[tuple[int, int], ...]) -> None:
    content = rows_of(b"x" * 57) + b"a\r\n.b\r\n"
    assert sent(content, places) == looked_through(content)


@pytest.mark.parametrize(
    ("at", "spoilt"),
    [(30, b"\r\n."), (276, b"\r\n."), (78, b"."), (156, b"."), (154, b"A"), (155, b"A"), (232, b"A"), (233, b"A")],
    ids=["first row", "last row", "dot", "another dot", "no CR", "no LF", "no CR again", "no LF again"],
)
def test_what_is_not_shaped_like_rows_is_looked_through(at: int, spoilt: bytes) -> None:
    rows = rows_of(b"x" * 57 * 4)
    content = rows[:at] + spoilt + rows[at + len(spoilt) :]
    assert sent(content, ((0, len(content)),)) == looked_through(content)


@given(any_text, any_text, st.lists(st.binary(max_size=500), max_size=3), st.booleans())
def test_what_the_renderer_calls_rows_is_rows(
    tmp_path_factory: pytest.TempPathFactory, text: str, html: str, files: list[bytes], shared: bool
) -> None:
    root = tmp_path_factory.getbasetemp()
    for number, data in enumerate(files):
        (root / f"rows{number}").write_bytes(data)
    attachments = tuple(attachment(f"rows{number}") for number in range(len(files)))
    maker = plain_renderer(root)
    compiled = maker.compile(
        job(text_template="{{ text }}", html_template="{{ html|safe }}", attachments=attachments if shared else ())
    )
    made = maker.render(
        compiled, email(variables={"text": text, "html": html}, attachments=() if shared else attachments)
    )
    for begin, end in made.rows:
        assert re.fullmatch(rb"(%b)+" % ROW.pattern, made.content[begin:end])
        assert made.content[:begin].endswith(b"\r\n\r\n")
        assert made.content[end:].startswith(b"\r\n--")
    named = [made.content[begin:end] for begin, end in made.rows]
    assert [rows_of(data) for data in files if data] == named[len(named) - sum(map(bool, files)) :]
    assert on_the_wire(made) == looked_through(made.content)


def test_a_message_with_an_attachment_is_not_copied(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(range(256)) * 300)
    maker = plain_renderer(tmp_path)
    made = maker.render(maker.compile(job()), email(attachments=(attachment("a"),)))
    assert len(made.rows) == 1
    assert on_the_wire(made) is made.content
    read(made)
