"""A transport for a test's own SMTP server, with timeouts short enough to wait for."""

from collections.abc import Iterator
from contextlib import contextmanager

from eed_delivery.config import SmtpSettings
from eed_delivery.transports.smtp.transport import SmtpTransport
from tests.servers.smtp_server import SmtpServer


def settings_for(server: SmtpServer, **changes: object) -> SmtpSettings:
    known: dict[str, object] = {
        "host": server.host,
        "port": server.port,
        "tls": server.tls,
        "connect_timeout_seconds": 2,
        "command_timeout_seconds": 0.4,
        "data_timeout_seconds": 0.4,
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
