"""The demo's directory. It says what lies where, and deletes nothing that is not the demo's own."""

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MARKER = ".eed-delivery-demo"
_MARKER_TEXT = "Made by `eed-delivery demo`. Everything beside this file is deleted when the demo is run again.\n"


class UnusableWorkspace(Exception):
    """The directory cannot be used. The text says why and what to do."""


class Workspace:
    """Paths below the demo's directory, all absolute, so that they hold in a configuration file."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory.absolute()
        self.database = self.directory / "demo.sqlite3"
        self.configuration = self.directory / "eed-delivery.toml"
        self.statements = self.directory / "statements"
        self.mail = self.directory / "mail"
        self.second_mail = self.directory / "mail-of-second-act"
        self.partner = self.directory / "partner"
        self.service_log = self.directory / "service.log"
        self.page_log = self.directory / "page.log"
        self.queue_log = self.directory / "ministack.log"
        self.scratch = self.directory / "scratch"

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Empty the directory, and keep other demos out of it while this block runs. Raises `UnusableWorkspace`."""
        self._check()
        self.directory.mkdir(parents=True, exist_ok=True)
        with (self.directory / MARKER).open("a+", encoding="utf-8") as marker:
            try:
                fcntl.flock(marker, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UnusableWorkspace(
                    f"another demo is running in {self.directory}. Stop it, or give --directory"
                ) from None
            marker.truncate(0)
            marker.write(_MARKER_TEXT)
            marker.flush()
            self._empty()
            yield

    def _check(self) -> None:
        if self.directory.is_symlink() or (self.directory.exists() and not self.directory.is_dir()):
            raise UnusableWorkspace(f"{self.directory} is not a directory. Give another one with --directory")
        if not self.directory.exists() or (self.directory / MARKER).is_file():
            return
        if any(self.directory.iterdir()):
            raise UnusableWorkspace(
                f"{self.directory} holds files that are not the demo's (it has no {MARKER}). Nothing in it was "
                "changed. Give another directory with --directory"
            )

    def _empty(self) -> None:
        for entry in self.directory.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            elif entry.name != MARKER:
                entry.unlink()
        for directory in (self.statements, self.mail, self.second_mail, self.partner, self.scratch):
            directory.mkdir()
