"""The four calls of SQS that every ten emails need, and one that goes with them."""

import json
from typing import TYPE_CHECKING, Any

from eed_delivery.aws.calls.posts import Posts
from eed_delivery.aws.calls.sqs_bodies import parse_body

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient


class SqsCalls:
    """What `Queue` needs of boto3's SQS client, under the same names and with the same errors.

    Nothing is tried twice.
    """

    def __init__(self, client: "SQSClient", posts: Posts) -> None:
        self._client = client
        self._posts = posts

    def send_message_batch(self, *, QueueUrl: str, Entries: list[Any]) -> dict[str, Any]:  # noqa: N803 - boto3's names
        return self._call("SendMessageBatch", {"QueueUrl": QueueUrl, "Entries": Entries})

    def delete_message_batch(self, *, QueueUrl: str, Entries: list[Any]) -> dict[str, Any]:  # noqa: N803
        return self._call("DeleteMessageBatch", {"QueueUrl": QueueUrl, "Entries": Entries})

    def change_message_visibility_batch(self, *, QueueUrl: str, Entries: list[Any]) -> dict[str, Any]:  # noqa: N803
        return self._call("ChangeMessageVisibilityBatch", {"QueueUrl": QueueUrl, "Entries": Entries})

    def receive_message(
        self,
        *,
        QueueUrl: str,  # noqa: N803
        MaxNumberOfMessages: int,  # noqa: N803
        WaitTimeSeconds: int,  # noqa: N803
        VisibilityTimeout: int,  # noqa: N803
        MessageSystemAttributeNames: list[Any],  # noqa: N803
    ) -> dict[str, Any]:
        wanted = {
            "QueueUrl": QueueUrl,
            "MaxNumberOfMessages": MaxNumberOfMessages,
            "WaitTimeSeconds": WaitTimeSeconds,
            "VisibilityTimeout": VisibilityTimeout,
            "MessageSystemAttributeNames": MessageSystemAttributeNames,
        }
        return self._call("ReceiveMessage", wanted)

    def get_queue_attributes(self, *, QueueUrl: str, AttributeNames: list[Any]) -> Any:  # noqa: N803
        """boto3's own, which is asked now and then."""
        return self._client.get_queue_attributes(QueueUrl=QueueUrl, AttributeNames=AttributeNames)

    def _call(self, action: str, wanted: dict[str, Any]) -> dict[str, Any]:
        return parse_body(action, self._posts.post(action, wanted, json.dumps(wanted).encode()))
