"""The spool: bounded over all processes, for its owner alone, and right again after a process was killed."""

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from eed_delivery.archive.names import DRAFT, ON_WIRE, CopyName, parsed
from eed_delivery.archive.spool import Spool

DIGEST = "ab" * 32


def name(email_id: int = 7, token: int = 9) -> CopyName:
    return CopyName(1, email_id, 0, token, DIGEST)


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool", 1000)


def test_a_copy_is_there_under_its_name_until_it_is_dropped(spool: Spool) -> None:
    assert spool.write(name(), b"x" * 400)
    assert list(spool.copies()) == [(name(), DRAFT)]
    spool.put_on_wire(name())
    assert list(spool.copies()) == [(name(), ON_WIRE)]
    assert (spool.read(name(), ON_WIRE), spool.used_bytes) == (b"x" * 400, 400)
    spool.drop(name(), ON_WIRE)
    spool.drop(name(), ON_WIRE)
    assert (list(spool.copies()), spool.used_bytes) == ([], 0)


def test_only_its_owner_can_read_it(spool: Spool) -> None:
    spool.directory.mkdir(mode=0o755)
    previous = os.umask(0)
    try:
        spool.write(name(), b"secret")
    finally:
        os.umask(previous)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in spool.directory.iterdir()}
    assert (stat.S_IMODE(spool.directory.stat().st_mode), modes) == (0o700, {0o600})


def test_it_takes_no_more_than_its_limit(spool: Spool) -> None:
    assert spool.write(name(1), b"x" * 600)
    assert not spool.write(name(2), b"x" * 401)
    assert spool.write(name(3), b"x" * 400)
    spool.drop(name(1), DRAFT)
    assert spool.write(name(4), b"x" * 600)
    assert {copy.email_id for copy, _ in spool.copies()} == {3, 4}


def test_what_cannot_be_written_counts_for_nothing(spool: Spool) -> None:
    spool.write(name(), b"x")
    with pytest.raises(FileExistsError):
        spool.write(name(), b"xyz")
    assert spool.used_bytes == 1


def test_threads_and_processes_share_one_limit(spool: Spool) -> None:
    """Eight threads of two processes each want more than there is: together they get just the limit."""
    code = (
        "import sys, threading; from pathlib import Path; from eed_delivery.archive.usage import SpoolUsage\n"
        "usage = SpoolUsage(Path(sys.argv[1]))\n"
        "def take(): got.extend(usage.take(1, 20_000) for _ in range(5000))\n"
        "got = []; threads = [threading.Thread(target=take) for _ in range(4)]\n"
        "print('ready', flush=True); input()\n"
        "[t.start() for t in threads]; [t.join() for t in threads]; print(sum(got))"
    )
    assert spool.used_bytes == 0  # makes the file
    counter = str(spool.directory / ".usage")
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    both = [subprocess.Popen([sys.executable, "-c", code, counter], **pipes) for _ in range(2)]
    for one in both:
        assert one.stdout.readline() == "ready\n"
    for one in both:
        one.stdin.write("\n")
        one.stdin.flush()
    assert sum(int(one.communicate(timeout=120)[0]) for one in both) == 20_000
    assert spool.used_bytes == 20_000


def test_a_count_that_a_killed_process_left_wrong_is_set_right(spool: Spool) -> None:
    spool.write(name(), b"x" * 100)
    (spool.directory / ".usage").write_bytes(b"\xff" * 7 + b"\x00")
    spool.recount()
    assert spool.used_bytes == 100


def test_files_that_are_not_ours_are_left_alone(spool: Spool) -> None:
    spool.write(name(), b"x")
    (spool.directory / "notes.txt").write_text("of somebody")
    spool.recount()
    assert (spool.used_bytes, len(list(spool.copies()))) == (1, 1)


@pytest.mark.parametrize("file_name", ["1.2.3.4.eml", f"1.2.3.4.{DIGEST}.eml.bak", f"a.2.3.4.{DIGEST}.eml", ".usage"])
def test_what_is_no_name_of_a_copy(file_name: str) -> None:
    assert parsed(file_name) is None


def test_a_name_says_all_of_a_copy() -> None:
    one = CopyName(-5, 2**63 - 1, 3, 2**62 - 1, DIGEST)
    assert parsed(one.file_name(ON_WIRE)) == (one, ON_WIRE)
    assert one.key == f"-5/{2**63 - 1}.3.eml"


def test_a_directory_that_cannot_be_made_is_an_error_of_each_call(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("a file")
    spool = Spool(tmp_path / "spool", 1000)
    for _ in range(2):
        with pytest.raises(OSError):
            spool.write(name(), b"x")


def test_many_threads_make_one_counter(spool: Spool) -> None:
    threads = [threading.Thread(target=spool.write, args=(name(n), b"x")) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert spool.used_bytes == 20
