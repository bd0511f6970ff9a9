"""What does long acts beside the HTTP server of the role `operators`.

It is that role's work, because a report must be where it is fetched, and because only its callers start such acts.
`submit` on a command line does its own (`Operations.submission_step`), where there is no such role.
"""

import socket
from collections.abc import Callable
from dataclasses import dataclass

from eed_delivery.app.operations import Operations
from eed_delivery.config import Settings
from eed_delivery.database.transactions import Database
from eed_delivery.ledger.actor import SERVICE, Actor
from eed_delivery.ledger.long_acts.long_act import LongActKind
from eed_delivery.operations.long_acts.runner import CHUNK, LongActHousekeeping, LongActRunner, Works


@dataclass(frozen=True, slots=True)
class LongActSteps:
    """What does long acts: chunks, jobs and reports that may take minutes, approved decisions, and what is over."""

    chunks: Callable[[], float]
    submissions: Callable[[], float]
    rehearsals: Callable[[], float]
    shadows: Callable[[], float]
    whole: Callable[[], float]
    decisions: Callable[[], float]
    over: Callable[[], float]


def long_act_steps(settings: Settings, database: Database, chunk: int = CHUNK) -> LongActSteps:
    """The steps of the loops beside the HTTP server."""
    everyone = Operations(settings, SERVICE, database, approved=True)
    ledger = everyone.long_act_ledger

    def works(actor: Actor) -> Works:
        theirs = everyone.by(actor, approved=True)
        return {**theirs.chunked_works(), **theirs.steady_works(), **theirs.whole_works(socket.gethostname())}

    chunked, decisions = list(everyone.chunked_works()), [LongActKind.CANCEL, LongActKind.RESUME]
    whole = [kind for kind in everyone.whole_works("") if kind not in decisions]
    return LongActSteps(
        chunks=LongActRunner(ledger, works, chunked, chunk).step,
        submissions=LongActRunner(ledger, works, [LongActKind.SUBMIT]).step,
        rehearsals=LongActRunner(ledger, works, [LongActKind.REHEARSE]).step,
        shadows=LongActRunner(ledger, works, [LongActKind.SHADOW]).step,
        whole=LongActRunner(ledger, works, whole).step,
        decisions=LongActRunner(ledger, works, decisions).step,
        over=LongActHousekeeping(ledger, everyone.clean_long_acts).step,
    )
