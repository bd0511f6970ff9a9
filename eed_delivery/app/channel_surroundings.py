"""What a channel's kind gets from the composition root, and the rate that SES allows."""

import math
import time
from typing import TYPE_CHECKING, Any

import structlog

from eed_delivery.channels.channel import Channel
from eed_delivery.config import SesSettings
from eed_delivery.config.references import resolve
from eed_delivery.config.threads import most_threads
from eed_delivery.errors import ConfigError, DeliveryFailure, Problem

if TYPE_CHECKING:
    from mypy_boto3_sesv2.client import SESV2Client

    from eed_delivery.app.aws_clients import AwsClients
    from eed_delivery.aws.calls import SesCalls

log = structlog.get_logger(__name__)

QUOTA_SECONDS = 60.0
"""How long SES's MaxSendRate is believed before it is asked for again."""


class ChannelSurroundings:
    """The way of one channel's kind to secrets and clients. See `Surroundings`."""

    def __init__(self, clients: "AwsClients", channel: Channel) -> None:
        self._clients = clients
        self._channel = channel
        self.threads = most_threads(channel.threads)

    def secret(self, setting: str, reference: str) -> str:
        """See `Surroundings.secret`."""
        return resolve(reference, f"channel.{self._channel.name}.{setting}", self._aws_secret)

    def _aws_secret(self, arn: str) -> str:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return str(self.aws("secretsmanager").get_secret_value(SecretId=arn)["SecretString"])
        except (BotoCoreError, ClientError, KeyError) as error:
            what = (
                f"the secret cannot be read: {error if isinstance(error, BotoCoreError | ClientError) else 'no text'}"
            )
            remedy = "Check its ARN, and that the role may call secretsmanager:GetSecretValue."
            raise ConfigError([Problem(f"channel.{self._channel.name}", what, remedy)]) from error

    def ses(self, settings: SesSettings) -> "SesCalls | SESV2Client":
        """See `Surroundings.ses`."""
        return self._clients.ses_calls(settings, self.threads)

    def aws(self, service: str, *, region: str | None = None, endpoint_url: str | None = None, **config: Any) -> Any:
        """See `Surroundings.aws`."""
        connections = self.threads + 1
        return self._clients.of(service, connections=connections, region=region, endpoint_url=endpoint_url, **config)


class FixedRate:
    """The configured limit in emails a second. None: there is no limit."""

    known = True

    def __init__(self, limit: float | None) -> None:
        self._limit = limit

    def __call__(self) -> float | None:
        return self._limit


class SesRate:
    """SES's MaxSendRate, asked for once a minute. While SES does not answer, the last value holds.

    `known` is whether it has ever answered. Until then the rate is that of the slowest account, for this process alone.
    """

    def __init__(self, client: "SESV2Client") -> None:
        self._client = client
        self._rate: float | None = 1.0  # the sandbox's: the slowest there is
        self._asked_at = -math.inf
        self.known = False

    def __call__(self) -> float | None:
        if time.monotonic() - self._asked_at > QUOTA_SECONDS:
            from eed_delivery.transports.ses.transport import account

            self._asked_at = time.monotonic()
            try:
                self._rate = account(self._client).max_send_rate
                self.known = True
            except DeliveryFailure as failure:
                log.warning("ses_quota_unknown", reason=failure.reply, rate_per_second=self._rate)
        return self._rate
