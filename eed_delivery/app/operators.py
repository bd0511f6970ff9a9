"""The role `operators`, put together: pages, API and their server. Its packages are those of the extra `operators`."""

import threading
from typing import TYPE_CHECKING

from flask import Flask

from eed_delivery.api.metrics import add_metrics
from eed_delivery.api.openapi import add_api, new_application
from eed_delivery.app.database import open_database
from eed_delivery.app.long_acts import long_act_steps
from eed_delivery.app.operations import Operations
from eed_delivery.app.operators_parts import operators_parts
from eed_delivery.config import Settings
from eed_delivery.console.pages import add_pages
from eed_delivery.database.transactions import Database
from eed_delivery.ledger.access.housekeeping import AccessHousekeeping
from eed_delivery.ledger.actor import SERVICE
from eed_delivery.operators.one_time_login import LoginLink, OneTimeLogin
from eed_delivery.operators.parts import OperatorsParts
from eed_delivery.operators.routes import declared
from eed_delivery.operators.server import serve
from eed_delivery.operators.shell import Shell
from eed_delivery.runtime.arenas import keep_little_memory
from eed_delivery.runtime.loop import Loop, Pulse

if TYPE_CHECKING:
    from eed_delivery.access.signing_keys import Fetch

NAME = "operators"
CONNECTIONS_BESIDE = 8
"""Of the loops beside the HTTP server."""
LAST_CHUNK_SECONDS = 5.0
"""Seconds that the role waits at its end for a chunk. One that is left is rolled back, and done by another process."""


def application(parts: OperatorsParts) -> Flask:
    """Pages and API, with the shell around them. Raises `UndeclaredRoute` for a route without a right."""
    app = new_application()
    shell = Shell(app, parts)
    add_api(app, parts)
    add_metrics(app, parts.metrics_directory, parts.figures)
    add_pages(app, shell, parts)
    list(declared(app))
    return app


def parts_of(settings: Settings, database: Database, fetch: "Fetch | None" = None) -> OperatorsParts:
    """What pages and API are made from. `fetch` gets the keys of proxies."""
    signed = None
    if settings.operators.sign_on.kind != "off":
        from eed_delivery.app.proxy_headers import (  # cryptography: only where it checks something
            fetched,
            signed_header,
        )

        signed = signed_header(settings.operators.sign_on, fetch or fetched)
    return operators_parts(settings, database, Operations(settings, SERVICE, database), signed)


def check(settings: Settings) -> None:
    """Put all of it together without a server, so that a mistake is found before the role starts."""
    database = open_database(settings.database, connections=1)
    try:
        application(parts_of(settings, database))
    finally:
        database.close()


def run(settings: Settings, stop: threading.Event, pulse: Pulse, link: LoginLink | None = None) -> None:
    """Answer until `stop` is set. Only the demo has a `link`."""
    keep_little_memory()
    ours = settings.operators
    database = open_database(settings.database, stop, connections=ours.threads + CONNECTIONS_BESIDE)
    parts = parts_of(settings, database)
    flask = application(parts)
    app = OneTimeLogin(flask, parts, link) if link is not None else flask
    steps = long_act_steps(settings, database)
    loops = [Loop("access", AccessHousekeeping(database).step, stop, pulse)]
    loops += [Loop("operations", steps.chunks, stop, pulse), Loop("operations-over", steps.over, stop, pulse)]
    loops += [Loop("decisions", steps.decisions, stop, pulse)]  # an approved cancel waits for no report
    loops += [Loop("reports", steps.whole, stop, Pulse())]  # one of 500,000 emails takes longer than a watchdog waits
    loops += [Loop("submissions", steps.submissions, stop, Pulse())]  # likewise
    loops += [Loop("rehearsals", steps.rehearsals, stop, Pulse())]
    loops += [Loop("shadows", steps.shadows, stop, Pulse())]
    beside = [loop.start() for loop in loops]
    serve(app, ours.place(), ours.threads, stop, lambda: pulse.beat(NAME))
    pulse.forget(NAME)
    for thread in beside:
        thread.join(LAST_CHUNK_SECONDS)
    database.close()
