"""Pause, resume and cancel a job, each with a page that asks first."""

from collections.abc import Mapping
from datetime import timedelta

from flask import Response

from eed_delivery.access.rights import Right
from eed_delivery.console.acting import REASON, VERSION, ActDone, Confirmation, FormField, confirmed
from eed_delivery.console.one_job import JOBS, job_crumb, job_path
from eed_delivery.console.routes import PageRoutes
from eed_delivery.console.shown import number
from eed_delivery.model import JobState
from eed_delivery.operations.deciding import WAITS, ResumeRequest, StopRequest
from eed_delivery.operations.jobs import ActReport, JobReport
from eed_delivery.operations.long_acts.starting import LongAct
from eed_delivery.operations.refusals import WrongState
from eed_delivery.operators.asking import asker_now
from eed_delivery.operators.problems import HttpProblem
from eed_delivery.operators.shell import caller_now, operations_now

RECENT = timedelta(hours=1)
ACTS_SHOWN = 5
WATCHED = FormField(
    "unwatched",
    "Go on whatever bounces and complaints come",
    "Needs the right admin. Nothing pauses the job by itself then.",
    kind="checkbox",
    required=False,
)

UNREHEARSED = FormField(
    "unrehearsed",
    "Start without a rehearsal",
    "Needs the right admin. Where a rehearsal is required, the job is paused again without one.",
    kind="checkbox",
    required=False,
)


def add(routes: PageRoutes) -> None:
    """The routes of this subject."""
    for act, right, view in _DECISIONS:
        path, command = f"/jobs/<path:key>/{act}", f"{act} {{key}} --reason WHY"
        call = f"POST /api/v1/jobs/{{key}}/{act}"
        routes.page(path, right, section="Jobs", command=command, call=call, methods=("GET", "POST"))(view)


def pause_job(key: str) -> Response:
    """Ask, and pause it."""

    def act(given: Mapping[str, str]) -> ActDone:
        operations_now().deciding.pause(StopRequest(key, given["reason"], _version(given)))
        return ActDone(f"Job {key} is paused. Emails that are on the wire still leave.", job_path(key))

    return confirmed(lambda: _pause(key), act)


def resume_job(key: str) -> Response:
    """Ask, and resume it."""

    def act(given: Mapping[str, str]) -> ActDone:
        unwatched, unrehearsed = (given.get(name) == "yes" for name in ("unwatched", "unrehearsed"))
        if (unwatched or unrehearsed) and not caller_now().may(Right.ADMIN):
            what = "To resume a job unwatched or unrehearsed needs the right admin."
            raise HttpProblem(403, "no_right", what, "Ask an admin for it.")
        request = ResumeRequest(key, not unwatched, given["reason"], _version(given), not unrehearsed)
        approvals = operations_now().approvals
        if approvals.resume_needs_one(request):
            return _asked(approvals.ask_to_resume(request, asker_now()))
        operations_now().deciding.resume(request)
        return ActDone(f"Job {key} goes on. Its templates are read again.", job_path(key))

    return confirmed(lambda: _resume(key), act)


def cancel_job(key: str) -> Response:
    """Ask twice, and end it for good."""

    def act(given: Mapping[str, str]) -> ActDone:
        request, approvals = StopRequest(key, given["reason"], _version(given)), operations_now().approvals
        if approvals.cancel_needs_one(key):
            return _asked(approvals.ask_to_cancel(request, asker_now()))
        operations_now().deciding.cancel(request)
        return ActDone(f"Job {key} is cancelled. Emails that are on the wire still leave.", job_path(key))

    return confirmed(lambda: _cancel(key), act)


def _asked(wanted: LongAct) -> ActDone:
    return ActDone("Nothing is done yet. Another person has to approve it.", f"/operations/{wanted.id}")


def _version(given: Mapping[str, str]) -> str | None:
    """A form without it was not made by us. Nothing has this version, so it is asked anew."""
    return given[VERSION] or "unseen"


def _pause(key: str) -> Confirmation:
    version, report, acts = _seen(key, "paused", (JobState.ACTIVE, JobState.HELD))
    what = [
        "No further email of it leaves. Emails that are on the wire still do.",
        "Nothing is lost. Resume continues it.",
    ]
    return Confirmation(
        title=f"Pause job {key}, with {_unsent(report)}?",
        what=[*_name(report), *what],
        button="Pause the job",
        back=job_crumb(key),
        version=version,
        acts=acts,
        crumbs=(JOBS,),
    )


def _resume(key: str) -> Confirmation:
    version, report, acts = _seen(key, "resumed", (JobState.PAUSED,))
    paused = [f"It is paused: {report.reason}"] if report is not None and report.reason else []
    return Confirmation(
        title=f"Resume job {key}, with {_unsent(report)}?",
        what=[*_name(report), *paused, "Its unsent emails leave. Its templates are read again."],
        button="Resume the job",
        back=job_crumb(key),
        fields=(REASON, WATCHED, UNREHEARSED) if caller_now().may(Right.ADMIN) else (REASON,),
        version=version,
        acts=acts,
        crumbs=(JOBS,),
    )


def _cancel(key: str) -> Confirmation:
    version, report, acts = _seen(key, "cancelled", (JobState.ACTIVE, JobState.HELD, JobState.PAUSED))
    typed = FormField("confirmation", f"Type the job's key, {key}, to confirm", length=191, must_be=key)
    return Confirmation(
        title=f"Cancel job {key}, with {_unsent(report)}?",
        what=[*_name(report), "No further email of it leaves. Emails that are on the wire still do."],
        warning="A cancelled job cannot be resumed. Its unsent emails are never sent.",
        button="Cancel the job",
        back=job_crumb(key),
        fields=(REASON, typed),
        version=version,
        acts=acts,
        crumbs=(JOBS,),
    )


def _seen(key: str, word: str, possible: tuple[JobState, ...]) -> tuple[str, JobReport | None, list[ActReport]]:
    """The version, the job (None: it waits for its time), and the acts of the last hour. Raises `OperationRefused`."""
    operations = operations_now()
    version = operations.deciding.version(key)  # first: what is decided meanwhile must not pass for seen
    if version == WAITS:
        return version, None, []
    report = operations.jobs.counted(key).report
    if report.finished_at is not None or report.state not in possible:
        because = f" ({report.reason})" if report.reason else ""
        raise WrongState(f"job {key} cannot be {word}: it is {report.state}{because}", which=f"job {key}")
    acts, _ = operations.jobs.acts(report.job_id, ACTS_SHOWN)
    now = operations.jobs.now()
    return version, report, [act for act in acts if act.at > now - RECENT]


def _name(report: JobReport | None) -> list[str]:
    if report is None:
        return ["It waits for its time, and none of its emails has left."]
    return [f"Its name is {report.name}."] if report.name else []


def _unsent(report: JobReport | None) -> str:
    if report is None:
        return "none of its emails sent"
    return f"{number(report.total - report.done)} unsent emails"


_DECISIONS = (
    ("pause", Right.OPERATE, pause_job),
    ("resume", Right.OPERATE, resume_job),
    ("cancel", Right.ADMIN, cancel_job),
)
