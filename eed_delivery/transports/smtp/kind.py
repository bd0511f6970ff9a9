"""The kind `smtp` of channels: a mail server of their own."""

from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial

from pydantic import SecretStr, model_validator

from eed_delivery.config.formats import is_loopback, mistake
from eed_delivery.config.references import SecretReference
from eed_delivery.config.settings import SmtpServer, SmtpSettings
from eed_delivery.transports import Transport
from eed_delivery.transports.kind import ChannelKind, Surroundings
from eed_delivery.transports.smtp.transport import SmtpTransport, wire_seconds


class SmtpChannelSettings(SmtpServer):
    """The mail server of a channel. `allow_clear_text`: whole emails may go to another host without TLS."""

    password: SecretReference | None = None
    allow_clear_text: bool = False

    @model_validator(mode="after")
    def _go_together(self) -> "SmtpChannelSettings":
        for names, what, remedy in self.mistakes(has_password=self.password is not None):
            raise mistake(f"{' and '.join(names)}: {what}", remedy)
        if self.tls == "none" and not is_loopback(self.host) and not self.allow_clear_text:
            what = f"whole emails would go to {self.host} in clear text"
            raise mistake(what, "Use TLS. To allow clear text, set allow_clear_text = true.")
        return self

    def server(self, surroundings: Surroundings) -> SmtpSettings:
        """As the transport wants it, with the password in it. Raises `ConfigError`."""
        password = None if self.password is None else SecretStr(surroundings.secret("password", self.password))
        shared = self.model_dump(exclude={"password", "allow_clear_text"})
        return SmtpSettings(**shared, password=password)


def make(settings: SmtpChannelSettings, surroundings: Surroundings) -> Callable[[], Transport]:
    """One connection a thread."""
    return partial(SmtpTransport, settings.server(surroundings))


def check(settings: SmtpChannelSettings, surroundings: Surroundings) -> Iterator[str]:
    """Connects, with TLS and AUTH. Sends nothing."""
    with closing(SmtpTransport(settings.server(surroundings))) as transport:
        transport.probe()
    yield f"{settings.host}:{settings.port} accepts a connection, and nothing was sent"


KIND = ChannelKind(
    name="smtp",
    title="Email by a mail server",
    settings=SmtpChannelSettings,
    carries="emails",
    make=make,
    check=check,
    longest_send=wire_seconds,
)
