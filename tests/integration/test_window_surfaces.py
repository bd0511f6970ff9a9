"""Send windows for people: the same by command, API and page, and each act in the audit."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from eed_delivery.ledger.windows.overrides import OverrideLedger
from eed_delivery.model import WindowScope, WindowTarget
from eed_delivery.operations.refusals import InvalidRequest, UnknownKey, WrongState
from eed_delivery.operations.windows import EndRequest, OverrideRequest, window_target
from eed_delivery.sweeper.send_windows import WindowSweep
from tests.operators_site import Site
from tests.world import World

pytestmark = [pytest.mark.also_on_sqlite]
FORM = "application/x-www-form-urlencoded"
HOUR = timedelta(hours=1)
OPENS = datetime.now(UTC).replace(second=0, microsecond=0) + 8 * HOUR
"""Later than all of these tests."""
CLOSES = OPENS + HOUR


@pytest.fixture
def site(world: World, tmp_path: Path) -> Site:
    world.execute("DELETE FROM eed_window_override")
    opens = f'{{ from = "{OPENS:%H:%M}", to = "{CLOSES:%H:%M}", zone = "UTC" }}'
    more = f"[send_windows]\nopen = {opens}\n[send_windows.category.urgent]\nignore = true\n"
    found = Site(world, tmp_path, f"{more}[source.job]\ncategory = 'category'\n")
    world.add_job()
    world.enlist()
    marking(found).mark_all()
    return found


def marking(site: Site) -> Any:
    return site.operations._app.window_marking(site.world.database)


def is_open(site: Site) -> bool:
    return bool(site.world.claim(1000).emails)


AUDIT = "SELECT act, object_kind, object_key, reason, state_before IS NULL, state_after, job_id FROM eed_audit"
UNTIL = "2999-01-01 00:00:00.000000"


def opened(site: Site) -> None:
    """An override of job 1 that someone else has set."""
    site.world.execute(
        "INSERT INTO eed_window_override (override_id, scope, subject, reason, who, set_at, until_at)"
        f" VALUES (7, 'job', '1', 'x', 'bert', '2026-01-01 00:00:00', '{UNTIL}')"
    )
    marking(site).mark_all()


def by_command(site: Site, *words: str) -> None:
    site.cli.good("window", *words)


def by_api(site: Site, path: str, body: dict[str, Any]) -> None:
    site.json("PUT", f"/api/v1{path}", body)


def by_page(site: Site, path: str, **fields: str) -> None:
    assert site.ask("POST", path, urlencode(fields), media=FORM).status_code == 303


def soon() -> dict[str, str]:
    return {"open_until": (datetime.now(UTC) + HOUR).isoformat(), "reason": "tonight"}


OVERRIDES = {
    "cli": lambda site: by_command(site, "override", "--job", "1", "--for", "1h", "--reason", "tonight"),
    "api": lambda site: by_api(site, "/windows", {"scope": "job", "subject": "1", **soon()}),
    "api of the job": lambda site: by_api(site, "/jobs/1/window", soon()),
    "page": lambda site: by_page(site, "/windows/override", scope="job", subject="1", reason="tonight", ends="3600"),
    "page of the job": lambda site: by_page(site, "/jobs/1/window", reason="tonight", ends="3600"),
}
ENDS = {
    "cli": lambda site: by_command(site, "end", "--job", "1", "--reason", "done"),
    "api": lambda site: by_api(
        site, "/windows", {"scope": "job", "subject": "1", "open_until": None, "reason": "done"}
    ),
    "api of the job": lambda site: by_api(site, "/jobs/1/window", {"open_until": None, "reason": "done"}),
    "page": lambda site: by_page(site, "/windows/7/end", reason="done"),
}


@pytest.mark.parametrize("surface", OVERRIDES)
def test_an_override_opens_a_job_and_is_in_the_audit_the_same_from_each_surface(site: Site, surface: str) -> None:
    site.token("admin")
    site.world.execute("DELETE FROM eed_audit")
    assert not is_open(site)
    OVERRIDES[surface](site)
    assert is_open(site)
    ((*row, after, job_id),) = site.world.execute(AUDIT)
    assert row == ["window_override", "job", "1", "tonight", 1]
    assert 0 < json.loads(after)["until_seconds"] <= 3600 and job_id == 1


@pytest.mark.parametrize("surface", ENDS)
def test_the_end_of_an_override_shuts_the_job_at_once_the_same_from_each_surface(site: Site, surface: str) -> None:
    site.token("admin")
    opened(site)
    site.world.execute("DELETE FROM eed_audit")
    ENDS[surface](site)
    assert not is_open(site)
    assert site.world.execute(AUDIT) == [("window_end", "job", "1", "done", 0, None, 1)]
    assert site.world.execute("SELECT * FROM eed_window_override") == []


def test_an_end_that_is_refused_changes_no_job(site: Site, tmp_path: Path) -> None:
    before = site.world.execute(SPANS)
    (tmp_path / "other").mkdir()
    other = Site(site.world, tmp_path / "other")  # a host without windows
    with pytest.raises(WrongState):
        other.operations.windows.end(EndRequest(WindowTarget(WindowScope.ALL), "r"))
    assert site.world.execute(SPANS) == before


def test_an_override_says_how_many_jobs_it_concerns(site: Site) -> None:
    def opened_by(*words: str) -> str:
        return site.cli.good("window", "override", *words, "--for", "1h", "--reason", "r")

    assert "unfinished jobs of it: 0" in opened_by("--category", "urgnt")
    assert "unfinished jobs of it: 1" in opened_by("--all")
    listed = site.json("GET", "/api/v1/windows")["overrides"]
    assert [(one["scope"], one["jobs"]) for one in listed] == [("all", 1), ("category", 0)]


SPANS = "SELECT window_from, window_until, next_window_from, next_window_until FROM eed_job"


def test_an_override_ends_by_itself(site: Site) -> None:
    opened(site)
    assert is_open(site)
    site.world.execute("UPDATE eed_email SET state = 'pending', token = NULL, lease_until = NULL")
    site.world.execute("UPDATE eed_window_override SET until_at = '2026-01-02 00:00:00.000000'")
    site.world.execute("UPDATE eed_job SET window_until = '2026-01-02 00:00:00.000000'")
    assert not is_open(site)
    overrides = OverrideLedger(site.world.database, marking(site))
    WindowSweep(marking(site), overrides, 10).step()
    assert overrides.all() == () and not is_open(site)
    rows = site.world.execute("SELECT act, who, reason FROM eed_audit WHERE act = 'window_end'")
    assert rows == [("window_end", "service", "the end of the override has come")]


@pytest.mark.parametrize("scope", ["all", "channel", "category"])
def test_an_override_is_of_everything_a_channel_or_a_category(site: Site, scope: str) -> None:
    subject = {"channel": "default"}.get(scope, "")
    other = {"channel": WindowTarget(WindowScope.CATEGORY, "news")}.get(scope)
    windows = site.operations.windows
    if other is not None:
        windows.override(OverrideRequest(other, "r", 60.0))
        assert not is_open(site)
    windows.override(OverrideRequest(window_target(WindowScope(scope), subject), "r", 60.0))
    assert is_open(site)


@pytest.mark.parametrize(
    ("scope", "subject", "lasts", "error", "words"),
    [
        ("all", "x", 60.0, InvalidRequest, "names nothing"),
        ("job", "", 60.0, InvalidRequest, "name the job"),
        ("job", "99", 60.0, UnknownKey, "99"),
        ("channel", "nowhere", 60.0, UnknownKey, "there is no channel nowhere"),
        ("all", "", 0.0, InvalidRequest, "has passed"),
        ("all", "", 32 * 86_400.0, InvalidRequest, "31 days at most"),
        ("all", "", datetime(2001, 1, 1, tzinfo=UTC), InvalidRequest, "has passed"),
    ],
)
def test_an_override_that_cannot_be_is_refused(
    site: Site, scope: str, subject: str, lasts: float | datetime, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        site.operations.windows.override(OverrideRequest(window_target(WindowScope(scope), subject), "r", lasts))
    with pytest.raises(WrongState, match="there is no override of everything"):
        site.operations.windows.end(EndRequest(WindowTarget(WindowScope.ALL), "r"))
    assert site.world.execute("SELECT * FROM eed_window_override") == []


def test_there_is_nothing_to_override_where_no_window_is(world: World, tmp_path: Path) -> None:
    site = Site(world, tmp_path)
    with pytest.raises(WrongState, match="no send window is configured"):
        site.operations.windows.override(OverrideRequest(WindowTarget(WindowScope.ALL), "r", 60.0))
    assert "no send window is configured" in site.cli.good("window", "list")


def test_a_job_that_no_window_concerns_has_no_override(site: Site) -> None:
    site.world.execute("UPDATE eed_job SET category = 'urgent'")
    marking(site).mark_all()
    assert is_open(site)
    with pytest.raises(WrongState, match="no send window concerns job 1"):
        site.operations.windows.override(OverrideRequest(WindowTarget(WindowScope.JOB, "1"), "r", 60.0))


def test_people_see_why_a_job_stands_still_and_until_when(site: Site) -> None:
    assert f"its send window is closed until {OPENS:%Y-%m-%dT%H:%M}:00Z." in site.ask("GET", "/").text
    assert "Override its send window" in site.ask("GET", "/jobs/1").text
    assert "Override its send window" not in site.ask("GET", "/jobs/1", role="operator").text
    assert site.json("GET", "/api/v1/jobs/1")["window"]["is_open"] is False
    assert site.json("GET", "/api/v1/jobs/1")["window"]["changes_at"] == f"{OPENS:%Y-%m-%dT%H:%M}:00.000Z"
    (one,) = site.json("GET", "/api/v1/tonight")["jobs"]
    assert (one["standing"], one["needs_somebody"]) == ("window_closed", False)
    assert "send window closed, opens " in site.cli.good("job", "1")
    settings = site.ask("GET", "/settings", role="viewer").text
    assert f"every day {OPENS:%H:%M} to {CLOSES:%H:%M} UTC" in settings and "ignores all windows" in settings
    listed = site.json("GET", "/api/v1/windows", role="viewer")
    assert [(row["scope"], row["subject"], row["is_open"]) for row in listed["windows"]] == [
        ("all", "", False), ("category", "urgent", True),
    ]  # fmt: skip
    words = site.cli.good("window", "list")
    assert "closed, opens" in words and "ignores all windows" in words
    assert site.operations.figures.now()["eed_jobs_window_closed"] == {(): 1.0}


def test_people_see_what_will_expire_unsent(site: Site) -> None:
    site.world.execute(f"UPDATE eed_job SET expires_at = {site.world.earlier(site.world.now, -60)}")
    (one,) = site.json("GET", "/api/v1/tonight")["jobs"]
    assert (one["standing"], one["needs_somebody"]) == ("expires_unsent", True)
    assert "will expire unsent" in one["why"]


def test_a_nudge_says_when_the_window_opens(site: Site) -> None:
    site.world.execute("DELETE FROM eed_job")
    site.world.execute("DELETE FROM eed_email")
    status, problem = site.problem("POST", "/api/v1/jobs/1/nudge")
    assert (status, problem["why"]) == (409, "window_closed")
    assert problem["opens_at"] == f"{OPENS:%Y-%m-%dT%H:%M}:00Z"
    assert site.world.scalar("SELECT COUNT(*) FROM eed_job") == 1
    again = site.problem("POST", "/api/v1/jobs/1/nudge")[1]
    assert (again["why"], again["opens_at"]) == ("window_closed", problem["opens_at"])


@pytest.mark.parametrize(("scope", "opens"), [("all", True), ("job", False)])
def test_the_list_of_windows_heeds_an_override(site: Site, scope: str, opens: bool) -> None:
    target = WindowTarget(WindowScope(scope), "1" if scope == "job" else "")
    found = site.operations.windows.override(OverrideRequest(target, "tonight", 60.0))
    first = site.operations.windows.view().windows[0]
    assert first.is_open is opens
    assert (first.changes_at == found.until_at) is opens


def test_a_channels_own_window_is_shown_with_it(world: World, tmp_path: Path) -> None:
    opens = f'{{ from = "{OPENS:%H:%M}", to = "{CLOSES:%H:%M}", zone = "UTC" }}'
    site = Site(world, tmp_path, f"[transport.send_windows]\nopen = {opens}\n")
    told = site.json("GET", "/api/v1/channels/default")["window"]
    assert (told["scope"], told["is_open"], told["changes_at"][:16]) == ("channel", False, f"{OPENS:%Y-%m-%dT%H:%M}")
    assert site.cli.json("channel", "show", "default")["window"]["is_open"] is False
    line = next(one for one in site.cli.good("channel", "show", "default").splitlines() if "send window" in one)
    assert line.startswith(f"its send window is closed, opens {OPENS:%Y-%m-%dT%H:%M}:00Z: every day")
    page = site.ask("GET", "/channels/default").text
    assert "<dt>Send window</dt>" in page
    assert f"every day {OPENS:%H:%M} to {CLOSES:%H:%M} UTC" in page
    assert site.json("GET", "/api/v1/channels")["items"][0]["window"] is None
