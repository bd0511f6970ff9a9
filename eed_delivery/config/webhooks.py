"""The section `[webhooks]`: the endpoint that is notified of jobs and emails, and the signature."""

from base64 import b64decode
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, field_validator

from eed_delivery.config.formats import HttpUrl, Seconds, is_loopback, mistake
from eed_delivery.config.section import Section
from eed_delivery.notices import NoticeKind

PREFIX = "whsec_"
SHORTEST_KEY = 24
"""Bytes. https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md: 24 to 64."""


def _safe(text: str) -> str:
    """Only this host may be notified in clear text."""
    parts = urlsplit(text)
    if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
        raise mistake("customers' events would go there in clear text", "Give an address that begins with https://.")
    if parts.fragment or not text.isascii():
        raise mistake(
            f"{text!r} is not a URL that a request can be sent to",
            "Give plain ASCII, a host's name as xn--…, without a #.",
        )
    return text


def key_of(secret: str) -> bytes:
    """The key of a secret in base64, mostly behind `whsec_`. Raises a mistake, which does not show it."""
    try:
        key = b64decode(secret.removeprefix(PREFIX), validate=True)
    except ValueError:
        key = b""
    if len(key) < SHORTEST_KEY:
        raise mistake(
            f"a secret is not {PREFIX} and {SHORTEST_KEY} bytes or more in base64",
            f'Make one with: echo "{PREFIX}$(openssl rand -base64 32)".',
        )
    return key


class WebhooksSettings(Section):
    """The endpoint. `former_secrets` are separated by spaces. No `events` means all of them."""

    url: Annotated[HttpUrl, AfterValidator(_safe)] | None = None
    secret: SecretStr | None = None
    former_secrets: SecretStr | None = None
    events: tuple[NoticeKind, ...] = ()
    addresses: bool = False
    ca_file: Path | None = None
    threads: Annotated[int, Field(ge=1, le=64)] = 2
    timeout_seconds: Annotated[float, Field(gt=0, le=60, allow_inf_nan=False)] = 15
    retry_delay_seconds: Seconds = 10
    retry_max_delay_seconds: Seconds = 3600
    max_age_seconds: Seconds = 259_200
    keep_days: Annotated[int, Field(ge=1, le=3650)] = 7
    keep_failed_days: Annotated[int, Field(ge=1, le=3650)] = 30

    @field_validator("secret", "former_secrets")
    @classmethod
    def _usable(cls, given: SecretStr | None) -> SecretStr | None:
        for secret in given.get_secret_value().split() if given is not None else ():
            key_of(secret)
        return given

    def keys(self) -> list[bytes]:
        """The keys to sign with, the secret's first and then those of the former ones."""
        given = [one.get_secret_value() for one in (self.secret, self.former_secrets) if one is not None]
        return [key_of(secret) for secret in " ".join(given).split()]
