"""A relay's log is read whole from a time on: over its predecessors, while it is rotated, and from its middle."""

import gzip
import os
import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from eed_delivery.resolver.journal import JournalLog
from eed_delivery.resolver.log_files import LogFiles, LogTorn
from eed_delivery.resolver.seeking import STEP_BYTES

BEGIN = datetime(2026, 11, 30, 2, 0, tzinfo=UTC)


def line(minute: int, more: str = "removed") -> str:
    at = BEGIN + timedelta(minutes=minute)
    return f"{at:%Y-%m-%dT%H:%M:%S}+00:00 relay postfix/qmgr[1]: {minute:011X}: {more}\n"


def files(tmp_path: Path, beat: Callable[[], None] = lambda: None) -> LogFiles:
    return LogFiles(tmp_path / "mail.log", UTC, beat)


def write(path: Path, *minutes: int) -> None:
    """With the time of its last line."""
    path.write_text("".join(map(line, minutes)))
    at = (BEGIN + timedelta(minutes=minutes[-1] if minutes else 0)).timestamp()
    os.utime(path, (at, at))


def read(log: LogFiles, since: datetime = BEGIN) -> str:
    with log.opened(since) as lines:
        return lines.read().decode()


def test_predecessors_are_read_in_the_order_of_their_lines(tmp_path: Path) -> None:
    write(tmp_path / "mail.log", 5, 6)
    write(tmp_path / "mail.log.1", 3, 4)
    write(tmp_path / "mail.log-20261129", 1, 2)
    write(tmp_path / "mail.login", 7)
    assert read(files(tmp_path)) == "".join(map(line, range(1, 7)))


def test_a_predecessor_that_ended_before_is_not_read(tmp_path: Path) -> None:
    write(tmp_path / "mail.log", 5)
    write(tmp_path / "mail.log.1", 3)
    assert read(files(tmp_path), BEGIN + timedelta(minutes=4)) == line(5)


def test_a_compressed_predecessor_is_named_if_its_lines_are_needed(tmp_path: Path) -> None:
    write(tmp_path / "mail.log", 5)
    packed = tmp_path / "mail.log.1.gz"
    packed.write_bytes(gzip.compress(line(3).encode()))
    at = (BEGIN + timedelta(minutes=3)).timestamp()
    os.utime(packed, (at, at))
    log = files(tmp_path)
    assert log.look(BEGIN).unread == ("mail.log.1.gz",)
    assert log.look(BEGIN + timedelta(minutes=4)).unread == ()
    assert read(log) == line(5)


def test_a_log_that_is_renamed_while_it_is_read_is_read_to_its_end(tmp_path: Path) -> None:
    write(tmp_path / "mail.log", *range(1, 4))
    with files(tmp_path).opened(BEGIN) as lines:
        (tmp_path / "mail.log").rename(tmp_path / "mail.log.1")
        write(tmp_path / "mail.log", 9)
        assert lines.read().decode() == "".join(map(line, range(1, 4)))
    assert read(files(tmp_path)) == "".join(map(line, (1, 2, 3, 9)))


def test_between_two_steps_of_a_rotation_the_predecessor_is_all_there_is(tmp_path: Path) -> None:
    write(tmp_path / "mail.log.1", 1)
    assert read(files(tmp_path)) == line(1)


def test_without_any_file_it_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read(files(tmp_path))
    with pytest.raises(FileNotFoundError):
        files(tmp_path).look(BEGIN)


@pytest.mark.parametrize("again", [(), (7, 8, 9, 10, 11, 12)])
def test_what_is_emptied_while_it_is_read_is_not_whole(tmp_path: Path, again: tuple[int, ...]) -> None:
    """By copytruncate. It may be longer than before when it is looked at again."""
    write(tmp_path / "mail.log", 1, 2, 3)
    with pytest.raises(LogTorn), files(tmp_path).opened(BEGIN) as lines:
        write(tmp_path / "mail.log", *again)
        lines.read()


def test_what_is_added_while_it_is_read_is_left_for_the_next_time(tmp_path: Path) -> None:
    write(tmp_path / "mail.log", 1)
    with files(tmp_path).opened(BEGIN) as lines:
        with (tmp_path / "mail.log").open("a") as log:
            log.write(line(2))
        assert lines.read().decode() == line(1)


def test_a_long_log_is_read_from_just_before_the_time(tmp_path: Path) -> None:
    beats: list[int] = []
    filler = "x" * 500 + "\n"
    with (tmp_path / "mail.log").open("w") as log:
        for minute in range(20_000):
            log.write(line(minute, "removed") + filler)
    size = (tmp_path / "mail.log").stat().st_size
    content = read(files(tmp_path, lambda: beats.append(1)), BEGIN + timedelta(minutes=15_000))
    assert line(15_000) in content
    assert content.partition("\n")[0] + "\n" in (filler, *map(line, range(15_000))), "from a whole line on"
    assert len(content) < size / 4 + 2 * STEP_BYTES
    assert len(beats) > 2


def test_the_journal_is_read_by_journalctl(tmp_path: Path) -> None:
    program = tmp_path / "journalctl"
    program.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/asked\necho a line\n')
    program.chmod(stat.S_IRWXU)
    log = JournalLog("postfix@-.service", str(program))
    log.look(BEGIN)
    with log.opened(BEGIN) as lines:
        assert lines.read() == b"a line\n"
    asked = (tmp_path / "asked").read_text().splitlines()
    assert "--unit=postfix@-.service" in asked[1]
    assert f"--since=@{int(BEGIN.timestamp())}" in asked[1]


def test_a_journal_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    program = tmp_path / "journalctl"
    program.write_text("#!/bin/sh\necho no permission >&2\nexit 1\n")
    program.chmod(stat.S_IRWXU)
    log = JournalLog("postfix@-.service", str(program))
    with pytest.raises(OSError, match="journalctl ended with 1: no permission"):
        log.look(BEGIN)
    with pytest.raises(OSError, match="journalctl ended with 1"), log.opened(BEGIN) as lines:
        lines.read()
