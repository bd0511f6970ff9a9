"""A queue and its dead-letter queue: those of [queue] for development, and those of channels that say `create`."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from eed_delivery.channels.channel import Channel
from eed_delivery.channels.queue_urls import DEAD, queue_name
from eed_delivery.config import QueueSettings
from eed_delivery.errors import ConfigError, Problem, QueueGone
from eed_delivery.ledger.acts import Act, ActKind, ActObject
from eed_delivery.ledger.auditing import AuditLedger
from eed_delivery.operations.refusals import OperationRefused

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient
    from mypy_boto3_sqs.literals import QueueAttributeNameType

    _Attributes = dict[QueueAttributeNameType, str]

# Each by the name of SQS's JSON protocol, and by that of its query protocol, which botocore gives where it can.
IS_THERE = frozenset({"QueueNameExists", "QueueAlreadyExists"})
IS_NOT_THERE = frozenset({"QueueDoesNotExist", "NonExistentQueue"})
RETENTION_SECONDS = 14 * 86_400  # the longest that SQS allows


@dataclass(frozen=True, slots=True)
class MadeQueues:
    """The URLs of the queues that are there now, for `[queue]`."""

    url: str
    dead_letter_url: str


class _QueueMaker:
    """What makes queues, with the times of `[queue]`, and enters them into the audit."""

    def __init__(
        self, settings: QueueSettings, client: "Callable[[], SQSClient]", audit: Callable[[], AuditLedger]
    ) -> None:
        self._settings = settings
        self._client = client
        self._audit = audit


class QueueMaking(_QueueMaker):
    """Makes queues by the names in `[queue]`, or corrects those that are there."""

    def make(self, *, on_aws: bool) -> MadeQueues:
        """Make both. `on_aws` is needed where they would be AWS's own. Raises `OperationRefused` or `QueueGone`."""
        settings = self._settings
        if settings.endpoint_url is None and not on_aws:
            raise OperationRefused(
                "queue.endpoint_url is not set, so this is AWS itself",
                which="queue.endpoint_url",
                do="Make the queue with config/queue.yaml, or say --on-aws if you mean it.",
            )
        name = queue_name(settings.url)
        dead_name = queue_name(settings.dead_letter_url) if settings.dead_letter_url else f"{name}{DEAD}"
        asked = {"name": name, "dead_letter_name": dead_name}
        self._audit().record(Act(ActKind.QUEUE_INIT, object=ActObject.QUEUE, key=name, after=asked))
        try:
            return self._make(self._client(), name, dead_name)
        except (BotoCoreError, ClientError) as error:
            raise QueueGone(f"the queue cannot be made: {str(error)[:300]}") from error

    def _make(self, client: "SQSClient", name: str, dead_name: str) -> MadeQueues:
        """CreateQueue takes a queue that is there only with the attributes it has, so those are set afterwards."""
        dead = client.create_queue(QueueName=dead_name)["QueueUrl"]
        client.set_queue_attributes(QueueUrl=dead, Attributes=_of_dead_letters(self._settings))
        url = client.create_queue(QueueName=name)["QueueUrl"]
        client.set_queue_attributes(QueueUrl=url, Attributes=_of_queue(self._settings, _arn(client, dead)))
        return MadeQueues(url, dead)


class ChannelQueueMaking(_QueueMaker):
    """Makes the queues of channels that say `create`."""

    def make(self, channel: Channel) -> tuple[str, ...]:
        """Make those that are not there, and return their URLs. What is there is left unchanged.

        Several hosts may do so at once. Raises `ConfigError` where the role may not, and `QueueGone`.
        """
        dead_letter_url = channel.queue.dead_letter_url
        if not channel.queue.create or dead_letter_url is None:
            return ()
        client = self._client()
        try:
            missing = [url for url in (dead_letter_url, channel.queue.url) if not _is_there(client, url)]
            if missing:
                asked = {"channel": channel.name, "names": " ".join(map(queue_name, missing))}
                key = queue_name(channel.queue.url)
                self._audit().record(Act(ActKind.QUEUE_INIT, object=ActObject.QUEUE, key=key, after=asked))
            if dead_letter_url in missing:
                self._new(client, channel, dead_letter_url, _of_dead_letters(self._settings))
            if channel.queue.url in missing:
                self._new(client, channel, channel.queue.url, _of_queue(self._settings, _arn(client, dead_letter_url)))
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == HTTPStatus.FORBIDDEN:
                raise _may_not(channel, error) from error
            raise _not_made(channel, error) from error
        except BotoCoreError as error:
            raise _not_made(channel, error) from error
        return tuple(missing)

    def _new(self, client: "SQSClient", channel: Channel, url: str, attributes: "_Attributes") -> None:
        encrypted: _Attributes = {**attributes, "SqsManagedSseEnabled": "true"}
        try:
            made = client.create_queue(QueueName=queue_name(url), Attributes=encrypted)
        except ClientError as error:
            if _code(error) in IS_THERE:
                return  # another host, with other settings, was faster
            raise
        if _place(made["QueueUrl"]) != _place(url):
            what = f"the role made {made['QueueUrl']}, and that of queue.url's account would be {url}"
            remedy = "Make the queues yourself in one account, and give their URLs."
            raise ConfigError([Problem(f"channel.{channel.name}.queue", what, remedy)])


def _of_dead_letters(settings: QueueSettings) -> "_Attributes":
    return {
        "MessageRetentionPeriod": str(RETENTION_SECONDS),
        "VisibilityTimeout": str(settings.visibility_timeout_seconds),
    }


def _of_queue(settings: QueueSettings, dead_letter_arn: str) -> "_Attributes":
    redrive = json.dumps({"deadLetterTargetArn": dead_letter_arn, "maxReceiveCount": settings.max_receive_count})
    long_poll = str(settings.wait_seconds)
    return {**_of_dead_letters(settings), "ReceiveMessageWaitTimeSeconds": long_poll, "RedrivePolicy": redrive}


def _arn(client: "SQSClient", url: str) -> str:
    return client.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def _is_there(client: "SQSClient", url: str) -> bool:
    try:
        return bool(_arn(client, url))
    except ClientError as error:
        if _code(error) in IS_NOT_THERE:
            return False
        raise


def _code(error: ClientError) -> str:
    return error.response["Error"]["Code"].rpartition(".")[2]


def _place(url: str) -> list[str]:
    """Account and name. The host may be another one of the same service."""
    return url.rstrip("/").split("/")[-2:]


def _may_not(channel: Channel, error: ClientError) -> ConfigError:
    names = f"{queue_name(channel.queue.url)} and {queue_name(channel.queue.url)}{DEAD}"
    what = f"the queues {names} cannot be made: {str(error)[:300]}"
    remedy = "Allow sqs:CreateQueue and sqs:GetQueueAttributes for both, or make them and give their URLs."
    return ConfigError([Problem(f"channel.{channel.name}.queue.create", what, remedy)])


def _not_made(channel: Channel, error: Exception) -> QueueGone:
    return QueueGone(f"the queues of the channel {channel.name} cannot be made: {str(error)[:300]}")
