"""The four calls that every ten emails need, and one that goes with them."""

import json
import threading
import time
from typing import TYPE_CHECKING, Any

from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from eed_delivery.sqs_calls.answers import Answer
from eed_delivery.sqs_calls.bodies import complaint, understand
from eed_delivery.sqs_calls.connections import Connections, HttpSettings
from eed_delivery.sqs_calls.signing import CONTENT_TYPE, Place, Signer
from eed_delivery.sqs_calls.way import learn

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient


class SqsCalls:
    """What `Queue` needs of boto3's SQS client, under the same names and with the same errors. Nothing is tried twice.

    Safe for many threads. `credentials` are those of the client.
    """

    def __init__(self, client: "SQSClient", credentials: Credentials | None, settings: HttpSettings) -> None:
        self._client = client
        self._credentials = credentials
        self._settings = settings
        self._learning = threading.Lock()
        self._way: _Way | None = None

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
        """boto3's own: it is asked now and then."""
        return self._client.get_queue_attributes(QueueUrl=QueueUrl, AttributeNames=AttributeNames)

    def _call(self, action: str, wanted: dict[str, Any]) -> dict[str, Any]:
        way = self._way or self._find_way(wanted["QueueUrl"])
        answer = way.connections.exchange(way.request(action, json.dumps(wanted).encode()))
        if 200 <= answer.status < 300:
            return understand(action, answer.body)
        raise self._error(action, answer)

    def _error(self, action: str, answer: Answer) -> ClientError:
        """As the client would raise it: its class is that of the error's shape, which `QueryErrorCode` names where
        `Code` is one of the old protocol's."""
        said = complaint(answer)
        error = said.get("Error", {})
        classes: Any = self._client.exceptions
        made: ClientError = classes.from_code(error.get("QueryErrorCode") or error.get("Code"))(said, action)
        return made

    def _find_way(self, queue_url: str) -> "_Way":
        with self._learning:
            if self._way is None:
                place, user_agent = learn(self._client, queue_url)
                assert self._credentials is not None, "botocore has signed without"  # noqa: S101 - for mypy
                self._way = _Way(place, user_agent, self._credentials, Connections(place.url, self._settings))
            return self._way


class _Way:
    """The place, the signature, and the connections."""

    def __init__(self, place: Place, user_agent: str, credentials: Credentials, connections: Connections) -> None:
        self.connections = connections
        self._credentials = credentials
        self._signer = Signer(place)
        # `x-amzn-query-mode` has SQS tell its errors by the codes of its old protocol too, as botocore does.
        self._start = (
            f"POST {place.path} HTTP/1.1\r\nHost: {place.host}\r\nUser-Agent: {user_agent}\r\n"
            f"Accept-Encoding: identity\r\nContent-Type: {CONTENT_TYPE}\r\nx-amzn-query-mode: true\r\n"
        )

    def request(self, action: str, body: bytes) -> bytes:
        """The whole of a request, signed now."""
        now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        target = f"AmazonSQS.{action}"
        signature = self._signer.sign(target, body, now, self._credentials.get_frozen_credentials())
        head = f"{self._start}X-Amz-Target: {target}\r\n{signature}Content-Length: {len(body)}\r\n\r\n"
        return head.encode() + body
