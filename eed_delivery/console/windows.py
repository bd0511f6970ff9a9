"""Overrides of send windows: of everything, a channel, a category or a job, each with a page that asks first."""

from collections.abc import Mapping

from flask import Response

from eed_delivery.access.rights import Right
from eed_delivery.console.acting import REASON, ActDone, Confirmation, FormField, confirmed
from eed_delivery.console.decisions import PageDecision, add_decisions
from eed_delivery.console.ends import SOON, end_field, seconds_until_end
from eed_delivery.console.one_job import JOBS, job_crumb, job_path
from eed_delivery.console.routes import BOTH, PageRoutes
from eed_delivery.console.settings import SECTION, SETTINGS
from eed_delivery.operations.windows import (
    EndRequest,
    OverrideRequest,
    StoredOverride,
    WindowScope,
    WindowTarget,
    called_window,
    window_target,
)
from eed_delivery.operators.shell import operations_now

SCOPES = (
    (WindowScope.ALL.value, "everything"),
    (WindowScope.CHANNEL.value, "a channel"),
    (WindowScope.CATEGORY.value, "a category"),
    (WindowScope.JOB.value, "a job"),
)
SCOPE = FormField("scope", "What to open", kind="select", choices=SCOPES, value=WindowScope.ALL.value)
SUBJECT = FormField("subject", "Its name", "Of the channel, category or job. Empty for everything.", required=False)
ENDS = end_field(SOON[1:], required=True)
_WHAT = ("Its emails leave from now on, whatever its send windows say.", "The override ends by itself.")


def add(routes: PageRoutes) -> None:
    """The routes of this subject."""
    _add_overrides(routes)
    add_decisions(routes, SECTION, _ENDS)


def _add_overrides(routes: PageRoutes) -> None:
    @routes.page(
        "/windows/override",
        Right.ADMIN,
        section=SECTION,
        command="window override --for WHEN --reason WHY",
        call="PUT /api/v1/windows",
        methods=BOTH,
    )
    def override_window() -> Response:
        def act(given: Mapping[str, str]) -> ActDone:
            found = _override(window_target(WindowScope(given["scope"]), given.get("subject", "")), given)
            said = f"{called_window(found.target).capitalize()} is open for now. Unfinished jobs of it: {found.jobs:,}."
            return ActDone(said, SETTINGS.path)

        fields = (SCOPE, SUBJECT, REASON, ENDS)
        return confirmed(lambda: Confirmation("Override send windows", _WHAT, "Open it", SETTINGS, fields), act)

    @routes.page(
        "/jobs/<path:key>/window",
        Right.ADMIN,
        section="Jobs",
        command="window override --job {key} --for WHEN --reason WHY",
        call="PUT /api/v1/jobs/{key}/window",
        methods=BOTH,
    )
    def override_job_window(key: str) -> Response:
        def act(given: Mapping[str, str]) -> ActDone:
            _override(window_target(WindowScope.JOB, key), given)
            return ActDone(f"Job {key} is open for now, whatever its send windows say.", job_path(key))

        def ask() -> Confirmation:
            operations_now().jobs.counted(key)  # or there is no such job
            title = f"Override the send window of job {key}?"
            return Confirmation(title, _WHAT, "Open it", job_crumb(key), (REASON, ENDS), crumbs=(JOBS,))

        return confirmed(ask, act)


def _override(target: WindowTarget, given: Mapping[str, str]) -> StoredOverride:
    lasts = seconds_until_end(given) or 0.0
    return operations_now().windows.override(OverrideRequest(target, given["reason"], lasts))


def _asking_end(override_id: str) -> Confirmation:
    found = operations_now().windows.numbered(int(override_id))
    what = (f"{found.who} has opened it: {found.reason}", "Send windows count again from the next wire grant on.")
    return Confirmation(f"End the override of {called_window(found.target)}?", what, "End it", SETTINGS)


def _end(override_id: str, given: Mapping[str, str]) -> str:
    target = operations_now().windows.numbered(int(override_id)).target
    operations_now().windows.end(EndRequest(target, given["reason"]))
    return f"The override of {called_window(target)} is ended."


_ENDS = (
    PageDecision(
        "end_override",
        "/windows/<int:override_id>/end",
        Right.ADMIN,
        "window end --reason WHY",
        "PUT /api/v1/windows",
        _asking_end,
        _end,
        SETTINGS,
    ),
)
