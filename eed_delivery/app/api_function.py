"""The API as a function of AWS Lambda. It is made in the function's INIT phase, and opens no connection.

It has the API and no pages: people log in on hosts. No thread of it outlives a request.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from wsgiref.types import WSGIApplication

from eed_delivery import logs
from eed_delivery.api.metrics import add_metrics
from eed_delivery.api.openapi import add_api, new_application
from eed_delivery.app.database import open_database
from eed_delivery.app.function_secrets import credentials_problems, with_secrets
from eed_delivery.app.operations import Operations
from eed_delivery.app.operators_parts import operators_parts
from eed_delivery.config import Settings, load
from eed_delivery.config.environment import variables
from eed_delivery.database.transactions import Database
from eed_delivery.errors import ConfigError, Problem
from eed_delivery.ledger.actor import SERVICE
from eed_delivery.operators.routes import declared
from eed_delivery.operators.shell import Shell

CONNECTIONS = 3
"""Limit: of one request, which has a thread."""
CONNECT_SECONDS, ANSWER_SECONDS, TRIES = 2.0, 8.0, 2
"""Limits: a database that hangs is given up after 20 seconds. API Gateway waits 29 or 30 for the whole request.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html
"""


@dataclass(frozen=True, slots=True)
class ApiParts:
    """What the composition root hands to a sandbox."""

    application: WSGIApplication
    database: Database


def start(environ: Mapping[str, str] | None = None) -> ApiParts:
    """The parts, by variables and the file that EED_CONFIG names. Raises `ConfigError` with every mistake."""
    environ = with_secrets(variables() if environ is None else environ)
    settings = load(None, environ)
    logs.configure(settings.logs, role="lambda-api")
    return api_parts(settings)


def api_parts(settings: Settings) -> ApiParts:
    """The parts for one sandbox. Raises `ConfigError`."""
    if problems := _problems(settings):
        raise ConfigError(problems)
    settings = _within_a_request(settings)
    database = open_database(settings.database, connections=CONNECTIONS, tries=TRIES)
    everyone = Operations(settings, SERVICE, database, in_function=True)
    parts = operators_parts(settings, database, everyone, None)
    _load_what_most_requests_need(everyone)
    app = new_application()
    Shell(app, parts)
    add_api(app, parts)
    add_metrics(app, None, parts.figures)
    list(declared(app))
    return ApiParts(app, database)


def _load_what_most_requests_need(everyone: Operations) -> None:
    """Nudges and submissions. Parts are loaded when they are first asked for, and INIT is the time for that."""
    for part in ("nudging", "uploading", "submission_orders", "repeats"):
        getattr(everyone, part)


def _problems(settings: Settings) -> list[Problem]:
    found = credentials_problems(settings)
    if settings.operators.secret is None:
        what = "it is not set, and cursors and plans are sealed with it"
        remedy = "Give the hosts' own in EED_OPERATORS__SECRET, or one of openssl rand -hex 32."
        found.append(Problem("operators.secret", what, remedy))
    return found


def _within_a_request(settings: Settings) -> Settings:
    """A database that hangs must not take the whole request, whose caller would get no reason."""
    database = settings.database
    limits = {
        "connect_timeout_seconds": min(database.connect_timeout_seconds, CONNECT_SECONDS),
        "read_timeout_seconds": min(database.read_timeout_seconds, ANSWER_SECONDS),
    }
    return settings.model_copy(update={"database": database.model_copy(update=limits)})
