"""The channels. Each hands one alert over within bounded time, or says why not."""

import socket
from collections.abc import Callable
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

import urllib3
from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from eed_delivery.alerts.alert import Alert
from eed_delivery.config.alert_settings import TOKEN
from eed_delivery.errors import DeliveryFailure, EedError
from eed_delivery.model import Rendered
from eed_delivery.transports import Transport

if TYPE_CHECKING:
    from mypy_boto3_sns.client import SNSClient
    from mypy_boto3_sns.type_defs import MessageAttributeValueTypeDef

CONNECT_SECONDS, ANSWER_SECONDS = 5.0, 10.0
NOT_AN_EMAIL = 0
"""In place of an email's id: no email of a job has this number."""


class NotHandedOver(EedError):
    """The alert did not get through on this channel.

    The text says why, and holds neither secrets nor whole addresses.
    """


class AlertReceiver(Protocol):
    """One way to one place. `label` names it for people and holds no secret. An instance belongs to one thread."""

    label: str

    def send(self, alert: Alert) -> None:
        """Hand it over. Raises `NotHandedOver`. It may then be called again, and the alert may arrive twice."""
        ...


class EmailReceiver:
    """An email through the same mail server or SES as every other; not through queue and ledger, which may be the
    very thing that is broken."""

    def __init__(self, make_transport: Callable[[], Transport], sender: str, recipient: str, domain: str) -> None:
        """`domain` is that of the Message-ID."""
        self._make = make_transport
        self._transport: Transport | None = None
        self._sender, self._recipient, self._domain = sender, recipient, domain
        self.label = f"email {recipient}"

    def send(self, alert: Alert) -> None:
        """See `AlertReceiver.send`."""
        try:
            if self._transport is None:
                self._transport = self._make()
            self._transport.send(self._rendered(alert), _granted)
        except DeliveryFailure as failure:
            raise NotHandedOver(failure.reply) from failure
        except (EedError, OSError, BotoCoreError) as error:
            raise NotHandedOver(str(error)) from error

    def _rendered(self, alert: Alert) -> Rendered:
        message_id = f"<alert-{alert.alert_id}@{self._domain}>"
        message = EmailMessage(policy=SMTP)
        message["From"] = self._sender
        message["To"] = self._recipient
        message["Subject"] = alert.subject()
        message["Date"] = format_datetime(datetime.now(UTC))
        message["Message-ID"] = message_id
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834, section 5: no holiday reply is wanted
        message.set_content(alert.text().encode("utf-8", "replace").decode(), cte="quoted-printable")
        return Rendered(NOT_AN_EMAIL, 0, self._sender, self._recipient, message_id, message.as_bytes())


def _granted() -> None:
    """Grants every alert the wire, because it may come twice and no ledger keeps it."""


class SnsReceiver:
    """A topic of Amazon SNS. https://docs.aws.amazon.com/sns/latest/api/API_Publish.html"""

    def __init__(self, make_client: "Callable[[], SNSClient]", topic: str) -> None:
        self._make = make_client
        self._client: SNSClient | None = None
        self._topic = topic
        self.label = f"sns {topic.rpartition(':')[2]}"

    def send(self, alert: Alert) -> None:
        """See `AlertReceiver.send`."""
        attributes: dict[str, MessageAttributeValueTypeDef] = {
            name: {"DataType": "String", "StringValue": value} for name, value in _said(alert)
        }
        try:
            if self._client is None:
                self._client = self._make()
            self._client.publish(
                TopicArn=self._topic, Subject=alert.subject(), Message=alert.text(), MessageAttributes=attributes
            )
        except (BotoCoreError, ClientError) as error:
            raise NotHandedOver(str(error)) from error


def _said(alert: Alert) -> list[tuple[str, str]]:
    """What subscribers may filter by."""
    return [("service", alert.service), ("rule", alert.rule), ("level", alert.level), ("test", str(alert.test).lower())]


class WebhookReceiver:
    """A POST of JSON to one address. A redirect is an error."""

    def __init__(self, url: str, token: str | None, answer_seconds: float = ANSWER_SECONDS) -> None:
        """`token` takes the place of `{token}` in `url`."""
        self._url = url.replace(TOKEN, token or "")
        self.label = f"webhook {urlsplit(url).netloc}"  # its path may be the secret
        self._http = urllib3.PoolManager(
            num_pools=1,
            maxsize=1,
            retries=False,
            timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=answer_seconds),
        )

    def send(self, alert: Alert) -> None:
        """See `AlertReceiver.send`."""
        headers = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "eed-delivery"}
        try:
            answer = self._http.request(
                "POST", self._url, body=alert.as_json(), headers=headers, redirect=False, preload_content=False
            )
        except (HTTPError, OSError) as error:
            raise NotHandedOver(f"{type(error).__name__}: {_without_url(error, self._url)}") from None
        answer.close()  # the connection too: what the body says is not read, however much of it there is
        if not 200 <= answer.status <= 299:
            raise NotHandedOver(f"it answered {answer.status}")


def _without_url(error: Exception, url: str) -> str:
    """An error's own words without the address, because a chat's address is its password."""
    parts = urlsplit(url)
    text = str(error)
    for secret in (url, f"{parts.path}?{parts.query}", parts.path):
        text = text.replace(secret, "…") if len(secret) > 1 else text
    return text


def host_name() -> str:
    """This host, as alerts call it."""
    return socket.gethostname()
