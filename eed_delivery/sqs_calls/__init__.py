"""The SQS calls that every ten emails need, in a fifth of the CPU that boto3 takes for them.

boto3 decides where a call goes and how it is signed; credentials, and every rare call, stay its own, and where it would
use a proxy, so does every call. What is left is a signed POST of some JSON on a kept connection:
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-making-api-requests-json.html

`calls` is the client, `way` what it learns from boto3, `signing` and `bodies` what is sent and said, `connections` and
`answers` the HTTP.
"""

from typing import TYPE_CHECKING

from botocore.credentials import Credentials

from eed_delivery.sqs_calls.calls import SqsCalls
from eed_delivery.sqs_calls.way import http_settings

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient

__all__ = ["SqsCalls", "quick"]


def quick(client: "SQSClient", credentials: Credentials | None, ca_bundle: str | None) -> "SqsCalls | SQSClient":
    """The client's calls in little CPU; the client itself where its way leads through a proxy.

    `credentials` and `ca_bundle`: those of the session that made the client.
    """
    settings = http_settings(client, ca_bundle)
    return SqsCalls(client, credentials, settings) if settings.direct(client.meta.endpoint_url) else client
