"""Files of reports, for their owner alone and for a day, in one directory of bounded size."""

import hashlib
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from eed_delivery.operations.refusals import OperationRefused
from eed_delivery.private_files import create_private

KEPT_SECONDS = 86_400.0
OWNER_ALONE = 0o700
PART = ".part"
OURS = re.compile(rf"[0-9a-f]{{16}}\.(csv|json|html|certificate\.json)({re.escape(PART)})?")
"""How the files are called. The directory may have others, which are not ours to delete."""


class ReportsOff(OperationRefused):
    """There is no directory for reports."""


class ReportTooLarge(OperationRefused):
    """There is no room for it."""


class CountedFile:
    """A file that counts and digests what is written, and refuses what is too much."""

    def __init__(self, file: IO[bytes], most: int) -> None:
        self._file = file
        self._most = most
        self.size = 0
        self.digest = hashlib.sha256()

    def write(self, data: bytes) -> int:
        """Raises `ReportTooLarge`."""
        self.size += len(data)
        if self.size > self._most:
            raise ReportTooLarge(
                "the reports of a day are larger than operators.reports_max_bytes", do="Delete some, or raise it."
            )
        self.digest.update(data)
        return self._file.write(data)


class ReportFiles:
    """The directory. Raises `OperationRefused` where it cannot be written to."""

    def __init__(self, directory: Path | None, most_bytes: int, clock: Callable[[], float] = time.time) -> None:
        self._given = directory
        self._most = most_bytes
        self._clock = clock

    @property
    def directory(self) -> Path:
        """Raises `ReportsOff`."""
        if self._given is None:
            raise ReportsOff("no report can be kept: operators.reports_directory is not set", do="Set it.")
        return self._given

    def check(self) -> None:
        """Raises `ReportsOff`."""
        self.directory  # noqa: B018 - it raises where there is none

    def path(self, name: str) -> Path | None:
        """Where a finished file is. None if it is not on this host, or its day is over."""
        found = self.directory / name
        return found if found.is_file() and not self._is_over(found) else None

    @contextmanager
    def made(self, name: str) -> Iterator[CountedFile]:
        """A new file, which has its name when it is whole. What was begun before is gone."""
        part = self.directory / f"{name}{PART}"
        try:
            self.directory.mkdir(mode=OWNER_ALONE, exist_ok=True)
            part.unlink(missing_ok=True)
            with create_private(part) as file:
                yield CountedFile(file, self._most - self._used())
            part.replace(self.directory / name)
        except OSError as error:
            what = f"{self.directory} cannot be written to: {error.strerror or error}"
            raise OperationRefused(what, do="Let the service's user own it.") from error
        finally:
            part.unlink(missing_ok=True)

    def clean(self) -> None:
        """Delete our files that are older than a day."""
        if self._given is None or not self._given.is_dir():
            return
        for path in self._given.iterdir():
            if OURS.fullmatch(path.name) and path.is_file() and self._is_over(path):
                path.unlink(missing_ok=True)

    def _used(self) -> int:
        return sum(path.stat().st_size for path in self.directory.iterdir() if path.is_file())

    def _is_over(self, path: Path) -> bool:
        return self._clock() - path.stat().st_mtime > KEPT_SECONDS
