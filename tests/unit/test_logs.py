"""The log: JSON lines without personal data, which never stand in the way of sending."""

import io
import json
import logging
import os
import resource
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TextIO

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from eed_delivery.config import LogSettings
from eed_delivery.logs import configure, utc_text
from eed_delivery.untrusted import mask_addresses


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    structlog.reset_defaults()
    logging.captureWarnings(False)
    root.handlers[:], root.level = handlers, level


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def logged(level: str = "info", **settings: Any) -> io.StringIO:
    stream = io.StringIO()
    configure(LogSettings(level=level), role="worker", stream=stream, **settings)
    return stream


def test_a_line_is_one_json_object_with_a_key_per_fact() -> None:
    stream = logged()
    structlog.get_logger("x").info("email sent", email_id=7, gen=1, reply="250 ok")
    (line,) = lines(stream)
    assert line.pop("time").endswith("Z")
    assert line == {
        "event": "email sent",
        "email_id": 7,
        "gen": 1,
        "reply": "250 ok",
        "level": "info",
        "role": "worker",
    }


def test_below_the_level_nothing_is_logged() -> None:
    stream = logged("warning")
    structlog.get_logger().info("quiet")
    structlog.get_logger().warning("loud")
    assert [line["event"] for line in lines(stream)] == ["loud"]


def test_a_logger_made_before_configure_follows_it() -> None:
    early = structlog.get_logger("early")
    early_bound = early.bind(job_id=1)
    stream = logged()
    early.info("one")
    structlog.get_logger().bind(job_id=2).info("two")
    assert [line["event"] for line in lines(stream)] == ["one", "two"]
    assert early_bound is not None


@pytest.mark.parametrize(
    "key", ["recipient", "recipient_name", "address", "variables", "body", "html_body", "subject", "smtp_password"]
)
def test_private_keys_are_masked_from_info_up_at_any_depth(key: str) -> None:
    stream = logged()
    structlog.get_logger().info("x", **{key: "Anna Müller"})
    structlog.get_logger().error("x", facts=[{key: "Anna Müller"}], reply="no")
    assert "Anna" not in stream.getvalue()
    assert lines(stream)[1]["facts"] == [{key: "***"}]


def test_addresses_are_masked_wherever_they_hide() -> None:
    stream = logged()
    log = structlog.get_logger()
    log.info("to anna.b@example.com", reply="550 5.1.1 <anna.b@example.com>: User unknown")
    log.warning(
        "x", error=ValueError("bad anna.b@example.com"), list=["anna.b@example.com"], map={"anna.b@a.example": 1}
    )
    try:
        raise ValueError("cannot send to anna.b@example.com")  # noqa: TRY301
    except ValueError:
        log.exception("oops")
    logging.getLogger("botocore").warning("%s is wrong", "anna.b@example.com")
    assert "anna" not in stream.getvalue()
    assert lines(stream)[0]["reply"] == "550 5.1.1 <***@example.com>: User unknown"
    assert "ValueError: cannot send to ***@example.com" in lines(stream)[2]["exception"]


def test_at_debug_only_secrets_are_hidden() -> None:
    stream = logged("debug")
    structlog.get_logger().debug("x", recipient="anna@example.com", password="hunter2")
    assert lines(stream)[0]["recipient"] == "anna@example.com"
    assert lines(stream)[0]["password"] == "***"


LOCAL = st.from_regex(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~ä-]{1,64}", fullmatch=True)


@given(before=st.text(max_size=20), local=LOCAL, after=st.sampled_from(["", ">", " and more", ",b@example.com"]))
def test_no_local_part_survives_masking(before: str, local: str, after: str) -> None:
    masked = mask_addresses(f"{before} {local}@example.com{after}")
    assert f" ***@example.com{after.replace('b@', '***@')}" in masked


def test_masking_takes_linear_time() -> None:
    text = "a" * 100_000 + " @ "
    started = datetime.now(UTC)
    mask_addresses(text)
    assert (datetime.now(UTC) - started).total_seconds() < 5


class Unshowable:
    def __str__(self) -> str:
        raise RuntimeError("no")


def test_any_value_can_be_logged() -> None:
    stream = logged()
    loop: list[Any] = []
    loop.append(loop)
    structlog.get_logger().info(
        "x", bad=Unshowable(), raw=b"secret bytes", nan=float("nan"), when=datetime(2026, 1, 2, tzinfo=UTC), loop=loop
    )
    (line,) = lines(stream)
    assert line["bad"] == "<Unshowable that cannot be shown>"
    assert line["raw"] == "<12 bytes>"
    assert (line["nan"], line["when"]) == ("nan", "2026-01-02T00:00:00+00:00")


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text()


@given(facts=st.dictionaries(st.text(), VALUES | st.lists(VALUES) | st.dictionaries(st.text(), VALUES)))
def test_a_line_is_written_as_json_writes_it(facts: dict[str, Any]) -> None:
    stream = logged()
    structlog.get_logger().bind(**facts).info("x")
    text = stream.getvalue().removesuffix("\n")
    assert text == json.dumps(json.loads(text))
    assert text.isascii()


def test_a_listener_hears_what_is_written() -> None:
    heard: list[Mapping[str, Any]] = []
    stream = logged(listeners=[heard.append])
    structlog.get_logger().info("x", n=1, reply="a@example.com", body="b", none=None, yes=True, list=[1], verdict="ä")
    assert lines(stream) == heard


def test_a_line_has_the_time_at_which_it_was_logged() -> None:
    stream = logged()
    before = datetime.now(UTC)
    structlog.get_logger().info("x")
    (line,) = lines(stream)
    assert before <= datetime.fromisoformat(line["time"]) <= datetime.now(UTC)


@given(microseconds=st.integers(0, 10**16), less=st.integers(0, 999))
def test_the_time_is_written_in_utc_to_the_microsecond(microseconds: int, less: int) -> None:
    when = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
    assert utc_text(microseconds * 1000 + less) == when.isoformat(timespec="microseconds").replace("+00:00", "Z")


def test_libraries_are_heard_from_warning_up_in_the_same_form() -> None:
    stream = logged("debug")
    for name in ("botocore.retries", "urllib3.connectionpool", "sqlalchemy.engine", "alembic.runtime"):
        logging.getLogger(name).info("quiet")
        logging.getLogger(name).warning("loud %s", 1)
    assert [line["logger"] for line in lines(stream)] == [
        "botocore.retries",
        "urllib3.connectionpool",
        "sqlalchemy.engine",
        "alembic.runtime",
    ]
    assert all(line["event"] == "loud 1" and line["role"] == "worker" and "time" in line for line in lines(stream))


def test_a_librarys_exception_and_warnings_are_logged_too() -> None:
    stream = logged()
    try:
        1 / 0  # noqa: B018
    except ZeroDivisionError:
        logging.getLogger("urllib3").exception("failed")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    first, second = lines(stream)
    assert "ZeroDivisionError" in first["exception"]
    assert "old" in second["event"]


def test_a_librarys_broken_format_string_is_counted_and_no_more() -> None:
    health = configure(LogSettings(), role="worker", stream=io.StringIO())
    logging.getLogger("urllib3").warning("%d", "not a number")
    assert health.lost_lines == 1


def test_listeners_hear_each_line_masked() -> None:
    heard: list[Mapping[str, Any]] = []
    logged(listeners=[heard.append])
    structlog.get_logger().error("to anna@example.com failed", email_id=3)
    logging.getLogger("sqlalchemy").error("pool is empty")
    assert [(line["event"], line.get("email_id")) for line in heard] == [
        ("to ***@example.com failed", 3),
        ("pool is empty", None),
    ]


def test_a_failing_listener_costs_neither_the_line_nor_the_other_listeners() -> None:
    heard: list[Mapping[str, Any]] = []

    def broken(line: Mapping[str, Any]) -> None:
        raise RuntimeError(line)

    stream = io.StringIO()
    health = configure(LogSettings(), role="worker", stream=stream, listeners=[broken, heard.append])
    structlog.get_logger().info("x")
    assert len(lines(stream)) == len(heard) == 1
    assert health.failed_listeners == 1


def test_a_listener_that_logs_does_not_hear_itself() -> None:
    def echo(line: Mapping[str, Any]) -> None:
        structlog.get_logger().warning("heard", original=line["event"])

    stream = logged(listeners=[echo])
    structlog.get_logger().info("x")
    assert [line["event"] for line in lines(stream)] == ["heard", "x"]


def test_a_full_disk_costs_the_line_and_is_counted() -> None:
    with open("/dev/full", "w") as full:
        health = configure(LogSettings(), role="worker", stream=full)
        structlog.get_logger().info("x")
        logging.getLogger("botocore").warning("y")
        assert health.lost_lines == 2


@contextmanager
def files_no_longer_than(size: int) -> Iterator[None]:
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, usual[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)


def test_after_a_part_of_a_line_the_next_one_begins_anew_and_the_rest_never_comes(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as stream:
        health = configure(LogSettings(), role="worker", stream=stream)
        with files_no_longer_than(50):
            structlog.get_logger().info("first" * 10)
            structlog.get_logger().info("second")
        structlog.get_logger().info("third")
        structlog.get_logger().info("fourth")
    part, *others = (tmp_path / "log").read_text().splitlines()
    assert len(part) == 50
    assert [json.loads(line)["event"] for line in others] == ["third", "fourth"]
    assert health.lost_lines == 2


def test_a_stream_that_we_closed_costs_the_line() -> None:
    stream = io.StringIO()
    health = configure(LogSettings(), role="worker", stream=stream)
    stream.close()
    structlog.get_logger().info("x")
    assert health.lost_lines == 1


def test_a_stream_that_only_the_log_holds_stays_open(tmp_path: Path) -> None:
    health = configure(LogSettings(), role="worker", stream=(tmp_path / "log").open("w"))
    structlog.get_logger().info("x")
    assert health.lost_lines == 0
    assert len((tmp_path / "log").read_text().splitlines()) == 1


def test_a_line_never_gets_into_a_file_that_has_the_number_of_a_stream_we_closed(tmp_path: Path) -> None:
    stream = (tmp_path / "log").open("w")
    number = stream.fileno()
    health = configure(LogSettings(), role="worker", stream=stream)
    stream.close()
    with (tmp_path / "other").open("w") as other:
        assert other.fileno() == number
        structlog.get_logger().info("x")
    assert (tmp_path / "other").read_text() == ""
    assert health.lost_lines == 1


def test_a_pipe_that_takes_nothing_at_once_costs_the_line() -> None:
    """As one does whose other end somebody else fills between our question and our write."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with os.fdopen(writer, "w") as stream, open("/dev/null", "w") as ready:
        health = configure(LogSettings(), role="worker", stream=AlwaysReady(stream, ready))
        for _ in range(100):
            structlog.get_logger().info("x" * 3000)
        assert 0 < health.lost_lines < 100
    os.close(reader)


class AlwaysReady(io.TextIOWrapper):
    """A pipe of which poll() says that it has room."""

    def __init__(self, stream: TextIO, ready: TextIO) -> None:
        super().__init__(stream.buffer)
        self._ready = ready

    def fileno(self) -> int:
        return self._ready.fileno()


PRINTS_BEFORE = """
import structlog, sys
from eed_delivery.config import LogSettings
from eed_delivery.logs import configure
sys.stdout.write("before\\n")
configure(LogSettings(), role="worker")
structlog.get_logger().info("x")
"""


@pytest.mark.parametrize("options", [[], ["-u"]])
def test_a_line_on_stdout_comes_after_what_was_written_before(options: list[str]) -> None:
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    command = [sys.executable, *options, "-c", PRINTS_BEFORE]
    done = subprocess.run(command, env=environ, capture_output=True, timeout=60)
    before, line = done.stdout.splitlines()
    assert before == b"before"
    assert json.loads(line)["event"] == "x"


def test_a_pipe_that_nobody_reads_costs_lines_and_no_waiting() -> None:
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as stream:
        health = configure(LogSettings(), role="worker", stream=stream)
        for n in range(200):
            structlog.get_logger().info("x" * 5000, n=n)
        assert health.lost_lines > 150
        assert os.read(reader, 10**6).startswith(b"{")
        structlog.get_logger().info("somebody reads again")
        assert json.loads(os.read(reader, 10**6).splitlines()[-1])["event"] == "somebody reads again"
    os.close(reader)


def test_a_stdout_that_was_closed_from_the_start_costs_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)  # what Python does when it is started with >&-
    health = configure(LogSettings(), role="worker")
    structlog.get_logger().info("x")
    assert health.lost_lines == 1


CLOSED_STREAMS = """
import os
from eed_delivery.cli.streams import open_closed_streams
open_closed_streams()
print("nobody hears this")
os._exit(sum(os.path.samestat(os.fstat(number), os.stat(os.devnull)) for number in range(3)))
"""


def test_closed_streams_are_opened_so_that_no_connection_gets_their_numbers() -> None:
    done = subprocess.run(["sh", "-c", 'exec "$0" -c "$1" <&- >&- 2>&-', sys.executable, CLOSED_STREAMS], timeout=60)
    assert done.returncode == 3


READER_GONE = """
import structlog, sys
from eed_delivery.config import LogSettings
from eed_delivery.logs import configure
health = configure(LogSettings(), role="worker")
sys.stdin.readline()
for _ in range(3):
    structlog.get_logger().info("x" * 70000)
sys.stderr.write(f"lost {health.lost_lines}, still here\\n")
"""


def test_a_process_goes_on_when_the_reader_of_its_stdout_is_gone() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", READER_GONE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin and process.stdout and process.stderr
        process.stdout.close()
        process.stdin.write("go\n")
        process.stdin.flush()
        assert process.stderr.readline() == "lost 3, still here\n"


class LetterByLetter(io.StringIO):
    """A stream that another thread can get in between at any letter."""

    def write(self, text: str) -> int:
        return sum(super(LetterByLetter, self).write(letter) for letter in text)


def test_lines_of_many_threads_are_whole() -> None:
    stream = LetterByLetter()
    configure(LogSettings(), role="worker", stream=stream)
    log = structlog.get_logger()
    threads = [threading.Thread(target=lambda n=n: [log.info("x", n=n) for _ in range(50)]) for n in range(4)]
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(usual)
    assert len(lines(stream)) == 200
