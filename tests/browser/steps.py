"""The steps of a person who does something at the pages, counted by the browser, and filmed on demand.

A step is a page that is read, or a form that is sent. To open a form is none of its own. With
TESTS_FILM=build/film in the environment there is a picture of each step in a folder of the task's name.
"""

import os
from pathlib import Path

from playwright.sync_api import Request

from tests.browser.served import ServedConsole
from tests.browser.viewer import Viewer

FILM = "TESTS_FILM"
READ, SEND = "read", "send"


class TaskSteps:
    """Of one person and one task."""

    def __init__(self, name: str, viewer: Viewer, console: ServedConsole) -> None:
        self.page = viewer.page
        self.console = console
        self.taken: list[str] = []
        self._viewer = viewer
        self._sent = 0
        self._film = os.environ.get(FILM) and Path(os.environ[FILM]) / name.replace(" ", "-")
        self.page.on("request", self._asked)

    def open_form(self, path: str) -> None:
        """Open the page of a form. It is no step."""
        assert self._viewer.open(path) == 200

    def read(self, path: str) -> str:
        """Look at a page, and return its words."""
        assert self._viewer.open(path) == 200
        self._note(READ)
        return self.page.inner_text("main")

    def follow(self, link: str) -> None:
        """Open the page of a form by a link. It is no step."""
        self._viewer.follow(link)

    def send(self, button: str) -> str:
        """Send the form that is open, and return the words of the page that follows."""
        before = self._sent
        self._viewer.follow(button)
        assert self._sent == before + 1, "one form"
        self._note(SEND)
        return self.page.inner_text("main")

    def end(self) -> None:
        """The task is done: nothing was sent beside what was counted."""
        self.page.remove_listener("request", self._asked)
        assert self._sent == self.taken.count(SEND)

    def _asked(self, request: Request) -> None:
        self._sent += request.is_navigation_request() and request.method == "POST"

    def _note(self, step: str) -> None:
        self.taken.append(step)
        if self._film:
            self.page.screenshot(path=Path(self._film) / f"{len(self.taken)}-{step}.png", full_page=True)
