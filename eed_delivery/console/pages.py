"""The pages, put together. Each subject has a module of its own, with a function `add`."""

from collections.abc import Callable

from flask import Blueprint, Flask, Response, send_from_directory
from werkzeug.wrappers import Response as AnyResponse

from eed_delivery.access.rights import Right
from eed_delivery.console import (
    audit,
    channel_changes,
    channels,
    dead_letters,
    doubts,
    emails,
    gates,
    job_decisions,
    jobs,
    long_acts,
    one_job,
    people,
    previewing,
    processes,
    rehearsing,
    resending,
    searching,
    settings,
    shadowing,
    submissions,
    submitting,
    suppressions,
    tonight,
    unsuppressing,
    windows,
)
from eed_delivery.console.login import LoginPages
from eed_delivery.console.problem_pages import problem_page
from eed_delivery.console.rendering import ASSETS, ConsoleFrame
from eed_delivery.console.routes import PageRoutes
from eed_delivery.operators.parts import OperatorsParts
from eed_delivery.operators.routes import OPEN, needs
from eed_delivery.operators.sealing import Seal
from eed_delivery.operators.shell import LOGIN, Shell

ASSET_SECONDS = 31_536_000
"""An asset's address changes with its content."""


def add_pages(app: Flask, shell: Shell, parts: OperatorsParts) -> None:
    """Add all pages. To be called after the shell is around the application."""
    blueprint = Blueprint("console", __name__, template_folder="templates")
    _add_login(blueprint, LoginPages(shell, parts))
    blueprint.add_url_rule("/assets/<path:name>", "asset", needs(OPEN)(_asset))
    routes = PageRoutes(blueprint)
    looks = (tonight, jobs, job_decisions, one_job, emails, searching, previewing, resending)
    before = (
        *looks,
        channels,
        channel_changes,
        gates,
        dead_letters,
        processes,
        long_acts,
        rehearsing,
        shadowing,
        audit,
    )
    for subject in (*before, submitting, submissions, settings, windows, people):
        subject.add(routes)
    doubts.add(routes, Seal(parts.secret, "doubts"))
    entries = Seal(parts.secret, "suppressions")
    suppressions.add(routes, entries, Seal(parts.secret, "suppressions-after"))
    unsuppressing.add(routes, entries)
    app.register_blueprint(blueprint)
    ConsoleFrame(app, parts)
    shell.as_page = problem_page


def _add_login(blueprint: Blueprint, login: LoginPages) -> None:
    blueprint.add_url_rule(LOGIN, "ask", needs(OPEN)(_as_function(login.ask)))
    blueprint.add_url_rule(LOGIN, "log_in", needs(OPEN)(_as_function(login.log_in)), methods=["POST"])
    session = needs(Right.VIEW)(_as_function(login.session))
    blueprint.add_url_rule("/session", "session", session, methods=["GET", "POST"])
    blueprint.add_url_rule("/logout", "log_out", needs(Right.VIEW)(_as_function(login.log_out)), methods=["POST"])


def _as_function(method: Callable[[], AnyResponse]) -> Callable[[], AnyResponse]:
    """A bound method, to which a right can be attached."""
    return lambda: method()


def _asset(name: str) -> Response:
    answer = send_from_directory(ASSETS, name, max_age=ASSET_SECONDS)
    answer.headers["Cache-Control"] = f"public, max-age={ASSET_SECONDS}, immutable"
    return answer
