"""A transport for a test's own SMTP server. It waits long, as for a busy machine; `patience` says when not."""

from collections.abc import Iterator
from contextlib import contextmanager

from eed_delivery.config import SmtpSettings
from eed_delivery.transports.smtp.transport import SmtpTransport
from tests.servers.smtp_server import Drip, Hang, SmtpServer

PATIENT_SECONDS = 10.0
IMPATIENT_SECONDS = 1.0


def patience(*actions: object) -> dict[str, object]:
    """Timeouts for a server that will do this: short enough to wait for where it never answers."""
    never = any(isinstance(one, Hang | Drip) or isinstance(getattr(one, "then", None), Hang | Drip) for one in actions)
    return _timeouts(IMPATIENT_SECONDS if never else PATIENT_SECONDS)


def _timeouts(seconds: float) -> dict[str, object]:
    return {f"{what}_timeout_seconds": seconds for what in ("connect", "command", "data")}


def settings_for(server: SmtpServer, **changes: object) -> SmtpSettings:
    known: dict[str, object] = {
        "host": server.host,
        "port": server.port,
        "tls": server.tls,
        **_timeouts(PATIENT_SECONDS),
    }
    return SmtpSettings.model_validate({**known, **changes})


@contextmanager
def smtp(server: SmtpServer, **changes: object) -> Iterator[SmtpTransport]:
    """A transport for `server`; closed at the end."""
    transport = SmtpTransport(settings_for(server, **changes))
    try:
        yield transport
    finally:
        transport.close()
