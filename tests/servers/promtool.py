"""Prometheus's promtool, from Debian's package `prometheus`."""

import os
import shutil
from pathlib import Path

from tests.servers.packages import install

REQUIRED = "TESTS_REQUIRE_PROMTOOL"


class NoPromtool(RuntimeError):
    """It is not here, and cannot be installed."""


def is_required() -> bool:
    """Whether it is an error that it cannot be had, as it is in CI."""
    return os.environ.get(REQUIRED) == "1"


def find() -> Path | None:
    """Where it is, if it is installed."""
    found = shutil.which("promtool")
    return Path(found) if found else None


def require() -> Path:
    """Where it is. Installed if it is missing and that is allowed. Raises `NoPromtool`."""
    found = find() or (find() if install("prometheus") else None)
    if found is None:
        raise NoPromtool("Install Debian's package prometheus to have promtool.")
    return found
