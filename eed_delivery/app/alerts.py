"""The parts of alerts put together by the settings. The maker of their clients is a parameter."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from eed_delivery.alerts.channels import Channel, EmailChannel, SnsChannel, WebhookChannel, host_name
from eed_delivery.alerts.desk import Desk
from eed_delivery.alerts.outgoing import Outgoing
from eed_delivery.alerts.rulebook import Rulebook
from eed_delivery.alerts.turns import LocalTurns, Turns
from eed_delivery.config import AlertsSettings, Settings
from eed_delivery.database.transactions import Database
from eed_delivery.ledger.alerts.turns import AlertLedger
from eed_delivery.transports import Transport

if TYPE_CHECKING:
    from mypy_boto3_sns.client import SNSClient


@dataclass(frozen=True, slots=True)
class Makers:
    """What makes the clients. Each is called in the thread that will use what it makes."""

    database: Callable[[], Database]
    transport: Callable[[], Transport]
    sns: "Callable[[], SNSClient]"


def channels(settings: Settings, makers: Makers) -> dict[str, list[Channel]]:
    """The channels of each audience. What two audiences have in common is one object."""
    alerts = settings.alerts
    token = alerts.webhook_token.get_secret_value() if alerts.webhook_token else None
    domain = settings.rendering.message_id_domain
    made: dict[tuple[str, str], Channel] = {}

    def email(address: str) -> Channel:
        return EmailChannel(makers.transport, alerts.sender or address, address, domain)

    def ways(kind: str, places: Sequence[str], make: Callable[[str], Channel]) -> list[Channel]:
        return [made.setdefault((kind, place), make(place)) for place in places]

    return {
        name: [
            *ways("email", audience.email, email),
            *ways("sns", audience.sns, lambda topic: SnsChannel(makers.sns, topic)),
            *ways("webhook", audience.webhook, lambda url: WebhookChannel(url, token)),
        ]
        for name, audience in alerts.audience.items()
    }


def desk(settings: Settings, makers: Makers) -> Desk:
    """The alerts of one process, not started yet."""
    alerts = settings.alerts
    turns = Turns(AlertLedger(makers.database(), alerts.most_per_hour), LocalTurns(alerts.most_per_hour))
    ways = _outgoing(channels(settings, makers))
    return Desk(Rulebook(alerts.rule), turns, ways, alerts.service, host_name())


def _outgoing(ways: Mapping[str, Sequence[Channel]]) -> dict[str, list[Outgoing]]:
    made: dict[int, Outgoing] = {}
    return {
        audience: [made.setdefault(id(channel), Outgoing(channel)) for channel in each]
        for audience, each in ways.items()
    }


def channels_of(alerts: AlertsSettings, rule: str, ways: Mapping[str, Sequence[Channel]]) -> list[Channel]:
    """Every channel of the rule of this name, each once. None when there is no such rule."""
    audience = [name for one in alerts.all_rules if one.name == rule for name in one.audience]
    return list({id(channel): channel for name in audience for channel in ways[name]}.values())
