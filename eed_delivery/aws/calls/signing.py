"""Signature Version 4 for the one kind of request there is, a POST without a query.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html

botocore's signer, which serves requests of every kind, takes as much CPU as all the rest of a call. It derives the key
anew each time and looks through all headers twice. The key holds for a day, and what is signed is known beforehand.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from urllib.parse import quote, urlsplit

from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import BotoCoreError
from botocore.utils import normalize_url_path

NEW_EACH_TIME = ("host", "x-amz-date", "x-amz-security-token")
"""The header fields that a `RequestSigner` signs by itself: two of them it makes."""
_ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, slots=True)
class ServiceEndpoint:
    """Where requests go: their URL, the value of `Host`, and what the signature is good for."""

    url: str
    host: str
    region: str
    service: str

    @property
    def path(self) -> str:
        """The path as sent."""
        return urlsplit(self.url).path or "/"

    @property
    def canonical_path(self) -> str:
        """The path as signed."""
        return quote(normalize_url_path(self.path), safe="/~")


class UnusableCredentials(BotoCoreError):
    """No header can hold them, and so no request was made of them."""

    fmt = "The credentials hold what no header can"


class RequestSigner:
    """Signs requests to one endpoint. Many threads may share it.

    `fields` are the header fields that are signed and always the same, by their names in small letters.
    """

    def __init__(self, endpoint: ServiceEndpoint, fields: Mapping[str, str]) -> None:
        self._region, self._service = endpoint.region, endpoint.service
        self._start = f"POST\n{endpoint.canonical_path}\n\n"
        self._fields = {"host": endpoint.host, **{name: " ".join(value.split()) for name, value in fields.items()}}
        self._key: tuple[str, str, bytes] = ("", "", b"")

    def sign(self, body: bytes, when: str, credentials: ReadOnlyCredentials) -> str:
        """The header fields `X-Amz-Date`, `X-Amz-Security-Token` (if there is one) and `Authorization`, each with its
        line's end. `when` is in UTC, as 20261123T075245Z. Raises `UnusableCredentials`."""
        key_id, token = credentials.access_key or "", credentials.token or ""
        _check(key_id, token)
        new = {"x-amz-date": when, "x-amz-security-token": token} if token else {"x-amz-date": when}
        fields = sorted({**self._fields, **new}.items())
        signed = ";".join(name for name, _ in fields)
        lines = "".join(f"{name}:{value}\n" for name, value in fields)
        canonical = f"{self._start}{lines}\n{signed}\n{sha256(body).hexdigest()}"
        scope = f"{when[:8]}/{self._region}/{self._service}/aws4_request"
        text = f"{_ALGORITHM}\n{when}\n{scope}\n{sha256(canonical.encode()).hexdigest()}"
        signature = hmac.digest(self._key_of(when[:8], credentials.secret_key or ""), text.encode(), "sha256").hex()
        passport = f"X-Amz-Security-Token: {token}\r\n" if token else ""
        return (
            f"X-Amz-Date: {when}\r\n{passport}"
            f"Authorization: {_ALGORITHM} Credential={key_id}/{scope}, "
            f"SignedHeaders={signed}, Signature={signature}\r\n"
        )

    def _key_of(self, day: str, secret: str) -> bytes:
        """The signing key of a day, a region and a service."""
        known_day, known_secret, key = self._key
        if (known_day, known_secret) != (day, secret):
            key = f"AWS4{secret}".encode()
            for word in (day, self._region, self._service, "aws4_request"):
                key = hmac.digest(key, word.encode(), "sha256")
            self._key = (day, secret, key)
        return key


def _check(*values: str) -> None:
    """A file that a credential was read from may end with a line end, which would begin a header field."""
    for value in values:
        if not (value.isascii() and value.isprintable()):
            raise UnusableCredentials
