"""Makes what settles doubts from a relay's log."""

from pathlib import Path
from zoneinfo import ZoneInfo

from eed_delivery.app.operations import Operations
from eed_delivery.config import Settings
from eed_delivery.ledger.actor import SERVICE, Actor
from eed_delivery.resolver.journal import JournalLog
from eed_delivery.resolver.log_files import LogFiles
from eed_delivery.resolver.resolver import RelayLog, Resolver
from eed_delivery.runtime.loop import Pulse

RESOLVER = Actor("resolver", "service", SERVICE.host)
"""Who it is in the audit."""


def relay_log(settings: Settings, pulse: Pulse | None = None) -> RelayLog:
    """The log that is set."""
    unit = settings.resolver.unit
    if unit is not None:
        return JournalLog(unit)
    beat = (lambda: pulse.beat("resolver")) if pulse is not None else lambda: None
    return LogFiles(Path(settings.resolver.log or ""), ZoneInfo(settings.resolver.zone), beat)


def make_resolver(settings: Settings, pulse: Pulse | None = None) -> Resolver:
    """What settles doubts, for one process."""
    own = settings.resolver
    workbench = Operations(settings, RESOLVER).doubts
    log = relay_log(settings, pulse)
    return Resolver(workbench, log, ZoneInfo(own.zone), own.interval_seconds, sole_relay=own.sole_relay)
