"""Signatures by the Standard Webhooks specification, held to its own published example; and the secrets."""

import base64
from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from eed_delivery.config import WebhooksSettings
from eed_delivery.webhooks.signing import WebhookSigner
from tests.servers.webhook_receiver import FORMER, SECRET, verified

# https://docs.svix.com/receiving/verifying-payloads/how-manual, which the specification's own libraries test with
EXAMPLE_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
EXAMPLE = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}


def settings(**given: Any) -> WebhooksSettings:
    return WebhooksSettings(url="https://hooks.example.com/", **given)


def signed(body: bytes, **secrets: str) -> Mapping[str, str]:
    keys = settings(**{name: SecretStr(secret) for name, secret in secrets.items()}).keys()
    return WebhookSigner(keys).headers(EXAMPLE["webhook-id"], body, 1614265330.9)


def test_the_specifications_example_is_signed_as_it_says() -> None:
    assert signed(b'{"test": 2432232314}', secret=EXAMPLE_SECRET) == EXAMPLE


def test_the_prefix_of_a_secret_may_be_missing() -> None:
    assert signed(b'{"test": 2432232314}', secret=EXAMPLE_SECRET.removeprefix("whsec_")) == EXAMPLE


def test_whoever_knows_only_a_former_secret_or_only_the_new_one_can_verify_it() -> None:
    headers = signed(b"{}", secret=SECRET, former_secrets=f"{EXAMPLE_SECRET} {FORMER}")
    assert headers["webhook-signature"].count("v1,") == 3
    for secret in (SECRET, EXAMPLE_SECRET, FORMER):
        assert verified(secret, headers, b"{}", tolerance=float("inf"))
    assert not verified("whsec_" + base64.b64encode(b"x" * 32).decode(), headers, b"{}", tolerance=float("inf"))
    assert not verified(SECRET, headers, b"{ }", tolerance=float("inf"))


@pytest.mark.parametrize("secret", ["whsec_", "whsec_not base64", "whsec_" + base64.b64encode(b"x" * 23).decode(), "ä"])
@pytest.mark.parametrize("name", ["secret", "former_secrets"])
def test_a_secret_that_is_none_is_refused_without_being_told(name: str, secret: str) -> None:
    given = f"{SECRET} {secret}" if name == "former_secrets" else secret
    with pytest.raises(ValidationError, match="24 bytes") as refused:
        settings(**{name: given})
    assert secret.removeprefix("whsec_")[:8] not in str(refused.value).replace("24 bytes or more in base64", "") or (
        secret == "whsec_"
    )


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.com/x",
        "http://10.0.0.1/x",
        "https://hooks.example.com/#x",
        "https://höks.example.com/",
        "https://user:word@hooks.example.com/",
        "ftp://hooks.example.com/",
    ],
)
def test_an_address_that_would_tell_strangers_is_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        WebhooksSettings(url=url)


@pytest.mark.parametrize("url", ["https://hooks.example.com/x?y=1", "http://127.0.0.1:8000/", "http://localhost/x"])
def test_https_is_taken_and_clear_text_on_this_host(url: str) -> None:
    assert WebhooksSettings(url=url).url == url
