"""Signed addresses: the pixel, the redirect of a link, and the unsubscription.

What an address says (which email, which link) is in it, signed with HMAC-SHA256, so that nothing has to be looked up to
answer it, and nobody can make one that we did not make. It is signed, not encrypted: whoever has the email can read it.
So there is never a recipient's address in it.
"""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from itsdangerous import BadData, Signer, URLSafeSerializer
from itsdangerous.encoding import base64_decode, base64_encode

MAX_URL = 2_000
"""Longest address that we make, in characters: some mail programs and proxies take no more than about 2,048."""
MAX_TOKEN = MAX_URL
MIN_KEY = 32
"""A key of 32 random characters cannot be guessed; a word can, offline, from one email."""
MAX_HEADER_URL = 900
"""Longest address for List-Unsubscribe: it cannot be folded, and a line has 998 characters (RFC 5322, 2.1.1)."""
PIXEL, CLICK, UNSUBSCRIBE = "o", "c", "u"
"""The first part of the path, and what the purposes' keys are told apart by."""

_TOKEN = re.compile(r"[A-Za-z0-9_.-]+")
_BASE_URL = re.compile(r"https?://[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~-]+)*")
_TARGET = re.compile(r"https?://(?![/\\?#])[!-~]+", re.IGNORECASE | re.ASCII)  # without ASCII the s may be a long one

_Link = TypeVar("_Link")


@dataclass(frozen=True, slots=True)
class PixelLink:
    """The picture that tells of an open."""

    email_id: int
    gen: int


@dataclass(frozen=True, slots=True)
class ClickLink:
    """A link of an email, and where it leads: http or https, printable ASCII."""

    email_id: int
    gen: int
    target: str


@dataclass(frozen=True, slots=True)
class UnsubscribeLink:
    """The wish to get no more emails of this category; empty: of any."""

    email_id: int
    gen: int
    category: str = ""


class Links:
    """Makes the addresses below `base_url`, and reads them. Safe to use from many threads.

    The first of `keys` signs, each of them is accepted: to change keys, put the new one in front, and take the old one
    away when the emails signed with it are too old to matter. What one `tenant` signs is nothing to another, even with
    the same keys: their emails have the same numbers. ValueError for a key that is too short, or a base URL that
    is none.
    """

    def __init__(self, base_url: str, keys: Sequence[str], tenant: str = "") -> None:
        base_url = base_url.rstrip("/")
        if not _BASE_URL.fullmatch(base_url):
            raise ValueError("the base URL is not http(s)://host, perhaps with a port and a path of plain characters")
        if not keys or any(len(key) < MIN_KEY for key in keys):
            raise ValueError(f"there must be at least one key, and each of {MIN_KEY} characters or more")
        self._base = base_url
        purposes = (PIXEL, CLICK, UNSUBSCRIBE)
        self._serializers = {purpose: _serializer(keys, f"{purpose}/{tenant}") for purpose in purposes}

    def pixel(self, email_id: int, gen: int) -> str:
        """The address of the picture."""
        return f"{self._url(PIXEL, [email_id, gen])}.gif"

    def click(self, email_id: int, gen: int, target: str) -> str | None:
        """The redirect to `target`; None if it cannot be one: no http(s), too long, or an address of ours already."""
        if not is_target(target) or target.startswith(f"{self._base}/"):
            return None
        url = self._url(CLICK, [email_id, gen, target])
        return url if len(url) <= MAX_URL else None

    def unsubscribe(self, email_id: int, gen: int, category: str = "") -> str:
        """The one-click address of RFC 8058, for `rendering.unsubscribe` to make header fields of.

        ValueError if the category is a name so long that no header could hold it.
        """
        url = self._url(UNSUBSCRIBE, [email_id, gen, category])
        if len(url) > MAX_HEADER_URL:
            raise ValueError("the name of the job's category is too long for a List-Unsubscribe header")
        return url

    def read_pixel(self, token: str) -> PixelLink | None:
        """What the picture's token says; None unless we made it."""
        return _made(PixelLink, (int, int), self._read(PIXEL, token))

    def read_click(self, token: str) -> ClickLink | None:
        """What a redirect's token says; None unless we made it."""
        link = _made(ClickLink, (int, int, str), self._read(CLICK, token))
        return link if link is not None and is_target(link.target) else None

    def read_unsubscribe(self, token: str) -> UnsubscribeLink | None:
        """What an unsubscription's token says; None unless we made it."""
        return _made(UnsubscribeLink, (int, int, str), self._read(UNSUBSCRIBE, token))

    def _url(self, purpose: str, fields: list[int | str]) -> str:
        return f"{self._base}/{purpose}/{self._serializers[purpose].dumps(fields)}"

    def _read(self, purpose: str, token: str) -> Any:
        if len(token) > MAX_TOKEN or not _TOKEN.fullmatch(token) or not _is_canonical(token):
            return None
        try:
            return self._serializers[purpose].loads(token)
        except BadData:
            return None


def is_target(url: str) -> bool:
    """Whether a redirect may lead there: absolute, http or https, with a host, and nothing that could end a header.

    At most MAX_URL characters: tokens are compressed, and a small one must not become a giant header.
    """
    return len(url) <= MAX_URL and _TARGET.fullmatch(url) is not None


def _serializer(keys: Sequence[str], use: str) -> URLSafeSerializer:
    # The key of each purpose is derived here, once, and not by itsdangerous at each signature: the mail path waits.
    salt = f"eed-delivery/{use}"
    derived = [
        Signer(key, salt=salt, key_derivation="hmac", digest_method=hashlib.sha256).derive_key()
        for key in reversed(keys)  # itsdangerous signs with the last one
    ]
    signing = {"key_derivation": "none", "digest_method": hashlib.sha256}
    plain = {"ensure_ascii": False}  # shorter for names that are not ASCII
    return URLSafeSerializer(derived, salt=salt, serializer_kwargs=plain, signer_kwargs=signing)


def _is_canonical(token: str) -> bool:
    """Whether the signature is spelt as we spell it: base64 has several spellings of the same bytes (RFC 4648, 3.5)."""
    signature = token.rpartition(".")[2]
    try:
        return base64_encode(base64_decode(signature)) == signature.encode()
    except BadData:
        return False


def _made(kind: Callable[..., _Link], types: tuple[type, ...], fields: Any) -> _Link | None:
    """A link of those fields; None if they are not what we sign today (an older release may have signed others)."""
    if not isinstance(fields, list) or len(fields) != len(types):
        return None
    if any(type(field) is not wanted for field, wanted in zip(fields, types, strict=True)):
        return None
    return kind(*fields)
