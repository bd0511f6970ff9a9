"""The calls of AWS that go with every email, in a fifth of the CPU that boto3 takes for them, or less.

boto3 decides where a call goes, what its header says and how it is signed. Credentials, and every rare call, stay its
own; where it would use a proxy, it makes every call. What is left is a signed POST of some JSON on a kept connection:
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-making-api-requests-json.html
https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html

`sqs` and `ses` are the clients, and `sqs_bodies` what SQS says. `posts` is what they share: `way` learns from boto3,
`signing` signs, `connections` and `answers` are the HTTP, `complaints` what an answer says that is no success.
"""

from typing import TYPE_CHECKING

from botocore.credentials import Credentials

from eed_delivery.aws.calls.learned import http_settings
from eed_delivery.aws.calls.posts import Posts
from eed_delivery.aws.calls.ses import SesCalls
from eed_delivery.aws.calls.sqs import SqsCalls

if TYPE_CHECKING:
    from mypy_boto3_sesv2.client import SESV2Client
    from mypy_boto3_sqs.client import SQSClient

__all__ = ["SesCalls", "SqsCalls", "quick_ses", "quick_sqs"]


def quick_sqs(client: "SQSClient", credentials: Credentials | None, ca_bundle: str | None) -> "SqsCalls | SQSClient":
    """The client's calls in little CPU; the client itself where its way leads through a proxy.

    `credentials` and `ca_bundle`: those of the session that made the client.
    """
    settings = http_settings(client, ca_bundle)
    direct = settings.direct(client.meta.endpoint_url)
    return SqsCalls(client, Posts(client, credentials, settings)) if direct else client


def quick_ses(
    client: "SESV2Client", credentials: Credentials | None, ca_bundle: str | None
) -> "SesCalls | SESV2Client":
    """The same for SES."""
    settings = http_settings(client, ca_bundle)
    direct = settings.direct(client.meta.endpoint_url)
    return SesCalls(client, Posts(client, credentials, settings)) if direct else client
