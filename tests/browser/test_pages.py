"""Each page, in all colours and widths, by keyboard, without a script, with nothing to show."""

import pytest

from tests.browser.axe import violations
from tests.browser.conftest import NewViewer
from tests.browser.pages import PAGES, ConsolePage
from tests.browser.served import ServedConsole
from tests.browser.viewer import HEIGHT, NARROW, WIDE, Viewer

COLOURS = {
    "light": {"color_scheme": "light", "forced_colors": "none"},
    "dark": {"color_scheme": "dark", "forced_colors": "none"},
    "forced": {"color_scheme": "light", "forced_colors": "active"},
}
MOST_STOPS = 400


def _name(page: ConsolePage) -> str:
    return page.name


each_page = pytest.mark.parametrize("page", PAGES, ids=_name)


@each_page
def test_a_page_is_accessible_in_all_colours_and_widths(viewer: Viewer, page: ConsolePage) -> None:
    assert viewer.open(page.path) == page.status
    _has_its_parts(viewer)
    for width in (WIDE, NARROW):
        viewer.page.set_viewport_size({"width": width, "height": HEIGHT})
        assert viewer.sideways() <= 0, f"{width} points"
        for name, media in COLOURS.items():
            viewer.page.emulate_media(**media)
            assert violations(viewer.page) == [], f"{name}, {width} points"
    assert viewer.complaints == []


def _has_its_parts(viewer: Viewer) -> None:
    """One heading, named landmarks, a language, and an id for each link and control, so that the focus survives a
    renewal."""
    assert viewer.page.locator("h1").count() == viewer.page.locator("main").count() == 1
    assert viewer.page.locator("html").get_attribute("lang") == "en"
    names = viewer.page.eval_on_selector_all("nav", "all => all.map((one) => one.ariaLabel)")
    assert all(names)
    assert len(set(names)) == len(names)
    controls = "a, button, input:not([type=hidden]), select, textarea"
    assert all(viewer.page.eval_on_selector_all(controls, "all => all.map((one) => one.id)"))


@each_page
def test_a_page_is_used_by_keyboard_alone(viewer: Viewer, page: ConsolePage) -> None:
    """Each stop is seen, none is left out, and the order is that of the page."""
    viewer.open(page.path)
    wanted = viewer.page.eval_on_selector_all(
        "a[href], button, input:not([type=hidden]), select, textarea, [tabindex='0']",
        "all => all.filter((one) => one.checkVisibility()).map((one) => one.id)",
    )
    stops: list[str] = []
    for _ in range(MOST_STOPS):  # around once: a page with errors begins at their summary, and not at the top
        viewer.page.keyboard.press("Tab")
        stop = viewer.focused()
        if stops and stop["id"] == stops[0]:
            break
        if stop["tag"] != "BODY":
            assert stop["outline"] != "none", stop
            assert stop["seen"], stop
            stops.append(stop["id"])
    top = stops.index("skip")
    assert stops[top:] + stops[:top] == wanted
    assert wanted[0] == "skip"


@each_page
def test_a_page_needs_no_script(new_reader: NewViewer, page: ConsolePage) -> None:
    viewer = new_reader(script=False)
    viewer.page.set_viewport_size({"width": NARROW, "height": HEIGHT})
    assert viewer.open(page.path) == page.status
    assert viewer.page.locator("h1").inner_text()
    assert viewer.page.locator("#stop-renewing:visible").count() == 0


@pytest.mark.parametrize("page", [page for page in PAGES if page.empty], ids=_name)
def test_a_page_says_that_there_is_nothing(
    new_reader: NewViewer, empty_console: ServedConsole, page: ConsolePage
) -> None:
    viewer = new_reader(empty_console)
    viewer.page.set_viewport_size({"width": NARROW, "height": HEIGHT})
    assert viewer.open(page.path) == page.status
    assert viewer.sideways() <= 0
    assert violations(viewer.page) == []
    assert viewer.complaints == []
