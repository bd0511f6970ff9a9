"""Chromium, which browser tests drive. Playwright brings its driver, and Debian the browser.

The headless shell is the same browser without windows. It takes half of the CPU, so it is what is installed, and
preferred where both are there.
"""

import os
import shutil

from tests.servers.packages import install

PROGRAMS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
PACKAGES = ("chromium-headless-shell", "chromium")
"""The second where the first is not to be had."""
REQUIRED = "TESTS_REQUIRE_CHROMIUM"
"""Set to 1, browser tests fail where there is no browser, instead of being skipped."""


class NoBrowser(Exception):
    """There is none here. The text says why, and what to do."""


def find() -> str | None:
    """Where it is."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


def require() -> str:
    """Where it is, installed if it is missing and that is allowed. Raises `NoBrowser`."""
    found = find()
    if found is None and any(map(install, PACKAGES)):
        found = find()
    if found is None:
        raise NoBrowser(f"There is no Chromium. On Debian, as root: apt-get install {PACKAGES[0]}")
    return found


def is_required() -> bool:
    """Whether tests must not be skipped for want of it."""
    return os.environ.get(REQUIRED) == "1"
