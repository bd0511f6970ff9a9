"""Clear text: what would go to another host without TLS is refused, or named once it is allowed."""

from typing import Any

import pytest

from eed_delivery.config import Settings, cautions, load
from eed_delivery.config.settings import ClearText
from eed_delivery.errors import ConfigError

SOUND: dict[str, Any] = {
    "EED_DATABASE__URL": "sqlite://",
    "EED_AWS__REGION": "us-east-2",
    "EED_QUEUE__URL": "https://sqs.us-east-2.amazonaws.com/123456789012/eed",
    "EED_RENDERING__MESSAGE_ID_DOMAIN": "example.com",
}
OTHER = "queue.example.com"
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
    "alerts.audience": {"EED_ALERTS__AUDIENCE": '{"night": {"webhook": ["http://chat.example.com/hook"]}}'},
}


def loaded(**environ: str) -> Settings:
    return load(None, SOUND | environ)


def test_the_table_has_every_setting_that_can_be_allowed() -> None:
    assert EXPOSED.keys() == set(ClearText.__args__)  # type: ignore[attr-defined]


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
