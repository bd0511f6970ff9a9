"""A clock of its own for one host's processes, by libfaketime: wrong as it is told to be, and it may jump."""

from collections.abc import Mapping
from pathlib import Path

from tests.servers.packages import install

_PLACES = ("lib/*/faketime", "lib64/faketime", "local/lib/faketime", "lib/faketime")
CACHE_SECONDS = 1


def library() -> Path | None:
    """libfaketime for programs with threads; installs Debian's package if it is missing and we may. None: it is not
    to be had."""
    found = _find()
    if found is None and install("libfaketime"):
        found = _find()
    return found


def _find() -> Path | None:
    names = (path for place in _PLACES for path in Path("/usr").glob(f"{place}/libfaketimeMT.so.1"))
    return next(names, None)


class FakeClock:
    """`environ` goes to the host's processes. Only the time of day is wrong: no host's monotonic clock jumps."""

    def __init__(self, preload: Path, file: Path) -> None:
        self.offset = 0
        self._file = file
        self.environ: Mapping[str, str] = {
            "LD_PRELOAD": str(preload),
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_CACHE_DURATION": str(CACHE_SECONDS),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def jump(self, offset: int) -> None:
        """From now on it is wrong by so many seconds; felt within `CACHE_SECONDS`."""
        self.offset = offset
        new = self._file.with_suffix(".new")
        new.write_text(f"{offset:+d}\n")
        new.rename(self._file)
