"""Rules of accessibility, checked by axe-core (WCAG 2.2 A and AA, and good practice)."""

from functools import cache
from pathlib import Path
from typing import Any

import axe_playwright_python
from playwright.sync_api import Page

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_RUN = """async (tags) => {
    const runOnly = {type: "tag", values: tags};
    const options = {runOnly, resultTypes: ["violations"], selectors: false, preload: false};
    const found = await axe.run(document, options);
    const where = (one) => one.nodes.map((node) => node.html + " " + node.failureSummary);
    return found.violations.map((one) => ({rule: one.id, where: where(one)}));
}"""


@cache
def _source() -> str:
    return (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text("utf-8")


def violations(page: Page) -> list[Any]:
    """What breaks a rule, and where, as the page looks now. It is loaded into a page once.

    Nothing is fetched for it: no rule of these tags needs more than the style sheets that are there. A selector for
    each node would take a third of the time, and the node's own words say where it is."""
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(_source())
    found: list[Any] = page.evaluate(_RUN, TAGS)
    return found
