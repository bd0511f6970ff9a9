"""The pages' routes."""

from collections.abc import Callable

from flask import Blueprint, Flask, Response, render_template, send_from_directory
from werkzeug.wrappers import Response as AnyResponse

from eed_delivery.access.rights import Right
from eed_delivery.console.login import START, LoginPages
from eed_delivery.operations.jobs import JobsRequest
from eed_delivery.operators.parts import OperatorsParts
from eed_delivery.operators.routes import OPEN, needs
from eed_delivery.operators.shell import LOGIN, Shell, caller_now, operations_now
from eed_delivery.untrusted import mask_addresses

JOBS_SHOWN = 20


def add_pages(app: Flask, shell: Shell, parts: OperatorsParts) -> None:
    """Add all pages. To be called after the shell is around the application."""
    pages = Blueprint("console", __name__, template_folder="templates")
    login = LoginPages(shell, parts)
    pages.add_url_rule(START, "start", needs(Right.VIEW)(_start))
    pages.add_url_rule(LOGIN, "ask", needs(OPEN)(_as_function(login.ask)))
    pages.add_url_rule(LOGIN, "log_in", needs(OPEN)(_as_function(login.log_in)), methods=["POST"])
    pages.add_url_rule("/logout", "log_out", needs(Right.VIEW)(_as_function(login.log_out)), methods=["POST"])
    pages.add_url_rule("/assets/<path:name>", "asset", needs(OPEN)(_asset))
    app.register_blueprint(pages)


def _as_function(method: Callable[[], AnyResponse]) -> Callable[[], AnyResponse]:
    """A bound method, to which a right can be attached."""
    return lambda: method()


def _asset(name: str) -> Response:
    answer = send_from_directory(f"{__file__.rpartition('/')[0]}/assets", name, max_age=3600)
    answer.headers["Cache-Control"] = "public, max-age=3600"
    return answer


def _start() -> str:
    caller, page = caller_now(), operations_now().jobs.page(JobsRequest(JOBS_SHOWN, unfinished_only=True))
    jobs = [
        {"key": job.key, "state": job.state, "done": job.done, "total": job.total, "reason": _masked(job.reason)}
        for job in page.jobs
    ]
    role, is_session = caller.granted.role.value, caller.way == "session"
    return render_template("start.html", name=caller.name, role=role, is_session=is_session, jobs=jobs)


def _masked(text: str | None) -> str:
    may_see = caller_now().may(Right.SEE_RECIPIENTS)
    return text or "" if may_see or text is None else mask_addresses(text)
