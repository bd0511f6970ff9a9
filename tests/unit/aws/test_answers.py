"""An HTTP answer is read as http.client reads it, however it is cut into pieces; what is none is refused."""

import contextlib
import http.client
import io
import time
from typing import BinaryIO, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eed_delivery.aws.calls.http_answers import MAX_BODY, MAX_FIELDS, MAX_LINE, UnreadableAnswer, read_answer

NAMES = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_", min_size=1, max_size=12).map(
    "X-{}".format
)
VALUES = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=20)


class Pieces(io.RawIOBase):
    """Bytes that come a few at a time."""

    def __init__(self, data: bytes, size: int) -> None:
        self._data, self._size = data, size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        piece = self._data[: min(self._size, len(buffer))]
        self._data = self._data[len(piece) :]
        buffer[: len(piece)] = piece
        return len(piece)


class Wire:
    """What http.client takes for a socket."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, mode: str) -> BinaryIO:
        return io.BytesIO(self._data)


def stream(data: bytes, size: int = 7) -> BinaryIO:
    return cast(BinaryIO, io.BufferedReader(Pieces(data, size)))


def refused(data: bytes) -> str:
    with pytest.raises(UnreadableAnswer) as caught:
        read_answer(stream(data, 4096))
    return str(caught.value)


@given(
    st.sampled_from([200, 204, 304, 400, 503]),
    st.lists(st.tuples(NAMES, VALUES), max_size=5, unique_by=lambda field: field[0].lower()),
    st.binary(max_size=300),
    st.sampled_from(["length", "chunks", "end"]),
    st.lists(st.integers(1, 60), max_size=10),
    st.integers(1, 50),
    st.booleans(),
)
def test_it_is_read_as_http_client_reads_it(
    status: int, fields: list[tuple[str, str]], body: bytes, end: str, sizes: list[int], piece: int, close: bool
) -> None:
    if status in (204, 304):
        body, end = b"", "length"
    lines = [f"{name}: {value}" for name, value in fields]
    if close:
        lines.append("Connection: Close")
    if end == "length":
        lines.append(f"Content-Length: {len(body)}")
        sent = body
    elif end == "chunks":
        lines.append("Transfer-Encoding: chunked")
        sent = chunked(body, sizes)
    else:
        sent = body
    data = "\r\n".join([f"HTTP/1.1 {status} Some reason", *lines, "", ""]).encode() + sent
    reference = http.client.HTTPResponse(Wire(data))  # type: ignore[arg-type]
    reference.begin()
    answer = read_answer(stream(data, piece))
    assert (answer.status, answer.body) == (reference.status, reference.read())
    assert answer.fields == {name.lower(): value for name, value in reference.getheaders()}
    assert answer.kept == (not reference.will_close) == (not close and end != "end")


def chunked(body: bytes, sizes: list[int]) -> bytes:
    parts, rest = [], body
    for size in sizes:
        part, rest = rest[:size], rest[size:]
        if part:
            parts.append(b"%X;note=1\r\n%s\r\n" % (len(part), part))
    if rest:
        parts.append(b"%x\r\n%s\r\n" % (len(rest), rest))
    return b"".join([*parts, b"0\r\nTrailing: yes\r\n\r\n"])


@given(st.binary(max_size=200), st.integers(1, 50))
def test_what_is_none_is_refused_and_nothing_else_happens(data: bytes, piece: int) -> None:
    for begin in (b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"):
        try:
            answer = read_answer(stream(begin + data, piece))
        except UnreadableAnswer:
            continue
        assert 200 <= answer.status <= 999


def test_an_announcement_is_passed_over() -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
    answer = read_answer(stream(early + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"))
    assert (answer.status, answer.fields, answer.body) == (200, {"content-length": "2"}, b"{}")


def test_a_field_that_comes_twice_is_one_with_both_values() -> None:
    assert read_answer(stream(b"HTTP/1.1 204 -\r\nA: 1\r\na: 2\r\n\r\n")).fields == {"a": "1, 2"}


def test_blanks_around_a_value_are_no_part_of_it() -> None:
    assert read_answer(stream(b"HTTP/1.1 204 -\r\nA: \t1  2\t \r\nB:\r\nC:  \r\n\r\n")).fields == {
        "a": "1  2",
        "b": "",
        "c": "",
    }


@pytest.mark.parametrize("end", [b"b\r\r\n", b"\0", b"\r\n"])
def test_a_line_of_blanks_is_read_in_the_time_of_any_other(end: bytes) -> None:
    """A pattern that tries every blank for the last one takes 14 s of CPU for such a line."""
    line = b"HTTP/1.1 200 OK\r\nA: 1" + b" " * (MAX_LINE - 20) + end
    began = time.process_time()
    with contextlib.suppress(UnreadableAnswer):
        read_answer(stream(line, 4096))
    assert time.process_time() - began < 2


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_that_has_no_body_ends_with_its_head(status: int) -> None:
    answer = read_answer(stream(b"HTTP/1.1 %d -\r\n\r\nHTTP/1.1 200 OK\r\n" % status))
    assert (answer.body, answer.kept) == (b"", True)


def test_a_server_of_http_1_0_closes_the_connection() -> None:
    assert not read_answer(stream(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n")).kept


def test_the_next_answer_is_left_alone() -> None:
    both = stream(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n2")
    assert (read_answer(both).body, read_answer(both).body) == (b"1", b"2")


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "closed without an answer"),
        (b"SSH-2.0-OpenSSH_9\r\n", "status line"),
        (b"HTTP/1.1 200 OK", "status line"),
        (b"HTTP/1.1 200 OK\r\nA: 1", "header field"),
        (b"HTTP/1.1 200 OK\r\nA : 1\r\n\r\n", "header field"),
        (b"HTTP/1.1 200 OK\r\nA: 1\r\n folded\r\n\r\n", "header field"),
        (b"HTTP/1.1 200 OK\r\nA: " + b"x" * MAX_LINE + b"\r\n\r\n", "header field"),
        (b"HTTP/1.1 200 OK\r\n" + b"A: 1\r\n" * MAX_FIELDS + b"\r\n", "too many"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}", "after 2 of 3 bytes"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "not a number"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}", "not a number"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (MAX_BODY + 1), "larger"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "where the answer ends"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n",
            "where the answer ends",
        ),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}", "does not end"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", "its size"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n", "its size"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFF\r\n{}\r\n", "larger"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", "header field"),
    ],
)
def test_what_is_not_all_of_one_is_refused(data: bytes, what: str) -> None:
    assert what in refused(data)
