"""Logs: one JSON object a line on stdout, for journald or the CloudWatch agent.

It has a key per fact and no personal data.

Use structlog's own API anywhere: ``structlog.get_logger().info("email sent", email_id=7)``.
"""

import io
import json
import logging
import math
import os
import select
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager, suppress
from datetime import date, datetime
from functools import lru_cache
from json.encoder import encode_basestring_ascii
from typing import Any, TextIO

import structlog

from eed_delivery.config import LogSettings
from eed_delivery.untrusted import MASK, mask_addresses, mask_locations, may_hold_address

Listener = Callable[[Mapping[str, Any]], None]
"""Hears every line that is logged, after masking. It must be quick: the email being sent waits for it. It may keep the
line, and must not change it."""

LIBRARIES = ("botocore", "boto3", "urllib3", "sqlalchemy", "alembic")
PRIVATE_WORDS = frozenset(
    {"recipient", "recipients", "address", "addresses", "variables", "body", "subject", "password", "secret"}
)
ALWAYS_PRIVATE = frozenset({"password", "secret"})
MAX_DEPTH = 6
PIPE_BUF = 4096
"""As Linux has it (pipe(7)): a write of no more than that does not block once poll() has said that there is room."""
READER_MILLISECONDS = 1000

_thread = threading.local()
"""Of the running thread: whether its lines are kept from the listeners."""


@contextmanager
def unheard() -> Iterator[None]:
    """What this thread logs meanwhile is written, and no listener hears it. It is for a listener's own threads and the
    libraries they call."""
    before = getattr(_thread, "unheard", False)
    _thread.unheard = True
    try:
        yield
    finally:
        _thread.unheard = before


class LogHealth:
    """How logging itself is doing. Counted, because a log that fails cannot say so in the log."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lost_lines = 0
        self._failed_listeners = 0

    @property
    def lost_lines(self) -> int:
        """Lines that could not be written, because stdout is closed, its disk is full, or no process reads the pipe."""
        return self._lost_lines

    @property
    def failed_listeners(self) -> int:
        """Calls of a listener that ended in an exception."""
        return self._failed_listeners

    def line_lost(self) -> None:
        with self._lock:
            self._lost_lines += 1

    def listener_failed(self) -> None:
        with self._lock:
            self._failed_listeners += 1


class LineWriter:
    """Writes whole lines from any thread. It never raises, and never waits for a reader who reads no more.

    This is the one place where an error is swallowed, and rightly. An email that is on the wire must be recorded in the
    database whether or not the log is read. A closed pipe, one that is full or a full disk costs the line,
    and is counted.
    """

    def __init__(self, stream: TextIO | None, health: LogHealth) -> None:
        self._stream = stream  # kept open: a stream without a reference closes itself
        self._write = _way_into(stream)
        self._health = health
        self._lock = threading.Lock()
        self._poll = _poll_for(stream)
        self._stuck = False
        self._half_a_line = False

    def msg(self, line: str) -> None:
        """Write one line. structlog calls this by the level's name."""
        try:
            with self._lock:
                self._write_line((line + "\n").encode())
        except (OSError, ValueError):  # ValueError: the stream has been closed on our side
            self._health.line_lost()

    def _write_line(self, line: bytes) -> None:
        data = b"\n" + line if self._half_a_line else line
        done = 0
        while done < len(data):
            if self._poll is not None:
                self._await_room(self._poll)
            written = self._write(data[done : done + PIPE_BUF])
            if not written:
                raise BlockingIOError("there is no room for the log")
            done += written
            self._half_a_line = done < len(data)

    def _await_room(self, poll: "select.poll") -> None:
        """Raises TimeoutError when the pipe still takes nothing.

        A reader who has kept us waiting once is not waited for again.
        """
        self._stuck = not poll.poll(0 if self._stuck else READER_MILLISECONDS)
        if self._stuck:
            raise TimeoutError("no process reads the log")

    debug = info = warning = error = critical = exception = msg


def _way_into(stream: TextIO | None) -> Callable[[bytes], int | None]:
    """Writes some or all of the bytes and returns how many, or None where nothing could be taken.

    Raises OSError or ValueError.

    To a file or a pipe it writes past the stream's own buffers. They add a layer each to every line's cost, and keep
    what they could not write. A line that was counted as lost came hours later, when the disk had free space again.
    """
    buffer = getattr(stream, "buffer", None)
    raw = getattr(buffer, "raw", buffer)  # with python -u there is no buffer in between
    if stream is None or not isinstance(raw, io.FileIO):
        return _WrittenAsText(stream)
    with suppress(OSError, ValueError):
        stream.flush()  # what came before comes first
    return raw.write


class _WrittenAsText:
    """A way into a stream that is text alone. None means that Python found stdout closed when it started."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def __call__(self, data: bytes) -> int:
        if self._stream is None:
            raise ValueError("there is no stream")
        self._stream.write(data.decode("ascii"))  # JSON as we write it has no other letters
        self._stream.flush()
        return len(data)


def _poll_for(stream: TextIO | None) -> "select.poll | None":
    """Asks whether a file descriptor takes more. None for a stream that has none, and for a file, which always does."""
    try:
        descriptor = stream.fileno() if stream is not None else None
        if descriptor is None or stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
    except (OSError, ValueError):
        return None
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return poll


class _Listeners:
    """Hands each line to the listeners, whose failures stay their own."""

    def __init__(self, listeners: Sequence[Listener], health: LogHealth) -> None:
        self._listeners = tuple(listeners)
        self._health = health

    def hear(self, event: Mapping[str, Any]) -> None:
        if getattr(_thread, "unheard", False):
            return
        _thread.unheard = True  # a listener that logs must not hear itself
        try:
            for listener in self._listeners:
                self._tell(listener, event)
        finally:
            _thread.unheard = False

    def _tell(self, listener: Listener, event: Mapping[str, Any]) -> None:
        try:
            listener(event)
        except Exception:  # noqa: BLE001 - foreign code: the line is logged whatever it raises
            self._health.listener_failed()


class _LineMaker:
    """The one processor, which turns an event into the line that is written.

    A line is written for every email, and sending has driven its code and data out of the processor's caches since the
    last one. Its cost grows with both. With a processor for each step, and json's encoder, it took twice as much.
    """

    def __init__(self, role: str, listeners: _Listeners | None) -> None:
        self._role = role
        self._listeners = listeners

    def __call__(self, logger: Any, method: str, event: MutableMapping[str, Any]) -> str:
        event["level"] = method
        event["time"] = utc_text(time.time_ns())
        event.setdefault("role", self._role)
        if "exc_info" in event:  # before masking: an exception's text may quote an address
            event = structlog.processors.format_exc_info(logger, method, event)
        facts = _masked_facts(event)
        if self._listeners is not None:
            self._listeners.hear(event)
        return f"{{{', '.join(facts)}}}"


def utc_text(nanoseconds: int) -> str:
    """A moment, counted from 1970, as ISO 8601 has it."""
    seconds, microseconds = divmod(nanoseconds // 1000, 1_000_000)
    return f"{_date_and_time(seconds)}.{microseconds:06}Z"


@lru_cache(maxsize=1)
def _date_and_time(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


class _Handler(logging.Handler):
    """The standard library's records, from the libraries we use, as lines like our own."""

    def __init__(self, writer: LineWriter, health: LogHealth) -> None:
        super().__init__()
        self._writer = writer
        self._health = health

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record)
        except Exception:  # noqa: BLE001 - a library's broken format string must not end a send
            self._health.line_lost()
        else:
            self._writer.msg(line)


def configure(
    settings: LogSettings, role: str, stream: TextIO | None = None, listeners: Sequence[Listener] = ()
) -> LogHealth:
    """Set up logging for this process. `role` (publisher, worker, …) is on every line. `stream` defaults to stdout.

    Libraries are heard from warning up. Returns the counters of what could not be logged.
    """
    health = LogHealth()
    writer = LineWriter(sys.stdout if stream is None else stream, health)
    line_maker = _LineMaker(role, _Listeners(listeners, health) if listeners else None)
    structlog.configure(
        processors=[line_maker],
        wrapper_class=structlog.make_filtering_bound_logger(settings.level),
        logger_factory=lambda *_: writer,
        cache_logger_on_first_use=False,  # a logger made before configure() must follow it
    )
    _route_libraries(_Handler(writer, health), line_maker)
    return health


def _route_libraries(handler: _Handler, line_maker: _LineMaker) -> None:
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, line_maker],
        )
    )
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    for name in LIBRARIES:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(True)


def _masked_facts(event: MutableMapping[str, Any]) -> list[str]:
    """Each fact as JSON has it. From info up, what belongs to the recipient is hidden, here and in `event`: values by
    their key's name, addresses inside any text.

    At debug, which an operator turns on to look into one case, only passwords and secrets are hidden.
    """
    words = ALWAYS_PRIVATE if event["level"] == "debug" else PRIVATE_WORDS
    facts = []
    for key, value in event.items():
        name, kind = _open_name(key), type(value)
        open_text = name and kind is str and not may_hold_address(value)
        if open_text and "ttachment" not in value and "s3:" not in value:  # this and the next are nearly all
            facts.append(f"{name}{encode_basestring_ascii(value)}")
        elif name and kind is int:
            facts.append(name + str(value))
        else:
            event[key] = masked = _masked(key, value, words, 0)
            facts.append(f"{encode_basestring_ascii(key)}: {json.dumps(masked)}")
    return facts


@lru_cache(maxsize=1000)  # the keys are ours, and few
def _open_name(key: str) -> str | None:
    """As it begins its fact. None for one whose value is hidden at some level."""
    return None if _is_private(key, PRIVATE_WORDS) else f"{encode_basestring_ascii(key)}: "


def _masked(key: object, value: Any, words: frozenset[str], depth: int) -> Any:
    """The value as it may be logged, made of JSON's own types only."""
    if isinstance(key, str) and _is_private(key, words):
        return MASK
    if type(value) is str:
        return value if words is ALWAYS_PRIVATE else _masked_text(value)
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if depth >= MAX_DEPTH:
        return "…"
    if isinstance(value, Mapping):
        return {_text(name, words): _masked(name, inner, words, depth + 1) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_masked(None, inner, words, depth + 1) for inner in value]
    return _text(value, words)


@lru_cache(maxsize=1000)  # the keys are ours, and few
def _is_private(key: str, words: frozenset[str]) -> bool:
    return not words.isdisjoint(key.lower().split("_"))


def _text(value: object, words: frozenset[str]) -> str:
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{len(value)} bytes>"
    if isinstance(value, date | datetime):
        return value.isoformat()
    try:
        text = str(value)
    except Exception:  # noqa: BLE001 - a value that cannot show itself must not cost the line
        return f"<{type(value).__name__} that cannot be shown>"
    return text if words is ALWAYS_PRIVATE else _masked_text(text)


def _masked_text(text: str) -> str:
    return mask_addresses(mask_locations(text))
