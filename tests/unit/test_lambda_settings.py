"""Which settings suit a function that sends, and where its secrets come from."""

import json
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from eed_delivery.app.function_secrets import with_secrets
from eed_delivery.app.sending_function import MAX_IDLE_SECONDS, sending_parts, without_idle_connections
from eed_delivery.channels.of_file import channels_of
from eed_delivery.config import SesSettings, load
from eed_delivery.config.environment import sandbox_name
from eed_delivery.config.lambda_checks import ANSWER_SECONDS, CONNECT_SECONDS, LAST_SECONDS, SES_UPLOAD_SECONDS
from eed_delivery.database.transactions import CONNECTION_TRIES
from eed_delivery.errors import ConfigError
from eed_delivery.transports.ses.wire_time import SENDING_SECONDS, wire_seconds

ARN = "arn:aws:secretsmanager:us-east-2:123456789012:secret:eed-AbCdEf"
FUNCTION = {
    "EED_DATABASE__URL": "mysql+pymysql://eed@db.example/delivery",
    "EED_AWS__REGION": "us_east_2",
    "EED_QUEUE__URL": "https://sqs.us-east-2.amazonaws.com/123456789012/eed",
    "EED_QUEUE__VISIBILITY_TIMEOUT_SECONDS": "1800",
    "EED_RENDERING__MESSAGE_ID_DOMAIN": "mail.example.com",
    "EED_AWS_LAMBDA__TIMEOUT_SECONDS": "300",
    "EED_WORKER__COORDINATION": "ledger",
    "EED_TRANSPORT__KIND": "ses",
}


def test_variables_alone_are_a_configuration() -> None:
    settings = load(None, FUNCTION)
    assert settings.aws.region == "us-east-2"
    assert settings.aws_lambda.timeout_seconds == 300


@pytest.mark.parametrize(
    ("change", "mentions"),
    [
        ({"EED_TRANSPORT__KIND": "smtp"}, "a send may take 1381 seconds"),
        ({"EED_SES__READ_TIMEOUT_SECONDS": "165"}, "a send may take 290 seconds"),
        ({"EED_QUEUE__VISIBILITY_TIMEOUT_SECONDS": "1799"}, "1799 is less than 6 times 300"),
        ({"EED_WORKER__COORDINATION": "heartbeats"}, "functions send no heartbeats"),
        ({"EED_TRANSPORT__ARCHIVE": "s3://bank/archive/"}, "disk does not last"),
        ({"EED_AWS_LAMBDA__TIMEOUT_SECONDS": "901"}, "900"),
    ],
)
def test_what_does_not_suit_a_function_is_refused(change: dict[str, str], mentions: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load(None, FUNCTION | change)
    assert mentions in str(raised.value)


@pytest.mark.parametrize("change", [{"EED_TRANSPORT__KIND": "smtp"}, {"EED_WORKER__COORDINATION": "heartbeats"}])
def test_without_a_function_nothing_of_it_counts(change: dict[str, str]) -> None:
    load(None, {name: value for name, value in (FUNCTION | change).items() if "LAMBDA" not in name})


def test_timeouts_of_smtp_that_fit_are_accepted() -> None:
    short = {"EED_SMTP__COMMAND_TIMEOUT_SECONDS": "20", "EED_SMTP__DATA_TIMEOUT_SECONDS": "90"}
    load(None, FUNCTION | {"EED_TRANSPORT__KIND": "smtp"} | short)


def test_the_longest_send_of_ses_is_the_transports() -> None:
    assert SES_UPLOAD_SECONDS == SENDING_SECONDS
    assert wire_seconds(SesSettings()) + LAST_SECONDS == 210


def test_a_database_that_hangs_takes_no_longer_than_the_end_of_an_invocation_has() -> None:
    tries = 1 + CONNECTION_TRIES
    assert tries * ANSWER_SECONDS < LAST_SECONDS
    assert tries * CONNECT_SECONDS < LAST_SECONDS


class Secrets:
    def __init__(self, **texts: str) -> None:
        self.texts = {ARN + name: text for name, text in texts.items()}
        self.asked: list[str] = []

    def __call__(self, arn: str) -> str:
        self.asked.append(arn)
        if arn not in self.texts:
            raise EndpointConnectionError(endpoint_url="https://secretsmanager.us-east-2.amazonaws.com")
        return self.texts[arn]


def test_a_variable_may_name_a_secret_or_a_key_of_one() -> None:
    secrets = Secrets(A="plain", B=json.dumps({"password": "hunter2", "user": "eed"}))
    environ = {
        "EED_SMTP__PASSWORD": f"aws-secret:{ARN}A",
        "EED_DATABASE__PASSWORD": f"aws-secret:{ARN}B:password::",
        "EED_SMTP__USERNAME": f"aws-secret:{ARN}B:user::",
        "EED_AWS__REGION": "us-east-2",
        "OTHER": f"aws-secret:{ARN}A",
        "EED_CHANNEL__PARTNER__PASSWORD": f"aws-secret:{ARN}A",
    }
    assert with_secrets(environ, secrets) == environ | {
        "EED_SMTP__PASSWORD": "plain",
        "EED_DATABASE__PASSWORD": "hunter2",
        "EED_SMTP__USERNAME": "eed",
    }
    assert sorted(secrets.asked) == [f"{ARN}A", f"{ARN}B"]


@pytest.mark.parametrize(
    "reference",
    [
        f"{ARN}C",
        f"{ARN}B:pin::",
        f"{ARN}A:password::",
        f"{ARN}D:password::",
        f"{ARN}B:password:AWSPREVIOUS:",
        "eed",
        "arn:aws:ssm:us-east-2:1:parameter:x:y",
    ],
)
def test_a_secret_that_cannot_be_read_is_said_without_any_secret(reference: str) -> None:
    secrets = Secrets(A="plain", B=json.dumps({"password": "hunter2"}), D=json.dumps(["hunter2"]))
    environ: dict[str, Any] = {"EED_DATABASE__PASSWORD": f"aws-secret:{reference}"}
    with pytest.raises(ConfigError) as raised:
        with_secrets(environ, secrets)
    assert "EED_DATABASE__PASSWORD" in str(raised.value)
    assert "plain" not in str(raised.value)
    assert "hunter2" not in str(raised.value)


def test_a_sandbox_is_called_by_its_log_stream() -> None:
    own = "0123456789abcdef0123456789abcdef"
    assert sandbox_name({"AWS_LAMBDA_LOG_STREAM_NAME": f"2026/11/30/[$LATEST]{own}"}) == f"lambda:{own}"
    assert sandbox_name({}).startswith("lambda:")


def test_a_named_channel_keeps_no_idle_connection_either() -> None:
    channel = channels_of(
        load(
            None,
            FUNCTION
            | {
                "EED_CHANNEL__PARTNER__KIND": "smtp",
                "EED_CHANNEL__PARTNER__QUEUE__URL": "https://sqs.us-east-2.amazonaws.com/123456789012/partner",
                "EED_CHANNEL__PARTNER__HOST": "relay.example.com",
            },
        )
    )["partner"]
    assert channel.settings.max_idle_seconds == 60  # type: ignore[attr-defined]
    assert without_idle_connections(channel).settings.max_idle_seconds == MAX_IDLE_SECONDS  # type: ignore[attr-defined]


def test_a_function_waits_for_the_database_only_so_long() -> None:
    keys = {"EED_AWS__CREDENTIALS": "environment", "AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret"}
    query = sending_parts(load(None, FUNCTION | keys), "lambda:test").database.engine.url.query
    assert float(str(query["connect_timeout"])) == CONNECT_SECONDS
    assert float(str(query["read_timeout"])) == ANSWER_SECONDS
