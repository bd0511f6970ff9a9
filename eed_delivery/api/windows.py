"""Send windows: when emails may leave, and overrides that open them for a while."""

from datetime import date
from typing import Annotated, Any

from flask import Response
from pydantic import Field

from eed_delivery.access.rights import Right
from eed_delivery.api.keyed import once
from eed_delivery.api.masking import shown
from eed_delivery.api.routes import ApiRoutes
from eed_delivery.api.schemas import Asked, Moment, OneKey, Reason, Told, Utc, as_json
from eed_delivery.api.versions import tagged
from eed_delivery.operations.windows import (
    EndRequest,
    OverrideRequest,
    StoredOverride,
    WindowScope,
    WindowTarget,
    WindowView,
    window_target,
)
from eed_delivery.operators.shell import operations_now


class JobWindowBody(Asked):
    """Until when it is open, whatever its windows say. Null ends the override."""

    open_until: Moment | None
    reason: Reason


class WindowBody(JobWindowBody):
    """What to open. `subject` is the channel, the category or the job's key, and empty for everything."""

    scope: WindowScope
    subject: Annotated[str, Field(max_length=255)] = ""


class WindowAnswer(Told):
    """The windows of everything, a channel or a category. `changes_at` null: no change is known."""

    scope: WindowScope
    subject: str
    windows: list[str] = Field(description="Each in words: days, hours and time zone.")
    excluded: list[date]
    ignores: bool = Field(description="Jobs of this category ignore all windows.")
    is_open: bool
    changes_at: Utc | None = Field(description="When it closes or opens next.")


class OverrideAnswer(Told):
    """What a person has opened for a while."""

    scope: WindowScope
    subject: str
    reason: str
    who: str
    set_at: Utc
    until_at: Utc
    jobs: int = Field(description="Unfinished jobs that it concerns.")


class WindowsAnswer(Told):
    """What is configured, and the overrides that last."""

    windows: list[WindowAnswer]
    overrides: list[OverrideAnswer]
    of_jobs: bool = Field(description="Jobs may have windows of their own.")


def routes() -> ApiRoutes:
    """The routes of this subject."""
    r = ApiRoutes("windows", "When emails may leave.")

    @r.get("/windows", Right.VIEW, WindowsAnswer, "window list")
    def show_windows() -> Response:
        """Show the send windows, and the overrides that last."""
        return tagged(_answer())

    @r.put("/windows", Right.ADMIN, WindowsAnswer, "window override --for WHEN --reason WHY")
    def overridewindow_answer(body: WindowBody) -> Response:
        """Open everything, a channel, a category or a job until a time, or end that with null."""
        return _changed(window_target(body.scope, body.subject), body)

    @r.put("/jobs/<path:key>/window", Right.ADMIN, WindowsAnswer, "window override --job {key} --for WHEN --reason WHY")
    def override_jobwindow_answer(path: OneKey, body: JobWindowBody) -> Response:
        """Open the send window of a job until a time, or end that with null."""
        return _changed(window_target(WindowScope.JOB, path.key), body)

    return r


def _changed(target: WindowTarget, body: JobWindowBody) -> Response:
    windows = operations_now().windows
    if body.open_until is None:
        ending = EndRequest(target, body.reason)
        return once(lambda: windows.end(ending), _answer)
    opening = OverrideRequest(target, body.reason, body.open_until)
    return once(lambda: windows.override(opening), _answer)


def _answer() -> dict[str, Any]:
    view = operations_now().windows.view()
    windows, overrides = [window_answer(one) for one in view.windows], [_override(one) for one in view.overrides]
    return as_json(WindowsAnswer(windows=windows, overrides=overrides, of_jobs=view.of_jobs))


def window_answer(one: WindowView) -> WindowAnswer:
    """Windows as the API tells them."""
    return WindowAnswer(
        scope=one.target.scope,
        subject=one.target.subject,
        windows=list(one.windows),
        excluded=list(one.excluded),
        ignores=one.ignores,
        is_open=one.is_open,
        changes_at=one.changes_at,
    )


def _override(one: StoredOverride) -> OverrideAnswer:
    return OverrideAnswer(
        scope=one.target.scope,
        subject=shown(one.target.subject),
        reason=shown(one.reason),
        who=one.who,
        set_at=one.set_at,
        until_at=one.until_at,
        jobs=one.jobs,
    )
