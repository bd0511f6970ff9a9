"""Logs: one JSON object a line on stdout, for journald or the CloudWatch agent; a key per fact, no personal data.

Use structlog's own API anywhere: ``structlog.get_logger().info("email sent", email_id=7)``.
"""

import logging
import math
import re
import select
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from functools import lru_cache
from typing import Any, TextIO

import structlog
from structlog.typing import Processor

from eed_delivery.config import LogSettings

Listener = Callable[[Mapping[str, Any]], None]
"""Hears every line that is logged, after masking. It must be quick: the email being sent waits for it. It may keep the
line, and must not change it."""

LIBRARIES = ("botocore", "boto3", "urllib3", "sqlalchemy", "alembic")
PRIVATE_WORDS = frozenset(
    {"recipient", "recipients", "address", "addresses", "variables", "body", "subject", "password", "secret"}
)
ALWAYS_PRIVATE = frozenset({"password", "secret"})
MASK = "***"
MAX_DEPTH = 6
PIPE_BUF = 4096
"""As Linux has it (pipe(7)): a write of no more than that does not block once poll() has said that there is room."""
READER_MILLISECONDS = 1000

# A local part, quoted or not. Its length is bounded so that no text, however long, takes quadratic time.
LOCAL_PART = re.compile(r"(?:\"[^\"\r\n]{1,128}\"|[^\s@<>\"(),:;\[\]\\]{1,128})@")


_thread = threading.local()
"""Of the running thread: whether its lines are kept from the listeners."""


@contextmanager
def unheard() -> Iterator[None]:
    """What this thread logs meanwhile is written, and no listener hears it: for a listener's own threads, and for the
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
        """Lines that could not be written: stdout is closed, its disk is full, or nobody reads the pipe."""
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
    """Writes whole lines from any thread; it never raises, and never waits for a reader who reads no more.

    This is the one place where an error is swallowed, and right so: an email that is on the wire must be recorded in
    the database whether or not somebody reads the log. A closed pipe, one that is full or a full disk costs the line,
    and is counted.
    """

    def __init__(self, stream: TextIO | None, health: LogHealth) -> None:
        self._stream = stream  # None: Python found stdout closed when it started
        self._health = health
        self._lock = threading.Lock()
        self._poll = _poll_for(stream)
        self._stuck = False
        self._half_a_line = False

    def msg(self, line: str) -> None:
        """Write one line. structlog calls this by the level's name."""
        if self._stream is None:
            self._health.line_lost()
            return
        try:
            with self._lock:
                self._write(self._stream, line + "\n")
        except (OSError, ValueError):  # ValueError: the stream has been closed on our side
            self._health.line_lost()

    def _write(self, stream: TextIO, line: str) -> None:
        text = "\n" + line if self._half_a_line else line
        step = PIPE_BUF if text.isascii() else PIPE_BUF // 4  # so much can be written to a pipe that has room at all
        for start in range(0, len(text), step):
            self._await_room()
            stream.write(text[start : start + step])
            stream.flush()
            self._half_a_line = start + step < len(text)

    def _await_room(self) -> None:
        """Raises TimeoutError when there is none; a reader who has kept us waiting once is not waited for again."""
        if self._poll is not None:
            self._stuck = not self._poll.poll(0 if self._stuck else READER_MILLISECONDS)
            if self._stuck:
                raise TimeoutError("nobody reads the log")

    debug = info = warning = error = critical = exception = msg


def _poll_for(stream: TextIO | None) -> "select.poll | None":
    """Asks whether a file descriptor takes more; None for a stream that has none."""
    try:
        descriptor = stream.fileno() if stream is not None else None
    except (OSError, ValueError):
        return None
    if descriptor is None:
        return None
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return poll


class _Listeners:
    """The last processor but one: hands each line to the listeners, whose failures stay their own."""

    def __init__(self, listeners: Sequence[Listener], health: LogHealth) -> None:
        self._listeners = tuple(listeners)
        self._health = health

    def __call__(self, _logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        if getattr(_thread, "unheard", False):
            return event
        _thread.unheard = True  # a listener that logs must not hear itself
        try:
            for listener in self._listeners:
                self._tell(listener, event)
        finally:
            _thread.unheard = False
        return event

    def _tell(self, listener: Listener, event: Mapping[str, Any]) -> None:
        try:
            listener(event)
        except Exception:  # noqa: BLE001 - somebody else's code: whatever it raises, the line is still logged
            self._health.listener_failed()


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
    """Set up logging for this process. `role` (publisher, worker, …) is on every line; `stream` defaults to stdout.

    Libraries are heard from warning up. Returns the counters of what could not be logged.
    """
    health = LogHealth()
    writer = LineWriter(sys.stdout if stream is None else stream, health)
    shared = _processors(role)
    heard: list[Processor] = [_Listeners(listeners, health)] if listeners else []
    last: list[Processor] = [*heard, structlog.processors.JSONRenderer(sort_keys=False)]
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(settings.level),
        logger_factory=lambda *_: writer,
        cache_logger_on_first_use=False,  # a logger made before configure() must follow it
    )
    _route_libraries(_Handler(writer, health), shared, last)
    return health


def _processors(role: str) -> list[Processor]:
    def add_role(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event.setdefault("role", role)
        return event

    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        add_role,
        structlog.processors.format_exc_info,  # before masking: an exception's text may quote an address
        mask_private,
    ]


def _route_libraries(handler: _Handler, shared: list[Processor], last: list[Processor]) -> None:
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared[:-1]],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, mask_private, *last],
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


def mask_private(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """From info up, hide what belongs to the recipient: values by their key's name, addresses inside any text.

    At debug, which an operator turns on to look into one case, only passwords and secrets are hidden.
    """
    words = ALWAYS_PRIVATE if event.get("level") == "debug" else PRIVATE_WORDS
    for key in list(event):
        event[key] = _masked(key, event[key], words, 0)
    return event


def _masked(key: object, value: Any, words: frozenset[str], depth: int) -> Any:
    """The value as it may be logged, made of JSON's own types only."""
    if isinstance(key, str) and _is_private(key, words):
        return MASK
    if type(value) is str:  # nearly all of them, and one line is written for every email
        return value if words is ALWAYS_PRIVATE else mask_addresses(value)
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
    return text if words is ALWAYS_PRIVATE else mask_addresses(text)


def mask_addresses(text: str) -> str:
    """`anna@example.com` becomes `***@example.com`: the domain is for support, the person is nobody's business."""
    return LOCAL_PART.sub(f"{MASK}@", text) if "@" in text else text
