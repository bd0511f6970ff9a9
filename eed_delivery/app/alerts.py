"""The parts of alerts put together by the settings. The maker of their clients is a parameter."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from eed_delivery.alerts.desk import Desk
from eed_delivery.alerts.outgoing import Outgoing
from eed_delivery.alerts.receivers import AlertReceiver, EmailReceiver, SnsReceiver, WebhookReceiver, host_name
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


def receivers(settings: Settings, makers: Makers) -> dict[str, list[AlertReceiver]]:
    """The ways of each audience; what two audiences have in common is one object."""
    alerts = settings.alerts
    token = alerts.webhook_token.get_secret_value() if alerts.webhook_token else None
    domain = settings.rendering.message_id_domain
    made: dict[tuple[str, str], AlertReceiver] = {}

    def email(address: str) -> AlertReceiver:
        return EmailReceiver(makers.transport, alerts.sender or address, address, domain)

    def ways(kind: str, places: Sequence[str], make: Callable[[str], AlertReceiver]) -> list[AlertReceiver]:
        return [made.setdefault((kind, place), make(place)) for place in places]

    return {
        name: [
            *ways("email", audience.email, email),
            *ways("sns", audience.sns, lambda topic: SnsReceiver(makers.sns, topic)),
            *ways("webhook", audience.webhook, lambda url: WebhookReceiver(url, token)),
        ]
        for name, audience in alerts.audience.items()
    }


def desk(settings: Settings, makers: Makers) -> Desk:
    """The alerts of one process, not started yet."""
    alerts = settings.alerts
    turns = Turns(AlertLedger(makers.database(), alerts.most_per_hour), LocalTurns(alerts.most_per_hour))
    ways = _outgoing(receivers(settings, makers))
    return Desk(Rulebook(alerts.rule), turns, ways, alerts.service, host_name())


def _outgoing(ways: Mapping[str, Sequence[AlertReceiver]]) -> dict[str, list[Outgoing]]:
    made: dict[int, Outgoing] = {}
    return {
        audience: [made.setdefault(id(receiver), Outgoing(receiver)) for receiver in each]
        for audience, each in ways.items()
    }


def receivers_of(alerts: AlertsSettings, rule: str, ways: Mapping[str, Sequence[AlertReceiver]]) -> list[AlertReceiver]:
    """Every way of the rule that is called so, each once; none when there is no such rule."""
    audience = [name for one in alerts.all_rules if one.name == rule for name in one.audience]
    return list({id(receiver): receiver for name in audience for receiver in ways[name]}.values())
