"""The application of flask-openapi3, and the file that describes the API (OpenAPI 3.1)."""

import json
import sys
from functools import cache
from importlib.resources import files
from typing import Any, cast

from flask import Response, current_app, request
from flask_openapi3.models.info import Info
from flask_openapi3.openapi import OpenAPI
from pydantic import ValidationError

from eed_delivery.api import (
    access,
    channels,
    dead_letters,
    domain_paces,
    doubts,
    emails,
    forecasts,
    gates,
    health,
    holds,
    jobs,
    lists,
    long_acts,
    paces,
    rehearsals,
    shadows,
    submitting,
    suppressions,
    tonight,
    windows,
)
from eed_delivery.api.cursors import Cursors
from eed_delivery.api.routes import PREFIX, check_request
from eed_delivery.api.schemas import ProblemModel
from eed_delivery.operators.parts import OperatorsParts
from eed_delivery.operators.problems import invalid
from eed_delivery.operators.routes import OPEN, needs
from eed_delivery.operators.sealing import Seal
from eed_delivery.operators.shell import answer_of

DESCRIBED = files(__package__) / "openapi.json"
VERSION = "1"
"""Of the API. It grows by additions, and no field gets another name."""
DESCRIPTION = (
    "What an operator can ask and decide. Keys are those of the delivery server's tables, and always text. Times are "
    "RFC 3339 in UTC. Addresses are masked without the right see_recipients. See docs/api.md."
)


def new_application() -> OpenAPI:
    """The application without any route."""
    return OpenAPI(
        "eed_delivery.api",
        info=Info(title="eed_delivery", version=VERSION, description=DESCRIPTION),
        security_schemes={"token": {"type": "http", "scheme": "bearer", "description": "An API token."}},
        validation_error_model=ProblemModel,
        validation_error_callback=_invalid,
        doc_ui=False,
        static_folder=None,
    )


def add_api(app: OpenAPI, parts: OperatorsParts) -> None:
    """Add all routes below /api/v1, and those of health checks. To be called after the shell is around it."""
    app.before_request(_check)
    _add_routes(app, parts.secret, parts.readiness.look, parts.callers.of)
    app.add_url_rule(f"{PREFIX}/openapi.json", "openapi", needs(OPEN)(_description))


def _add_routes(app: OpenAPI, secret: str, look: health.Look, find: health.Find, *, described: bool = False) -> None:
    cursors = Cursors(secret)
    subjects = (jobs.routes(cursors), emails.routes(cursors), lists.routes(cursors), channels.routes())
    alike = (
        doubts.routes(Seal(secret, "doubts")),
        gates.routes(),
        holds.routes(),
        paces.routes(),
        domain_paces.routes(),
        submitting.routes(),
    )
    others = (
        *alike,
        suppressions.routes(cursors),
        long_acts.routes(cursors),
        rehearsals.routes(),
        shadows.routes(cursors),
        tonight.routes(),
        access.routes(),
    )
    last = (dead_letters.routes(cursors), windows.routes(), forecasts.routes(), health.routes(look, find))
    for routes in (*subjects, *others, *last):
        blueprint = routes.blueprint(described=described)
        for path, item in blueprint.paths.items():
            if known := app.paths.get(path):  # of another subject: flask-openapi3 would keep the methods of one alone
                both = {name: getattr(one, name) for one in (known, item) for name in one.model_fields_set}
                blueprint.paths[path] = item.model_copy(update=both)
        app.register_api(blueprint)


@cache
def described() -> dict[str, Any]:
    """What describes the API, by its code. The file in this package is that, so that no process makes it."""
    app = new_application()
    _add_routes(app, "", lambda: (), lambda *_: None, described=True)
    return cast("dict[str, Any]", app.api_doc)


def _check() -> None:
    if request.endpoint is not None:
        check_request(current_app.view_functions[request.endpoint])


def _invalid(error: ValidationError) -> Response:
    return answer_of(invalid(error))


def _description() -> Response:
    return Response(
        DESCRIBED.read_bytes(), headers={"Cache-Control": "public, max-age=300"}, mimetype="application/json"
    )


if __name__ == "__main__":
    sys.stdout.write(json.dumps(described(), indent=1, ensure_ascii=False) + "\n")
