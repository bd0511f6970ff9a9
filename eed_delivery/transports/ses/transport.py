"""Amazon SES, API v2. It sends raw messages, one POST for each grant, and says what each answer means for the email."""

from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from eed_delivery.config import SesSettings
from eed_delivery.errors import ConfigError, InDoubt, InfrastructureFailure, PermanentFailure, Problem, Throttled
from eed_delivery.model import Accepted, Rendered
from eed_delivery.transports import Grant
from eed_delivery.transports.ses.answers import SesAccount, account_from, broken_call, refused_call
from eed_delivery.transports.ses.wire_time import wire_seconds
from eed_delivery.untrusted import clean

if TYPE_CHECKING:
    from mypy_boto3_sesv2.client import SESV2Client
    from mypy_boto3_sesv2.type_defs import SendEmailRequestTypeDef

    from eed_delivery.aws.calls import SesCalls


class SesTransport:
    """Sends through SES. See `Transport` for the contract.

    `client` is a boto3 "sesv2" client made with `Config(retries={"total_max_attempts": 1})`, or its quick calls.
    Both are safe to share between threads, so this one stays its owner's, and `close` leaves it open.
    """

    name = "ses"

    def __init__(self, client: "SesCalls | SESV2Client", settings: SesSettings) -> None:
        """Raises ConfigError if `client` would retry. A retried POST whose first answer was lost sends twice."""
        config: Any = client.meta.config  # the stubs don't know `retries`
        retries = config.retries or {}
        if retries.get("total_max_attempts") != 1:
            raise ConfigError(
                [
                    Problem(
                        "ses",
                        "the SES client retries, and could so send an email twice",
                        'Make it with Config(retries={"total_max_attempts": 1}).',
                    )
                ]
            )
        self._client = client
        self._configuration_set = settings.configuration_set
        self.wire_seconds = wire_seconds(settings)

    def send(self, message: Rendered, grant: Grant) -> Accepted:
        """Send one message. See `Transport.send`."""
        request = self._request(message)
        grant()
        try:
            response = self._client.send_email(**request)
        except ClientError as e:
            raise refused_call(e) from e
        except BotoCoreError as e:
            raise broken_call(e) from e
        except ResponseParserError as e:
            raise InDoubt(clean(f"SES answered something that cannot be read: {e}")) from e
        message_id = response.get("MessageId")
        if not message_id:
            raise InDoubt("SES answered without a MessageId")
        return Accepted(f"SES MessageId {message_id}", 200, message_id)

    def _request(self, message: Rendered) -> "SendEmailRequestTypeDef":
        """The call's parameters.

        Destination decides who gets the message. The headers are left alone and not consulted.
        FromEmailAddress is left out on purpose. SES would write it over the From header and lose the sender's name
        (laravel/framework#37881, aws/aws-sdk-rails#97). SES makes its own envelope sender. Bounces are forwarded to
        FeedbackForwardingEmailAddress.
        """
        addresses_ascii = message.recipient.isascii() and message.envelope_sender.isascii()
        if message.needs_smtputf8 or not addresses_ascii:
            # https://docs.aws.amazon.com/ses/latest/APIReference/API_Destination.html: SMTPUTF8 is not
            # supported.
            raise PermanentFailure("an address has characters beyond ASCII, and SES cannot carry it")
        request: SendEmailRequestTypeDef = {
            "Destination": {"ToAddresses": [message.recipient]},
            "Content": {"Raw": {"Data": message.content}},
            "EmailTags": [
                {"Name": "eed_email", "Value": str(message.email_id)},
                {"Name": "eed_gen", "Value": str(message.gen)},
            ],
        }
        if message.envelope_sender:
            request["FeedbackForwardingEmailAddress"] = message.envelope_sender
        if self._configuration_set:
            request["ConfigurationSetName"] = self._configuration_set
        return request

    def probe(self) -> None:
        """Ask for the account, and see whether it may send now. See `Transport.probe`.

        An exhausted daily quota fails the probe too. The breaker stays open until SES has quota again.
        """
        state = account(self._client)
        if not state.sending_enabled:
            raise InfrastructureFailure("SES has paused sending for this account. See the SES console for the reason")
        if 0 < state.max_24_hour_send <= state.sent_last_24_hours:
            raise InfrastructureFailure(
                f"the SES daily quota is used up: {state.sent_last_24_hours:.0f} of {state.max_24_hour_send:.0f} emails"
                " in 24 hours. Wait, or ask AWS for a larger quota"
            )

    def close(self) -> None:
        """Do nothing, because the client belongs to its maker."""


def account(client: "SesCalls | SESV2Client") -> SesAccount:
    """The account's limits, by GetAccount. Raises InfrastructureFailure or Throttled."""
    try:
        return account_from(client.get_account())
    except ClientError as e:
        error = refused_call(e)
        if isinstance(error, Throttled | InfrastructureFailure):
            raise error from e
        raise InfrastructureFailure(error.reply, code=error.code, enhanced=error.enhanced) from e
    except (BotoCoreError, ResponseParserError) as e:
        raise InfrastructureFailure(clean(f"SES GetAccount failed: {e}")) from e
