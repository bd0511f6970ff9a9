"""One browser and one installation for all tests of a session."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser import night
from tests.browser.served import ServedConsole
from tests.browser.viewer import Viewer
from tests.servers import chromium
from tests.world import World

NewViewer = Callable[..., Viewer]
SWITCHES = ("--no-sandbox", "--disable-gpu", "--site-per-process")
"""Without a sandbox, which root cannot have: all pages are our own. Each site has a process of its own, as for people.
The headless shell would else show a frame of another origin in its page's."""


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    program = chromium.find()
    if program is None:
        (pytest.fail if chromium.is_required() else pytest.skip)("There is no Chromium here.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=SWITCHES)
        yield browser
        browser.close()


def _served(directory: Any, *, filled: bool) -> Iterator[ServedConsole]:
    world = World(f"sqlite:///{directory}/ledger.sqlite3")
    if filled:
        night.fill(world)
    with ServedConsole(world, directory) as console:
        yield console
    world.close()


@pytest.fixture(scope="session")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedConsole]:
    """With the night of `night` in it. Tests that change something make a job of their own."""
    yield from _served(tmp_path_factory.mktemp("console"), filled=True)


@pytest.fixture(scope="session")
def empty_console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedConsole]:
    """Without any job or process."""
    yield from _served(tmp_path_factory.mktemp("empty"), filled=False)


@pytest.fixture
def new_viewer(browser: Browser, console: ServedConsole) -> Iterator[NewViewer]:
    """Makes a person at a browser: `new_viewer("operator", width=320, script=False)`. `at` is another installation."""
    with ExitStack() as at_the_end:

        def make(role: str | None = "admin", *rights: str, at: ServedConsole | None = None, **options: Any) -> Viewer:
            return at_the_end.enter_context(Viewer(browser, at or console, role, *rights, **options))

        yield make


@pytest.fixture(scope="session")
def new_reader(browser: Browser, console: ServedConsole, empty_console: ServedConsole) -> Iterator[NewViewer]:
    """Gives the one tab of its kind to tests that only read: a new one takes a second."""
    tabs: dict[tuple[str, bool], Viewer] = {}
    with ExitStack() as at_the_end:

        def reader(at: ServedConsole = console, *, script: bool = True) -> Viewer:
            kind = (at.url, script)
            if kind not in tabs:
                new = Viewer(browser, at, "admin", "see_recipients", "see_content", script=script)
                tabs[kind] = at_the_end.enter_context(new)
            tabs[kind].anew()
            return tabs[kind]

        yield reader


@pytest.fixture
def viewer(new_reader: NewViewer) -> Viewer:
    """An admin who may see recipients, in the tab of all tests that only read."""
    return new_reader()
