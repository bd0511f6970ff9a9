"""What the calls of every service share: endpoint, signature and errors."""

import threading
import time
from collections.abc import Mapping
from typing import Any

from botocore.client import BaseClient
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from eed_delivery.aws.calls.connections import Connections, HttpSettings
from eed_delivery.aws.calls.errors import error_of
from eed_delivery.aws.calls.http_answers import HttpAnswer
from eed_delivery.aws.calls.learned import LearnedRequest, learn
from eed_delivery.aws.calls.signing import RequestSigner


class Posts:
    """The POSTs of one boto3 client. Nothing is tried twice. It is safe for many threads.

    `credentials` are those of the client. `max_idle_seconds` is as in `Connections`.
    """

    def __init__(
        self, client: BaseClient, credentials: Credentials | None, settings: HttpSettings, max_idle_seconds: float
    ) -> None:
        self._client = client
        self._credentials = credentials
        self._settings = settings
        self._max_idle_seconds = max_idle_seconds
        self._learning = threading.Lock()
        self._forms: dict[str, _Form] = {}
        self._connections: Connections | None = None

    def post(self, action: str, wanted: Mapping[str, Any], body: bytes) -> bytes:
        """The body of the service's answer to `body`, which is what boto3 would make of the parameters `wanted`.

        Raises what a call of boto3's would. `ClientError` means that the service has answered with an error.
        `HTTPClientError` and botocore's `SSLError` mean that it may have received the request. With other errors,
        nothing of the request has left.
        """
        form = self._forms.get(action) or self._learn(action, wanted)
        answer = form.connections.exchange(form.request(body))
        if 200 <= answer.status < 300:
            return answer.body
        raise self._error(action, answer)

    def _error(self, action: str, answer: HttpAnswer) -> ClientError:
        """As the client would raise it. Its class is that of the error's shape, which `QueryErrorCode` names where
        `Code` is one of SQS's old protocol."""
        said = error_of(answer, self._client.meta.service_model.resolved_protocol)
        error = said["Error"]
        classes: Any = self._client.exceptions
        made: ClientError = classes.from_code(error.get("QueryErrorCode") or error["Code"])(said, action)
        return made

    def _learn(self, action: str, wanted: Mapping[str, Any]) -> "_Form":
        with self._learning:
            if action not in self._forms:
                learned = learn(self._client, action, wanted)
                assert self._credentials is not None, "botocore has signed without"  # noqa: S101 - for mypy
                # All actions of a service go to one host.
                self._connections = self._connections or Connections(
                    learned.endpoint.url, self._settings, self._max_idle_seconds
                )
                self._forms[action] = _Form(learned, self._credentials, self._connections)
            return self._forms[action]


class _Form:
    """The requests of one action."""

    def __init__(self, learned: LearnedRequest, credentials: Credentials, connections: Connections) -> None:
        self.connections = connections
        self._credentials = credentials
        self._signer = RequestSigner(learned.endpoint, learned.signed)
        fields = "".join(f"{name}: {value}\r\n" for name, value in learned.signed.items())
        endpoint = learned.endpoint
        self._start = (
            f"POST {endpoint.path} HTTP/1.1\r\nHost: {endpoint.host}\r\nUser-Agent: {learned.user_agent}\r\n"
            f"Accept-Encoding: identity\r\n{fields}"
        )

    def request(self, body: bytes) -> bytes:
        """The whole of a request, signed now."""
        now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        signature = self._signer.sign(body, now, self._credentials.get_frozen_credentials())
        return f"{self._start}{signature}Content-Length: {len(body)}\r\n\r\n".encode() + body
