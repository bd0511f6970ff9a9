"""The kind `ses` of channels: Amazon SES, with a configuration set of their own."""

from collections.abc import Callable, Iterator
from functools import partial

from eed_delivery.config.settings import SesSettings
from eed_delivery.transports import Transport
from eed_delivery.transports.kind import ChannelKind, Surroundings
from eed_delivery.transports.ses.wire_time import wire_seconds


def make(settings: SesSettings, surroundings: Surroundings) -> Callable[[], Transport]:
    """All threads share one client."""
    from eed_delivery.transports.ses.transport import SesTransport  # with botocore: only where it is used

    return partial(SesTransport, surroundings.ses(settings), settings)


def check(settings: SesSettings, surroundings: Surroundings) -> Iterator[str]:
    """Asks for the account and its quota. Sends nothing."""
    from eed_delivery.transports.ses.transport import SesTransport, account

    client = surroundings.ses(settings)
    SesTransport(client, settings).probe()
    yield f"SES allows {account(client).max_send_rate:g} emails a second, and nothing was sent"


KIND = ChannelKind(
    name="ses",
    title="Email by Amazon SES",
    settings=SesSettings,
    carries="emails",
    make=make,
    check=check,
    longest_send=wire_seconds,
)
