"""Rules of accessibility, checked by axe-core (WCAG 2.2 A and AA, and good practice)."""

from functools import cache
from pathlib import Path
from typing import Any

import axe_playwright_python
from playwright.sync_api import Page

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
OF_COLOURS = ["color-contrast", "link-in-text-block"]
"""Rules whose result may change with the colours. All others look at what does not."""
_RUN = """async (only) => {
    const found = await axe.run(document, {runOnly: only, resultTypes: ["violations"]});
    const where = (one) => one.nodes.map((node) => node.html + " " + node.failureSummary);
    return found.violations.map((one) => ({rule: one.id, where: where(one)}));
}"""


@cache
def _source() -> str:
    return (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text("utf-8")


def violations(page: Page, *, colours_only: bool = False) -> list[Any]:
    """What breaks a rule, and where. With `colours_only`, of the rules about colours."""
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(_source())
    rules = {"type": "rule", "values": OF_COLOURS} if colours_only else {"type": "tag", "values": TAGS}
    found: list[Any] = page.evaluate(_RUN, rules)
    return found
