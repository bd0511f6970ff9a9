"""The call of SES that every email needs."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Unpack

import pybase64

from eed_delivery.aws.calls.errors import NotAws
from eed_delivery.aws.calls.posts import Posts

if TYPE_CHECKING:
    from mypy_boto3_sesv2.client import SESV2Client
    from mypy_boto3_sesv2.type_defs import SendEmailRequestTypeDef


class SesCalls:
    """What `SesTransport` needs of boto3's SESv2 client, under the same names and with the same errors.

    Nothing is tried twice.
    """

    def __init__(self, client: "SESV2Client", posts: Posts) -> None:
        self._client = client
        self._posts = posts

    @property
    def meta(self) -> Any:
        """How the client was made."""
        return self._client.meta

    def send_email(self, **request: "Unpack[SendEmailRequestTypeDef]") -> dict[str, str]:
        """One raw message (`Content` is `{"Raw": {"Data": bytes}}`) by exactly one POST, or none. See `Posts.post`."""
        envelope = {name: value for name, value in request.items() if name != "Content"}
        message: Any = request["Content"]["Raw"]["Data"]
        return {"MessageId": message_id(self._posts.post("SendEmail", request, written(message, envelope)))}

    def get_account(self) -> Any:
        """boto3's own, which is asked now and then."""
        return self._client.get_account()


def written(message: bytes, envelope: Mapping[str, Any]) -> bytes:
    """The request in JSON. Nothing in base64 needs escaping there, so that only the envelope is looked through."""
    rest = json.dumps(envelope).encode()
    return b"".join((b'{"Content": {"Raw": {"Data": "', pybase64.b64encode(message), b'"}}, ', rest[1:]))


def message_id(body: bytes) -> str:
    """What SES calls the message it has taken. Raises `NotAws`."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise NotAws(problem="the answer is not JSON") from error
    name = said.get("MessageId") if isinstance(said, dict) else None
    if not (isinstance(name, str) and name):
        raise NotAws(problem="the answer has no MessageId")
    return name
