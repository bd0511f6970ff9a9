"""Clients of AWS's services. Each call makes one, with connections of its own."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from botocore.config import Config

from eed_delivery.aws.calls import SesCalls, SqsCalls, quick_ses, quick_sqs
from eed_delivery.aws.sessions import core, session
from eed_delivery.aws.untraced import send_no_trace
from eed_delivery.config import SesSettings, Settings
from eed_delivery.config.threads import most_threads

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_sesv2.client import SESV2Client
    from mypy_boto3_sns.client import SNSClient
    from mypy_boto3_sqs.client import SQSClient

USER_AGENT = "eed-delivery"


class AwsClients:
    """Makes them from the settings."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def of(
        self,
        service: str,
        *,
        connections: int,
        tries: int = 1,
        region: str | None = None,
        endpoint_url: str | None = None,
        **config: Any,
    ) -> Any:
        """boto3's client of any service. `config` is for `botocore.config.Config`. `region`: None for that of [aws]."""
        limits = {"connect_timeout": 5, "read_timeout": 60, "max_pool_connections": connections} | config
        made = Config(retries={"total_max_attempts": tries}, user_agent=USER_AGENT, **limits)
        boto = cast("Any", session(self._settings.aws))
        return boto.client(service, region_name=region, endpoint_url=endpoint_url, config=made)

    def sqs(self) -> "SQSClient":
        """boto3's client, for what is done once."""
        return self._sqs(core(self._settings.aws).create_client)

    def sqs_calls(self, connections: int) -> "SqsCalls | SQSClient":
        """A quick client for many threads."""
        within = core(self._settings.aws)
        client = self._sqs(within.create_client, connections)
        return quick_sqs(client, within.get_credentials(), within.get_config_variable("ca_bundle"))

    def _sqs(self, create: Callable[..., Any], connections: int = 10) -> "SQSClient":
        """A client whose reads outlast the longest poll. Tries are counted by `Queue`, not by botocore too.

        Botocore would check each request against its description, and put its name together anew, which takes a fifth
        of the CPU of a call.
        """
        config = Config(
            retries={"total_max_attempts": 1},
            parameter_validation=False,
            user_agent=USER_AGENT,
            max_pool_connections=connections,
            connect_timeout=5,
            read_timeout=self._settings.queue.wait_seconds + 10,
        )
        client: SQSClient = create("sqs", endpoint_url=self._settings.queue.endpoint_url, config=config)
        send_no_trace(client)
        return client

    def ses(self, ses: SesSettings, threads: int) -> "SESV2Client":
        """boto3's client, for what is asked now and then."""
        return self._ses(core(self._settings.aws).create_client, ses, threads)

    def ses_calls(self, ses: SesSettings, threads: int) -> "SesCalls | SESV2Client":
        """A quick client for the threads of a process."""
        within = core(self._settings.aws)
        client = self._ses(within.create_client, ses, threads)
        ca_bundle = within.get_config_variable("ca_bundle")
        return quick_ses(client, within.get_credentials(), ca_bundle, ses.max_idle_seconds)

    def _ses(self, create: Callable[..., Any], ses: SesSettings, threads: int) -> "SESV2Client":
        """A client that never tries twice: a second try would be a second email (docs/design.md#guarantees)."""
        config = Config(
            retries={"total_max_attempts": 1},
            max_pool_connections=threads + 1,
            connect_timeout=ses.connect_timeout_seconds,
            read_timeout=ses.read_timeout_seconds,
        )
        client: SESV2Client = create("sesv2", endpoint_url=ses.endpoint_url, config=config)
        return client

    def functions(self) -> Any:
        """boto3's client of Lambda, for what is asked once in a while."""
        endpoint_url = self._settings.aws_lambda.endpoint_url
        return self.of("lambda", connections=1, tries=2, read_timeout=10, endpoint_url=endpoint_url)

    def attachments(self) -> "S3Client | None":
        """What reads attachments in S3. None if there are none."""
        rendering = self._settings.rendering
        if not rendering.attachments_s3:
            return None
        config = Config(
            max_pool_connections=most_threads(self._settings.worker.threads) + 1, connect_timeout=5, read_timeout=30
        )
        return session(self._settings.aws).client("s3", endpoint_url=rendering.s3_endpoint_url, config=config)

    def submitted(self) -> "S3Client":
        """What reads files of recipients in S3."""
        endpoint_url = self._settings.rendering.s3_endpoint_url
        # A function has 29 seconds for all of a request.
        config = Config(retries={"total_max_attempts": 2}, connect_timeout=2, read_timeout=10)
        return session(self._settings.aws).client("s3", endpoint_url=endpoint_url, config=config)

    def sns(self) -> "SNSClient":
        """What sends alerts."""
        endpoint_url = self._settings.alerts.sns_endpoint_url
        config = Config(retries={"total_max_attempts": 2}, user_agent=USER_AGENT, connect_timeout=5, read_timeout=10)
        return session(self._settings.aws).client("sns", endpoint_url=endpoint_url, config=config)

    def cloudwatch(self) -> Any:
        """What takes figures of the ledger."""
        endpoint_url = self._settings.metrics.cloudwatch_endpoint_url
        return self.of("cloudwatch", connections=1, tries=2, endpoint_url=endpoint_url, read_timeout=10)
