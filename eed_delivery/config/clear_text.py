"""What would cross a network in clear text, or by TLS that proves nothing about the server.

Clear text needs a word in `security.clear_text`. Without it the settings are refused. With it, and wherever TLS is
weaker than by default, there is a caution. `check` shows it, and the service logs it when it starts.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from operator import attrgetter
from urllib.parse import urlsplit

from eed_delivery.config.archive import ArchiveSettings
from eed_delivery.config.formats import is_loopback
from eed_delivery.config.problems import Clash
from eed_delivery.config.settings import Settings

_COPIES = "copies of whole emails"
_ENDPOINTS = {
    "queue.url": "messages and signatures of requests to SQS",
    "queue.dead_letter_url": "messages and signatures of requests to SQS",
    "queue.endpoint_url": "messages and signatures of requests to SQS",
    "tracking.events_queue_url": "events and signatures of requests to SQS",
    "ses.endpoint_url": "whole emails",
    "rendering.s3_endpoint_url": "attachments",
    "transport.archive.endpoint_url": _COPIES,
    "alerts.sns_endpoint_url": "alerts",
    "metrics.cloudwatch_endpoint_url": "figures",
    "aws_lambda.endpoint_url": "signatures of requests to Lambda",
}
"""Settings that are web addresses, and what goes there."""


@dataclass(frozen=True, slots=True)
class Exposure:
    """A setting that sends something to another host in clear text."""

    key: str
    host: str
    what: str

    @property
    def would(self) -> str:
        """What is wrong with it, for people."""
        return f"{self.what} would go to {self.host} in clear text"

    @property
    def remedy(self) -> str:
        """What to do, for people."""
        return f'Use TLS. To allow clear text, set security.clear_text = ["{self.key}"].'


@dataclass(frozen=True, slots=True)
class Caution:
    """A setting that is allowed, and that an operator should know of."""

    key: str
    what: str
    remedy: str


def exposures(settings: Settings) -> Iterator[Exposure]:
    """Each setting by which something leaves this host without TLS."""
    url = settings.database.parsed_url()
    if url.tls == "off" and not (url.is_local or settings.database.ca_file):
        yield Exposure("database.url", str(url.url.host), "customers' data and the statements about them")
    smtp = settings.smtp
    if smtp.tls == "none" and not smtp.password and not is_loopback(smtp.host) and _sends_by_smtp(settings):
        yield Exposure("smtp.tls", smtp.host, "whole emails")
    for key, what in _ENDPOINTS.items():
        yield from _exposed(key, attrgetter(key)(settings), what)
    for name, channel in settings.channel.items():
        yield from exposures_of_channel(name, channel.archive)
    for name, audience in settings.alerts.audience.items():
        for address in audience.webhook:
            yield from _exposed("alerts.audience", address, f"alerts for {name}, and any token in the address")


def exposures_of_channel(name: str, archive: ArchiveSettings) -> Iterator[Exposure]:
    """Each setting of a channel by which something leaves this host without TLS, of those that all kinds have."""
    yield from _exposed(f"channel.{name}.archive.endpoint_url", archive.endpoint_url, _COPIES)


def not_allowed(found: Iterable[Exposure], settings: Settings) -> Iterator[Exposure]:
    """Those that no setting allows."""
    return (one for one in found if one.key not in settings.security.clear_text)


def _sends_by_smtp(settings: Settings) -> bool:
    return settings.transport.kind == "smtp" or any(audience.email for audience in settings.alerts.audience.values())


def _exposed(key: str, address: str | None, what: str) -> Iterator[Exposure]:
    parts = urlsplit(address or "")
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        yield Exposure(key, parts.hostname or "", what)


def clear_text_clashes(settings: Settings) -> Iterator[Clash]:
    """Clear text that no setting allows."""
    for found in not_allowed(exposures(settings), settings):
        yield Clash.of((found.key,), found.would, found.remedy)


def cautions(settings: Settings) -> Iterator[Caution]:
    """What is allowed, and less than it would be by default."""
    for found in exposures(settings):
        yield Caution(found.key, f"{found.what} go to {found.host} in clear text, as allowed", "Use TLS.")
    yield from _database(settings)


def _database(settings: Settings) -> Iterator[Caution]:
    url = settings.database.parsed_url()
    if url.is_local:
        return
    if url.tls == "preferred":
        yield Caution(
            "database.url",
            "sslMode=PREFERRED would accept a connection without TLS, so it is ignored. TLS is required, and the "
            "server's certificate is verified",
            "Write sslMode=VERIFY_IDENTITY.",
        )
    elif url.effective_tls(settings.database.ca_file or url.ca_file) == "unverified":
        yield Caution(
            "database.url",
            "the connection is encrypted, but the server's certificate is not verified, so others can read it",
            "Give the CA in database.ca_file, and remove the option from the URL.",
        )
