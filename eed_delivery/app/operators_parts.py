"""What pages and API are made from, on a host and in a function."""

import socket
from functools import partial
from typing import TYPE_CHECKING

from eed_delivery import __version__
from eed_delivery.access.callers import Callers
from eed_delivery.access.iam_callers import IamCallers
from eed_delivery.access.logging_in import LoggingIn
from eed_delivery.access.request_rates import RequestRates
from eed_delivery.app.database import open_database
from eed_delivery.app.operations import Operations
from eed_delivery.config import Settings
from eed_delivery.database.transactions import Database
from eed_delivery.ledger.access.login_attempts import LoginAttemptLedger
from eed_delivery.ledger.access.sessions import SessionLedger
from eed_delivery.ledger.access.tokens import TokenLedger
from eed_delivery.ledger.access.users import UserLedger
from eed_delivery.operations.readiness import Readiness
from eed_delivery.operators.parts import OperatorsParts

if TYPE_CHECKING:
    from eed_delivery.access.signed_headers import SignedHeader

READY_SECONDS = {"connect_timeout_seconds": 1.0, "read_timeout_seconds": 1.0}
"""Whoever asks whether the service is ready wants to know within seconds."""


def operators_parts(
    settings: Settings, database: Database, everyone: Operations, signed: "SignedHeader | None"
) -> OperatorsParts:
    """`everyone`: operations in the service's own name, from which those of each caller are made. `signed` checks a
    proxy's header. None: no proxy is in front."""
    ours = settings.operators
    sessions = SessionLedger(database, ours.session_idle_seconds, ours.session_max_seconds)
    return OperatorsParts(
        settings=ours,
        host=socket.gethostname(),
        version=__version__,
        callers=Callers(TokenLedger(database), sessions, signed, IamCallers(ours.iam_callers)),
        logging_in=LoggingIn(UserLedger(database), sessions, LoginAttemptLedger(database)),
        rates=RequestRates(ours.requests_per_minute),
        operations=everyone.by,
        readiness=Readiness(partial(open_database, settings.database.model_copy(update=READY_SECONDS), connections=1)),
        figures=lambda: everyone.figures,
        metrics_directory=settings.metrics.directory,
    )
