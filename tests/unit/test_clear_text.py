"""Clear text: what would go to another host without TLS is refused, or named once it is allowed."""

from typing import Any

import pytest

from eed_delivery.channels.directory import checked_apart
from eed_delivery.config import Settings, cautions, load
from eed_delivery.config.settings import CLEAR_TEXT
from eed_delivery.errors import ConfigError

SOUND: dict[str, Any] = {
    "EED_DATABASE__URL": "sqlite://",
    "EED_AWS__REGION": "us-east-2",
    "EED_QUEUE__URL": "https://sqs.us-east-2.amazonaws.com/123456789012/eed",
    "EED_RENDERING__MESSAGE_ID_DOMAIN": "example.com",
}
OTHER = "queue.example.com"
OF_A_CHANNEL = "channel.news.archive.endpoint_url"
EXPOSED: dict[str, dict[str, str]] = {
    "database.url": {"EED_DATABASE__URL": "mysql://db.example.com/d?ssl_disabled=true"},
    "smtp.tls": {"EED_SMTP__TLS": "none", "EED_SMTP__HOST": "relay.example.com"},
    "queue.url": {"EED_QUEUE__URL": f"http://{OTHER}/1/eed"},
    "queue.dead_letter_url": {"EED_QUEUE__DEAD_LETTER_URL": f"http://{OTHER}/1/dead"},
    "queue.endpoint_url": {"EED_QUEUE__ENDPOINT_URL": "http://169.254.7.7:9324"},
    "tracking.events_queue_url": {"EED_TRACKING__EVENTS_QUEUE_URL": f"http://{OTHER}/1/events"},
    "ses.endpoint_url": {"EED_SES__ENDPOINT_URL": "http://10.0.0.7"},
    "rendering.s3_endpoint_url": {"EED_RENDERING__S3_ENDPOINT_URL": "http://minio.example.com:9000"},
    "alerts.sns_endpoint_url": {"EED_ALERTS__SNS_ENDPOINT_URL": "http://[fe80::7]:80"},
    "transport.archive.endpoint_url": {
        "EED_TRANSPORT__ARCHIVE__URL": "s3://bucket/x",
        "EED_TRANSPORT__ARCHIVE__ENDPOINT_URL": "http://s3.example.com",
    },
    OF_A_CHANNEL: {
        "EED_CHANNEL__NEWS__KIND": "smtp",
        "EED_CHANNEL__NEWS__QUEUE__URL": "https://q.example/news",
        "EED_CHANNEL__NEWS__ARCHIVE__URL": "s3://bucket/news",
        "EED_CHANNEL__NEWS__ARCHIVE__ENDPOINT_URL": "http://s3.example.com",
    },
    "aws_lambda.endpoint_url": {"EED_AWS_LAMBDA__ENDPOINT_URL": "http://10.0.0.8"},
    "metrics.cloudwatch_endpoint_url": {"EED_METRICS__CLOUDWATCH_ENDPOINT_URL": "http://10.0.0.8"},
    "alerts.audience": {"EED_ALERTS__AUDIENCE": '{"night": {"webhook": ["http://chat.example.com/hook"]}}'},
}


def loaded(**environ: str) -> Settings:
    return load(None, SOUND | environ)


def test_the_table_has_every_setting_that_can_be_allowed() -> None:
    assert EXPOSED.keys() == {*CLEAR_TEXT, OF_A_CHANNEL}


def test_another_name_than_these_is_a_mistake() -> None:
    with pytest.raises(ConfigError, match=r"is not a setting that can be allowed\. Possible are database\.url, smtp"):
        loaded(EED_SECURITY__CLEAR_TEXT='["smtp.host"]')


def test_channels_are_allowed_one_by_one() -> None:
    ours, other = (f"EED_CHANNEL__{name}" for name in ("NEWS", "OTHER"))
    both = {key.replace(ours, one): value for key, value in EXPOSED[OF_A_CHANNEL].items() for one in (ours, other)}
    both[f"{other}__QUEUE__URL"] = "https://q.example/other"
    with pytest.raises(ConfigError) as refused:
        loaded(**both, EED_SECURITY__CLEAR_TEXT=f'["{OF_A_CHANNEL}"]')
    (problem,) = refused.value.problems
    assert problem.where.startswith("channel.other.archive.endpoint_url")


def test_a_channel_that_was_created_is_held_to_the_same() -> None:
    given = {
        "kind": "smtp",
        "queue": {"url": "https://q.example/news"},
        "archive": {"url": "s3://bucket/news", "endpoint_url": "http://s3.example.com"},
    }
    with pytest.raises(ConfigError, match=r"channel\.news\.archive\.endpoint_url: copies of whole emails would go to"):
        checked_apart("news", given, loaded(), {}, 1)
    allowed = loaded(EED_SECURITY__CLEAR_TEXT=f'["{OF_A_CHANNEL}"]')
    assert checked_apart("news", given, allowed, {}, 1).archive.bucket == "bucket"


@pytest.mark.parametrize("key", EXPOSED)
def test_clear_text_is_refused_until_it_is_allowed(key: str) -> None:
    with pytest.raises(ConfigError) as refused:
        loaded(**EXPOSED[key])
    (problem,) = [problem for problem in refused.value.problems if "in clear text" in problem.what]
    assert problem.where.startswith(key)
    assert f'security.clear_text = ["{key}"]' in problem.remedy
    allowed = loaded(**EXPOSED[key], EED_SECURITY__CLEAR_TEXT=f'["{key}"]')
    assert [caution.key for caution in cautions(allowed)] == [key]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "[::1]"])
def test_this_host_may_be_asked_in_clear_text(host: str) -> None:
    settings = loaded(
        EED_QUEUE__ENDPOINT_URL=f"http://{host}:9324",
        EED_SES__ENDPOINT_URL=f"http://{host}:9325",
        EED_DATABASE__URL=f"mysql://{host}/d",
    )
    assert list(cautions(settings)) == []


def test_a_password_by_smtp_in_clear_text_is_never_allowed() -> None:
    with pytest.raises(ConfigError, match="the password would go to relay"):
        loaded(
            EED_SMTP__TLS="none",
            EED_SMTP__HOST="relay.example.com",
            EED_SMTP__USERNAME="u",
            EED_SMTP__PASSWORD="hunter2",
            EED_SECURITY__CLEAR_TEXT='["smtp.tls"]',
        )


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("jdbc:mysql://db.example.com/d?sslMode=PREFERRED", "sslMode=PREFERRED would accept"),
        ("jdbc:mysql://db.example.com/d?sslMode=REQUIRED", "is not verified"),
        ("jdbc:mysql://db.example.com/d?useSSL=true", "is not verified"),
        ("mysql://db.example.com/d?ssl_verify_cert=false", "is not verified"),
    ],
)
def test_weak_tls_to_the_database_is_a_caution(url: str, says: str) -> None:
    (caution,) = cautions(loaded(EED_DATABASE__URL=url))
    assert says in caution.what
    assert list(cautions(loaded(EED_DATABASE__URL=url.split("?")[0]))) == []
