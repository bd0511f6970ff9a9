"""A person at a browser."""

from types import TracebackType
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Page

from tests.browser.served import ServedConsole

WIDE, NARROW = 1280, 320
HEIGHT = 900
PATIENCE_MS = 60_000
"""The machine may be busy. What does not come fails late."""


class Viewer:
    """One tab of a browser without other tabs, logged in with this role unless it is None.

    What a script or the Content-Security-Policy complains of is in `complaints`."""

    def __init__(
        self,
        browser: Browser,
        console: ServedConsole,
        role: str | None = "admin",
        *rights: str,
        width: int = WIDE,
        script: bool = True,
    ) -> None:
        self._context = browser.new_context(
            base_url=console.url, viewport={"width": width, "height": HEIGHT}, java_script_enabled=script
        )
        self._context.set_default_timeout(PATIENCE_MS)
        if role is not None:
            self._context.add_cookies(console.cookies(role, *rights))
        self.page: Page = self._context.new_page()
        self.complaints: list[str] = []
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def __enter__(self) -> "Viewer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._context.close()

    def anew(self) -> None:
        """As a new tab is, but for what the browser keeps."""
        self.complaints.clear()
        self.page.emulate_media(color_scheme="light", forced_colors="none")
        self.page.set_viewport_size({"width": WIDE, "height": HEIGHT})

    def _heard(self, message: ConsoleMessage) -> None:
        status = "the server responded with a status of"  # which a test looks at by itself
        if message.type in ("error", "warning") and status not in message.text:
            self.complaints.append(message.text)

    def open(self, path: str) -> int:
        """Open a page, and return its status."""
        answer = self.page.goto(path)
        assert answer is not None
        return answer.status

    def follow(self, selector: str) -> None:
        """Click what leads to another page, and wait for that page: a click alone returns before it is there."""
        with self.page.expect_navigation():
            self.page.click(selector)

    def sideways(self) -> int:
        """How many points the page is wider than its window."""
        wider: int = self.page.evaluate(
            "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        return wider

    def focused(self) -> dict[str, Any]:
        """The element that has the focus."""
        found: dict[str, Any] = self.page.evaluate(
            """() => { const it = document.activeElement, box = it.getBoundingClientRect();
            return {id: it.id, tag: it.tagName, outline: getComputedStyle(it).outlineStyle,
                    seen: box.bottom > 0 && box.top < innerHeight}; }"""
        )
        return found
