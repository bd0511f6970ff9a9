"""One job: an overview with its chart, and a page for each of its failures, emails, doubts, domains and its history."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from flask import Response, request, url_for

from eed_delivery.access.rights import Right
from eed_delivery.console.asking import address_of, asked_for
from eed_delivery.console.rendering import Crumb, is_renewal, page, shared_fragment
from eed_delivery.console.routes import PageRoutes
from eed_delivery.model import EmailState
from eed_delivery.operations.emails import OUTCOMES, EmailsRequest
from eed_delivery.operations.forecasts.words import forecast_sentences
from eed_delivery.operations.jobs import CountedJob
from eed_delivery.operators.problems import HttpProblem
from eed_delivery.operators.shell import operations_now
from eed_delivery.reports.chart import chart
from eed_delivery.reports.timeline import timeline_of

SCHEDULED = "scheduled"
EMAILS_SHOWN = 100
REASONS_SHOWN = 50
DOMAINS_SHOWN = 20
ACTS_SHOWN = 100
WAIT_SECONDS = 0.2
"""For newer figures, which are made by the side."""
JOBS = Crumb("Jobs", "/jobs")
TABS = (
    ("Overview", "show_job"),
    ("Failures", "show_failures"),
    ("Emails", "show_emails"),
    ("Doubts", "show_doubts"),
    ("Domains", "show_domains"),
    ("History", "show_history"),
)


def job_path(key: str) -> str:
    """The address of a job's page."""
    return url_for("console.show_job", key=key)


def job_crumb(key: str) -> Crumb:
    """The job's page, above another one."""
    return Crumb(f"Job {key}", job_path(key))


def add(routes: PageRoutes) -> None:
    """The routes of this subject."""
    for path, view, command, call in _PAGES:
        job = f"/jobs/<path:key>{path}"
        routes.page(job, Right.VIEW, section="Jobs", command=command, call=f"GET /api/v1{call}")(view)


def show_job(key: str) -> Response:
    """An overview with figures that renew, or what is known of a job that waits for its time."""
    if is_renewal():
        return shared_fragment("job_figures.html", lambda: {"key": key, **_overview(key)})
    jobs = operations_now().jobs
    waiting = jobs.waiting(key)
    if waiting is not None:
        return page("job_waits.html", title=f"Job {key}", crumbs=(JOBS,), view=waiting, key=key)
    facts = _overview(key)
    return _page("job.html", key, facts["job"], "show_job", **facts)


def show_failures(key: str) -> Response:
    """Why emails of it were not sent."""
    counted = operations_now().jobs.counted(key)
    made = operations_now().jobs.failures_by_the_side(key, WAIT_SECONDS)
    return _page("job_failures.html", key, counted, "show_failures", made=made, most=REASONS_SHOWN)


def show_emails(key: str) -> Response:
    """Its emails, by state and outcome."""
    given = asked_for(("state", "outcome", "after"))
    if given["state"] not in ("", *EmailState) or given["outcome"] not in ("", *OUTCOMES):
        raise HttpProblem(422, "invalid", "There is no such state or outcome.")
    state = EmailState(given["state"]) if given["state"] else None
    return _emails("job_emails.html", key, "show_emails", state, given["outcome"] or None, given["after"])


def show_doubts(key: str) -> Response:
    """Its emails in doubt."""
    given = asked_for(("after",))
    return _emails("job_doubts.html", key, "show_doubts", EmailState.IN_DOUBT, None, given["after"])


def show_domains(key: str) -> Response:
    """Its emails by the domain of their recipients."""
    jobs = operations_now().jobs
    counted, made = jobs.counted(key), jobs.breakdown(key, WAIT_SECONDS)
    domains = [] if made.value is None else made.value.breakdown.commonest(DOMAINS_SHOWN)
    paces = operations_now().domain_paces
    facts = {"paces": paces.pace_of([name for name, _ in domains]), "bound": paces.bound_of_job(counted.report.job_id)}
    return _page(
        "job_domains.html", key, counted, "show_domains", made=made, domains=domains, states=EmailState, **facts
    )


def show_history(key: str) -> Response:
    """What was done to it, by whom and why."""
    jobs = operations_now().jobs
    counted = jobs.counted(key)
    acts, more = jobs.acts(counted.report.job_id, ACTS_SHOWN)
    return _page("job_history.html", key, counted, "show_history", acts=acts, more=more)


def _overview(key: str) -> dict[str, Any]:
    operations = operations_now()
    counted = operations.jobs.counted(key)
    made = operations.jobs.breakdown(key)
    minutes = None if made.value is None else made.value.breakdown.minutes
    outcomes = operations.jobs.outcomes(counted.report.job_id).value
    forecast = None if counted.report.finished_at else operations.forecasts.of(key)
    return {
        "job": counted,
        "report": counted.report,
        "standing": None if counted.report.finished_at else operations.tonight.standing_of(counted),
        "forecast": forecast,
        "sentences": () if forecast is None else forecast_sentences(forecast),
        "outcomes": {} if outcomes is None else asdict(outcomes.outcomes),
        "made": made,
        "chart": chart(timeline_of(minutes)) if minutes else None,
    }


def _page(template: str, key: str, counted: CountedJob, tab: str, **facts: Any) -> Response:
    """A page of a job. Its state is in the title, for the browser's tabs."""
    facts = {"job": counted, "report": counted.report, **facts}
    name = next(name for name, endpoint in TABS if endpoint == tab)
    above: Sequence[Crumb] = (JOBS,) if tab == "show_job" else (JOBS, job_crumb(key))
    title = f"Job {key}" if tab == "show_job" else f"{name} of job {key}"
    return page(
        template,
        title=title,
        crumbs=above,
        key=key,
        tabs=TABS,
        tab=tab,
        tab_title=f"{key} {counted.report.state}",
        **facts,
    )


def _emails(template: str, key: str, tab: str, state: EmailState | None, outcome: str | None, after: str) -> Response:
    """Emails of a job. To look is in the audit."""
    operations = operations_now()
    counted = operations.jobs.counted(key)
    found = operations.emails.page(EmailsRequest(key, None, state, outcome, after or None), EMAILS_SHOWN)
    narrowed = {"state": state if tab == "show_emails" else None, "outcome": outcome}
    path = url_for(f"console.{tab}", key=key)
    return _page(
        template,
        key,
        counted,
        tab,
        found=found,
        narrowed=narrowed,
        states=list(EmailState),
        outcomes=OUTCOMES,
        next=found.next_after and address_of(path, {**narrowed, "after": found.next_after}),
        path=request.path,
    )


_PAGES: Sequence[tuple[str, Callable[[str], Response], str, str]] = (
    ("", show_job, "job {key}", "/jobs/{key}"),
    ("/failures", show_failures, "job {key}", "/jobs/{key}/failures"),
    ("/emails", show_emails, "emails {key}", "/jobs/{key}/emails"),
    ("/doubts", show_doubts, "emails {key} --state in_doubt", "/jobs/{key}/emails?state=in_doubt"),
    ("/domains", show_domains, "job {key}", "/jobs/{key}/domains"),
    ("/history", show_history, "audit --job {key}", "/audit?job={key}"),
)
"""Path below the job's, view, and the same by command line and API."""
