"""An archive that is a directory: whole files or none, for their owner alone, and never another file's bytes."""

import hashlib
import stat
from pathlib import Path

import pytest

from eed_delivery.archive.directory import DirectoryStore
from eed_delivery.errors import InfrastructureFailure, PermanentFailure
from eed_delivery.model import File, Files


def file(content: bytes, path: str = "1/7.0.eml") -> File:
    return File(path, content, "message/rfc822", hashlib.sha256(content).hexdigest())


def message(*files: File) -> Files:
    return Files(7, 0, files)


def no_grant() -> None:
    raise LookupError("no grant")


def test_a_file_is_there_with_all_its_bytes_and_once_is_enough(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "archive")
    for _ in range(2):
        store.send(message(file(b"content")), lambda: None)
    assert [(p.name, p.read_bytes()) for p in (tmp_path / "archive" / "1").iterdir()] == [("7.0.eml", b"content")]
    modes = [stat.S_IMODE((tmp_path / "archive" / path).stat().st_mode) for path in (".", "1", "1/7.0.eml")]
    assert modes == [0o700, 0o700, 0o600]


def test_other_bytes_stay_and_are_refused(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    store.send(message(file(b"first")), lambda: None)
    for call in (lambda: store.send(message(file(b"second")), lambda: None), lambda: store.settle(message(file(b"2")))):
        with pytest.raises(PermanentFailure, match=r"1/7\.0\.eml is there already"):
            call()
    assert [p.read_bytes() for p in (tmp_path / "1").iterdir()] == [b"first"]


def test_without_a_grant_nothing_is_there(tmp_path: Path) -> None:
    with pytest.raises(LookupError):
        DirectoryStore(tmp_path).send(message(file(b"content")), no_grant)
    assert list((tmp_path / "1").iterdir()) == []


def test_it_says_whether_a_file_is_there(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    assert store.settle(message(file(b"content"))) is None
    store.send(message(file(b"content")), lambda: None)
    assert store.settle(message(file(b"content"))) is not None


def test_a_place_that_cannot_be_used_is_the_archives_fault(tmp_path: Path) -> None:
    (tmp_path / "archive").write_text("a file")
    store = DirectoryStore(tmp_path / "archive")
    calls = (store.probe, lambda: store.send(message(file(b"x")), lambda: None))
    for call in calls:
        with pytest.raises(InfrastructureFailure, match="cannot be used"):
            call()


def test_a_probe_leaves_nothing(tmp_path: Path) -> None:
    DirectoryStore(tmp_path / "archive").probe()
    assert list((tmp_path / "archive").iterdir()) == []
