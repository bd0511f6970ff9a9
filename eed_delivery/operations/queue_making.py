"""A queue and its dead-letter queue, for development."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from eed_delivery.config import QueueSettings
from eed_delivery.errors import QueueGone
from eed_delivery.ledger.acts import Act, ActKind, ActObject
from eed_delivery.ledger.auditing import AuditLedger
from eed_delivery.operations.refusals import OperationRefused

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient
    from mypy_boto3_sqs.literals import QueueAttributeNameType

RETENTION_SECONDS = 14 * 86_400  # the longest that SQS allows


@dataclass(frozen=True, slots=True)
class MadeQueues:
    """The URLs of the queues that are there now, for `[queue]`."""

    url: str
    dead_letter_url: str


class QueueMaking:
    """Makes queues by the names in `[queue]`, or corrects those that are there."""

    def __init__(
        self, settings: QueueSettings, client: "Callable[[], SQSClient]", audit: Callable[[], AuditLedger]
    ) -> None:
        self._settings = settings
        self._client = client
        self._audit = audit

    def make(self, *, on_aws: bool) -> MadeQueues:
        """Make both. `on_aws` is needed where they would be AWS's own. Raises `OperationRefused` or `QueueGone`."""
        settings = self._settings
        if settings.endpoint_url is None and not on_aws:
            raise OperationRefused(
                "queue.endpoint_url is not set, so this is AWS itself",
                which="queue.endpoint_url",
                do="Make the queue with config/queue.yaml, or say --on-aws if you mean it.",
            )
        name = _name(settings.url)
        dead_name = _name(settings.dead_letter_url) if settings.dead_letter_url else f"{name}-dead"
        asked = {"name": name, "dead_letter_name": dead_name}
        self._audit().record(Act(ActKind.QUEUE_INIT, object=ActObject.QUEUE, key=name, after=asked))
        try:
            return self._make(self._client(), name, dead_name)
        except (BotoCoreError, ClientError) as error:
            raise QueueGone(f"the queue cannot be made: {str(error)[:300]}") from error

    def _make(self, client: "SQSClient", name: str, dead_name: str) -> MadeQueues:
        """CreateQueue takes a queue that is there only with the attributes it has, so those are set afterwards."""
        settings = self._settings
        shared: dict[QueueAttributeNameType, str] = {
            "MessageRetentionPeriod": str(RETENTION_SECONDS),
            "VisibilityTimeout": str(settings.visibility_timeout_seconds),
        }
        dead = client.create_queue(QueueName=dead_name)["QueueUrl"]
        client.set_queue_attributes(QueueUrl=dead, Attributes=shared)
        arn = client.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        redrive = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": settings.max_receive_count})
        url = client.create_queue(QueueName=name)["QueueUrl"]
        long_poll: dict[QueueAttributeNameType, str] = {"ReceiveMessageWaitTimeSeconds": str(settings.wait_seconds)}
        client.set_queue_attributes(QueueUrl=url, Attributes={**shared, **long_poll, "RedrivePolicy": redrive})
        return MadeQueues(url, dead)


def _name(url: str) -> str:
    return urlsplit(url).path.rstrip("/").rpartition("/")[2]
