"""The AWS calls that go with every email, in a fifth of boto3's CPU or less.

- `sqs`, `ses`    the clients
- `sqs_bodies`    the bodies of SQS's answers, checked
- `posts`         what the calls of both services share
- `learned`       where boto3 sends a call, and with which headers
- `signing`       Signature Version 4
- `connections`   kept connections
- `http_answers`  reads HTTP/1.1 answers
- `errors`        answers that are not a success

boto3 decides where a call goes, what its headers are and how it is signed. Credentials and every rare call stay its
own. If boto3 would use a proxy, it makes every call itself. What is left is a signed POST of some JSON:
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-making-api-requests-json.html
https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html
"""

from typing import TYPE_CHECKING

from botocore.credentials import Credentials

from eed_delivery.aws.calls.learned import http_settings
from eed_delivery.aws.calls.posts import Posts
from eed_delivery.aws.calls.ses import SesCalls
from eed_delivery.aws.calls.sqs import SqsCalls
from eed_delivery.aws.kept_connections import limit_idle_time

if TYPE_CHECKING:
    from mypy_boto3_sesv2.client import SESV2Client
    from mypy_boto3_sqs.client import SQSClient

__all__ = ["SesCalls", "SqsCalls", "quick_ses", "quick_sqs"]

SQS_IDLE_SECONDS = 60.0
"""A call of SQS on a connection forgotten on its way is made again, and costs the time until it is given up."""


def quick_sqs(client: "SQSClient", credentials: Credentials | None, ca_bundle: str | None) -> "SqsCalls | SQSClient":
    """The client's calls in little CPU. Where its way leads through a proxy, the client itself.

    `credentials` and `ca_bundle` are those of the session that made the client.
    """
    settings = http_settings(client, ca_bundle)
    direct = settings.direct(client.meta.endpoint_url)
    return SqsCalls(client, Posts(client, credentials, settings, SQS_IDLE_SECONDS)) if direct else client


def quick_ses(
    client: "SESV2Client", credentials: Credentials | None, ca_bundle: str | None, max_idle_seconds: float
) -> "SesCalls | SESV2Client":
    """The same for SES. No connection that was idle for longer than `max_idle_seconds` is used, on either way."""
    settings = http_settings(client, ca_bundle)
    direct = settings.direct(client.meta.endpoint_url)
    if direct:
        return SesCalls(client, Posts(client, credentials, settings, max_idle_seconds))
    limit_idle_time(client, max_idle_seconds)
    return client
