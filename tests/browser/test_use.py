"""What people do at the pages: acts with and without a script, figures that renew, and others who act meanwhile."""

import itertools
from collections.abc import Iterator

import pytest

from tests import waiting
from tests.browser.axe import violations
from tests.browser.conftest import NewViewer
from tests.browser.night import EVIL, HOSTILE, HUGE, RUNS
from tests.browser.served import ServedConsole
from tests.browser.viewer import Viewer
from tests.waiting import until

_numbers = itertools.count(7000)
RED = "rgb(179, 18, 29)"


@pytest.fixture
def job(console: ServedConsole) -> Iterator[int]:
    """An active job of its own."""
    key = next(_numbers)
    console.world.add_job(("anna@example.com", "bert@example.org"), key, name="Statements")
    console.world.enlist(key)
    yield key
    console.world.execute("DELETE FROM eed_email WHERE job_id = :id", id=key)
    console.world.execute("DELETE FROM eed_job WHERE job_id = :id", id=key)


def state_of(console: ServedConsole, job: int) -> str:
    return str(console.world.scalar("SELECT state FROM eed_job WHERE job_id = :id", id=job))


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_a_job_is_paused_resumed_and_cancelled(
    new_viewer: NewViewer, console: ServedConsole, job: int, script: bool
) -> None:
    viewer = new_viewer("admin", script=script)
    page = viewer.page
    until(lambda: viewer.open("/") == 200 and page.locator(f"#job-{job}").count() == 1)  # viewers share the figures
    viewer.follow(f"#job-{job}")
    viewer.follow("#pause")
    viewer.follow("#act")  # without a reason
    assert page.title().startswith("Error: ")
    assert "Enter: reason." in page.inner_text("#errors")
    assert state_of(console, job) == "active"
    page.fill("#reason", "wrong <rate>")
    viewer.follow("#act")
    assert "is paused" in page.inner_text("#status")
    assert page.title().startswith(f"{job} paused")
    assert state_of(console, job) == "paused"
    page.reload()
    assert page.inner_text("#status") == "", "a message is shown once"
    viewer.follow("#resume")
    assert "It is paused: wrong <rate>" in page.inner_text("main")
    page.fill("#reason", "mended")
    viewer.follow("#act")
    assert state_of(console, job) == "active"
    viewer.follow("#cancel")
    page.fill("#reason", "not wanted any more")
    page.fill("#confirmation", "no")
    viewer.follow("#act")
    assert page.input_value("#reason") == "not wanted any more", "what was typed is kept"
    assert state_of(console, job) == "active"
    page.fill("#confirmation", str(job))
    viewer.follow("#act")
    assert state_of(console, job) == "cancelled"
    acts = console.world.execute(
        "SELECT act, who, surface, reason FROM eed_audit WHERE job_id = :id ORDER BY act_id", id=job
    )
    assert acts == [
        ("pause", "admin", "page", "wrong <rate>"),
        ("resume", "admin", "page", "mended"),
        ("cancel", "admin", "page", "not wanted any more"),
    ]
    assert viewer.complaints == []


def test_an_act_is_done_by_keyboard_alone(new_viewer: NewViewer, console: ServedConsole, job: int) -> None:
    viewer = new_viewer("operator")
    viewer.open(f"/jobs/{job}/pause")
    press = viewer.page.keyboard.press
    press("Tab")
    press("Enter")  # skip to the content
    while viewer.focused()["id"] != "reason":
        press("Tab")
    viewer.page.keyboard.type("by keyboard")
    with viewer.page.expect_navigation():
        press("Enter")
    assert state_of(console, job) == "paused"


def test_nobody_resumes_what_another_person_has_paused_a_second_ago(
    new_viewer: NewViewer, console: ServedConsole, job: int
) -> None:
    anna, bert = new_viewer("admin"), new_viewer("operator")
    console.site.cli.good("pause", str(job), "--reason", "first")
    bert.open(f"/jobs/{job}/resume")
    console.site.cli.good("resume", str(job), "--reason", "again")
    anna.open(f"/jobs/{job}/pause")
    anna.page.fill("#reason", "wrong attachment")
    anna.follow("#act")
    bert.page.fill("#reason", "mended")
    bert.follow("#act")
    assert state_of(console, job) == "paused"
    assert "It has changed since you looked at it" in bert.page.inner_text("#errors")
    assert "wrong attachment" in bert.page.inner_text("main")
    assert bert.page.input_value("#reason") == "mended"
    assert bert.focused()["id"] == "errors"
    bert.follow("#act")  # now that it is seen
    assert state_of(console, job) == "active"


def test_a_viewer_is_offered_no_act_and_a_form_of_their_own_is_refused(
    new_viewer: NewViewer, console: ServedConsole, job: int
) -> None:
    viewer = new_viewer("viewer")
    viewer.open(f"/jobs/{job}")
    assert viewer.page.locator("#pause, #cancel").count() == 0
    assert viewer.open(f"/jobs/{job}/pause") == 403
    assert viewer.page.locator("#section-audit").count() == 0
    assert state_of(console, job) == "active"


def renewed(viewer: Viewer) -> None:
    """Wait until the figures have been renewed."""
    before = viewer.page.inner_text("#renewed-at")
    waiting.until(lambda: viewer.page.inner_text("#renewed-at") != before)


def test_the_focus_and_what_is_shown_survive_a_renewal(new_viewer: NewViewer, console: ServedConsole, job: int) -> None:
    viewer = new_viewer("admin", "see_recipients")
    viewer.open("/")
    viewer.page.focus(f"#job-{job}")
    console.site.cli.good("pause", str(job), "--reason", "the relay's operators ask for it")
    renewed(viewer)
    waiting.until(lambda: f"Job {job} stands still." in viewer.page.inner_text("#status"))
    assert viewer.focused()["id"] == f"job-{job}"
    assert "the relay's operators ask for it" in viewer.page.inner_text("#figures")
    assert viewer.complaints == []


def test_renewing_stops_on_demand_and_the_browser_remembers_it(new_viewer: NewViewer) -> None:
    viewer = new_viewer("viewer")
    viewer.open("/processes")
    renewed(viewer)
    viewer.page.click("#stop-renewing")
    asked: list[str] = []
    viewer.page.on("request", lambda request: asked.append(request.url))
    viewer.open("/processes")
    assert viewer.page.inner_text("#stop-renewing") == "Renew again"
    viewer.page.wait_for_timeout(4500)
    assert [url for url in asked if url.endswith("/processes")] == [asked[0]]
    viewer.page.click("#stop-renewing")
    renewed(viewer)


def test_figures_say_that_they_are_old_when_the_server_does_not_answer(new_viewer: NewViewer) -> None:
    viewer = new_viewer("viewer")
    viewer.open("/")
    viewer.page.context.set_offline(True)
    waiting.until(lambda: "s old: the server does not answer" in viewer.page.inner_text("#stale"))
    assert "The server does not answer" in viewer.page.inner_text("#status")
    viewer.page.context.set_offline(False)
    waiting.until(lambda: viewer.page.inner_text("#stale") == "")


@pytest.mark.parametrize("path", ["/", f"/jobs/{RUNS}"])
def test_a_page_says_in_red_and_in_words_that_the_database_is_gone_and_recovers_by_itself(
    new_viewer: NewViewer, console: ServedConsole, path: str
) -> None:
    viewer = new_viewer("viewer")
    viewer.open(path)
    with console.without_database():
        until(lambda: "s old: the database or the queue does not answer" in viewer.page.inner_text("#stale"))
        assert "The database or the queue does not answer" in viewer.page.inner_text("#status")
        assert viewer.page.locator("#stale").evaluate("one => getComputedStyle(one).color") == RED
        assert viewer.page.locator("#figures.old").count() == 1
        assert viewer.page.inner_text("#figures"), "they are still there"
    until(lambda: viewer.page.inner_text("#stale") == "")
    assert viewer.page.locator("#figures.old").count() == 0


def test_without_a_script_a_page_is_clear_about_a_database_that_is_gone(
    new_viewer: NewViewer, console: ServedConsole
) -> None:
    viewer = new_viewer("viewer", script=False)
    with console.without_database():
        assert viewer.open("/processes") == 503
        assert viewer.page.inner_text("h1") == "The service cannot answer now"
        assert "The database or the queue does not answer" in viewer.page.inner_text("main")
    until(lambda: viewer.follow("#try-again") or viewer.page.inner_text("h1") == "Processes")


def test_a_page_says_two_minutes_ahead_that_the_session_ends_and_prolongs_it(
    new_viewer: NewViewer, console: ServedConsole, job: int
) -> None:
    """By the browser's clock, which the test turns. Nobody else has this session."""
    viewer = new_viewer("operator", "see_content")
    page, words = viewer.page, viewer.page.locator("#session")
    page.clock.install()
    viewer.open(f"/jobs/{job}/pause")
    page.fill("#reason", "a long reason")
    page.clock.run_for(700_000)
    assert words.inner_text() == ""
    _idle(console, 782)
    page.clock.run_for(90_000)
    until(lambda: "Your session ends in 2 minutes." in words.inner_text())
    assert violations(page) == []
    page.focus("#stay")
    _idle(console, 850)
    page.clock.run_for(30_000)
    until(lambda: "Your session ends in 1 minute." in words.inner_text())
    assert page.evaluate("document.activeElement.id") == "stay"
    page.click("#stay")
    until(lambda: words.inner_text() == "")
    _idle(console, 850)
    page.clock.run_for(790_000)
    until(lambda: "Your session ends in 1 minute." in words.inner_text())
    _idle(console, 910)
    page.clock.run_for(60_000)
    until(lambda: "Your session has ended." in words.inner_text())
    assert page.get_attribute("#session-login", "target") == "_blank"
    assert page.input_value("#reason") == "a long reason"


def _idle(console: ServedConsole, seconds: int) -> None:
    """Nothing was asked for in the session for so long."""
    ago = f"strftime('%Y-%m-%d %H:%M:%f000', 'now', '-{seconds} seconds')"
    console.world.execute(f"UPDATE eed_session SET seen_at = {ago} WHERE user_name = 'operator-see_content'")


def test_a_page_whose_session_has_ended_says_so_and_stops_asking(new_viewer: NewViewer) -> None:
    viewer = new_viewer("viewer")
    viewer.open("/")
    viewer.page.context.clear_cookies()
    waiting.until(lambda: "Your session has ended" in viewer.page.inner_text("#stale"))
    assert viewer.page.get_attribute("#log-in-again", "href") == "/login"


def test_a_typed_reason_outlives_the_session(new_viewer: NewViewer, console: ServedConsole, job: int) -> None:
    viewer = new_viewer("operator")
    viewer.open(f"/jobs/{job}/pause")
    viewer.page.fill("#reason", "a long reason")
    cookies = viewer.page.context.cookies()
    viewer.page.context.clear_cookies()
    viewer.follow("#act")
    assert "Your session has ended" in viewer.page.inner_text("h1")
    assert state_of(console, job) == "active"
    viewer.page.context.add_cookies(cookies)  # logged in again, in another tab
    viewer.follow("#again")
    assert state_of(console, job) == "paused"
    assert "a long reason" in viewer.page.inner_text("main")


def test_others_words_are_words_and_never_markup(new_viewer: NewViewer) -> None:
    viewer = new_viewer("admin", "see_recipients")
    dialogs: list[str] = []
    viewer.page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    for path in ("/", f"/jobs/{HOSTILE}", f"/jobs/{HOSTILE}/emails", f"/emails/{1000 * HOSTILE}"):
        viewer.open(path)
        assert "<script>alert(1)</script>" in viewer.page.inner_text("main")
        assert "\u202e" not in viewer.page.content()
        assert viewer.page.locator("main img, main script").count() == 0
    assert dialogs == []
    assert viewer.complaints == []


def test_without_the_right_recipients_are_masked(new_viewer: NewViewer) -> None:
    viewer = new_viewer("viewer")
    for path in (f"/jobs/{RUNS}/emails", f"/emails/{1000 * RUNS}", f"/jobs/{RUNS}/failures"):
        viewer.open(path)
        assert "anna@" not in viewer.page.content()
        assert "customer0@" not in viewer.page.content()
    viewer.open(f"/emails/{1000 * RUNS}")
    assert "***@example.com" in viewer.page.inner_text("main")


def test_a_job_of_half_a_million_is_broken_down_by_the_side(new_viewer: NewViewer) -> None:
    viewer = new_viewer("admin")
    viewer.open(f"/jobs/{HUGE}")
    assert "of 500,000" in viewer.page.inner_text("#figures")
    waiting.until(lambda: viewer.page.locator("svg.chart rect").count() > 0)
    viewer.open(f"/jobs/{HUGE}/domains")
    assert "0.example.com" in viewer.page.inner_text("#domains")
    assert EVIL not in viewer.page.content()
