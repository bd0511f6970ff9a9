"""Signed addresses: the pixel, the redirect of a link, and the unsubscription.

What an address says (which email, which link) is in it, signed with HMAC-SHA256. So nothing has to be looked up to
answer it, and no other party can make one. It is signed, not encrypted, so any reader of the email can read it.
So there is never a recipient's address in it.

`<email_id>.<gen>.<day>.<key><mac>`, or `<email_id>.<gen>.<text>.<day>.<key><mac>` with the target or category in
base64url. Nothing in it needs escaping. `day` is when it was signed, counted from 2020 on, and `key` says with which
key. So a key can be taken away when nothing young is signed with it. The rendering of an email signs one for each
of its links, and waits for it. That is why itsdangerous does not do it, which took ten times as long.
"""

import hmac
import re
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

MAX_URL = 2_000
"""Longest address that we make, in characters: some mail programs and proxies accept at most about 2,048."""
MAX_TOKEN = MAX_URL
MIN_KEY = 32
"""A key of 32 random characters cannot be guessed; a word can, offline, from one email."""
MAX_HEADER_URL = 900
"""Longest address for List-Unsubscribe: it cannot be folded, and a line has 998 characters (RFC 5322, 2.1.1)."""
PIXEL, CLICK, UNSUBSCRIBE = "o", "c", "u"
"""The first part of the path, which also distinguishes the purposes' keys."""

MAC_BYTES = 16
"""Of HMAC-SHA256, which may be cut to half (RFC 2104, section 5)."""

KEY_ID_CHARS = 3
DAY_SECONDS = 86_400
FIRST_DAY = 18_262
"""2020-01-01, in days since 1970."""

_BASE_URL = re.compile(r"https?://[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~-]+)*")
_TARGET = re.compile(r"https?://(?![/\\?#])[!-~]+", re.IGNORECASE | re.ASCII)  # without ASCII the s may be a long one
_NUMBER = re.compile(r"[0-9]{1,19}")


@dataclass(frozen=True, slots=True)
class PixelLink:
    """The picture that reports an open."""

    email_id: int
    gen: int
    age_days: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class ClickLink:
    """A link of an email, and where it leads, by http or https in printable ASCII."""

    email_id: int
    gen: int
    target: str
    age_days: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class UnsubscribeLink:
    """The wish to get no more emails of this category. Empty means of any."""

    email_id: int
    gen: int
    category: str = ""


@dataclass(frozen=True, slots=True)
class _Key:
    """`name` is what an address says about which key it is signed with. It gives nothing of the key away."""

    name: str
    secret: bytes


@dataclass(frozen=True, slots=True)
class _Said:
    email_id: int
    gen: int
    text: str
    age_days: int


class Links:
    """Makes the addresses below `base_url`, and reads them. Safe to use from many threads.

    The first of `keys` signs, and each of them is accepted. To change keys, put the new one in front. Take the old one
    away when the emails signed with it are too old to matter. What one `tenant` signs is not valid for another, even
    with the same keys, because their emails have the same numbers. ValueError for a key that is too short, or a base
    URL that is none.
    """

    def __init__(
        self, base_url: str, keys: Sequence[str], tenant: str = "", clock: Callable[[], float] = time.time
    ) -> None:
        """`clock` gives seconds since 1970, for the day that a link is signed."""
        base_url = base_url.rstrip("/")
        if not _BASE_URL.fullmatch(base_url):
            raise ValueError("the base URL is not http(s)://host, perhaps with a port and a path of plain characters")
        if not keys or any(len(key) < MIN_KEY for key in keys):
            raise ValueError(f"there must be at least one key, and each of {MIN_KEY} characters or more")
        self._base = base_url
        self._ours = f"{base_url}/"
        self._keys = {use: [_key(key, use, tenant) for key in keys] for use in (PIXEL, CLICK, UNSUBSCRIBE)}
        self._clock = clock

    def pixel(self, email_id: int, gen: int) -> str:
        """The address of the picture."""
        return f"{self._url(PIXEL, f'{email_id}.{gen}')}.gif"

    def click(self, email_id: int, gen: int, target: str) -> str | None:
        """The redirect to `target`. None if it cannot be one (no http(s), too long, or an address of ours already)."""
        spelt = _spelt_target(target) if len(target) <= MAX_URL and not target.startswith(self._ours) else None
        if spelt is None:
            return None
        url = self._url(CLICK, f"{email_id}.{gen}.{spelt}")
        return url if len(url) <= MAX_URL else None

    def unsubscribe(self, email_id: int, gen: int, category: str = "") -> str:
        """The one-click address of RFC 8058, for `rendering.unsubscribe` to make header fields of.

        ValueError if the category is a name so long that no header could hold it.
        """
        url = self._url(UNSUBSCRIBE, f"{email_id}.{gen}.{_spelt(category)}")
        if len(url) > MAX_HEADER_URL:
            raise ValueError("the name of the job's category is too long for a List-Unsubscribe header")
        return url

    def read_pixel(self, token: str) -> PixelLink | None:
        """What the picture's token says. None unless we made it."""
        said = self._read(PIXEL, token, 0)
        return PixelLink(said.email_id, said.gen, said.age_days) if said else None

    def read_click(self, token: str) -> ClickLink | None:
        """What a redirect's token says. None unless we made it."""
        said = self._read(CLICK, token, 1)
        return ClickLink(said.email_id, said.gen, said.text, said.age_days) if said and is_target(said.text) else None

    def read_unsubscribe(self, token: str) -> UnsubscribeLink | None:
        """What an unsubscription's token says. None unless we made it."""
        said = self._read(UNSUBSCRIBE, token, 1)
        return UnsubscribeLink(said.email_id, said.gen, said.text) if said else None

    def _url(self, purpose: str, said: str) -> str:
        key = self._keys[purpose][0]
        signed = f"{said}.{self._day()}"
        return f"{self._base}/{purpose}/{signed}.{key.name}{_mac(key.secret, signed)}"

    def _day(self) -> int:
        return int(self._clock() // DAY_SECONDS) - FIRST_DAY

    def _read(self, purpose: str, token: str, texts: int) -> _Said | None:
        """The numbers and the text ("" if `texts` is 0) of a token that we signed for this purpose."""
        if len(token) > MAX_TOKEN or not token.isascii():
            return None
        signed, _, name_and_mac = token.rpartition(".")
        name, mac = name_and_mac[:KEY_ID_CHARS], name_and_mac[KEY_ID_CHARS:]
        # Compared in constant time: how long it takes says nothing.
        keys = [key for key in self._keys[purpose] if key.name == name]
        if not any(hmac.compare_digest(_mac(key.secret, signed), mac) for key in keys):
            return None
        email_id, gen, *text, day = signed.split(".") if signed.count(".") == 2 + texts else ("", "", "")
        if not all(_NUMBER.fullmatch(number) for number in (email_id, gen, day)):
            return None  # another release may have signed others
        age_days = max(0, self._day() - int(day))
        return _Said(int(email_id), int(gen), _read_text(text[0]) if text else "", age_days)


def is_target(url: str) -> bool:
    """Whether a redirect may lead there.

    It must be absolute, http or https, with a host, and nothing that could end a header.

    At most MAX_URL characters.
    """
    return len(url) <= MAX_URL and _TARGET.fullmatch(url) is not None


def _key(secret: str, purpose: str, tenant: str) -> _Key:
    """A key for one use. No signature for another purpose, or by another tenant with the same secret, fits here."""
    key = hmac.digest(secret.encode(), f"eed-delivery link 2 {purpose} {tenant}".encode(), "sha256")
    name = urlsafe_b64encode(hmac.digest(key, b"eed-delivery key name", "sha256")).decode("ascii")
    return _Key(name[:KEY_ID_CHARS], key)


def _mac(key: bytes, said: str) -> str:
    return urlsafe_b64encode(hmac.digest(key, said.encode("ascii"), "sha256")[:MAC_BYTES]).rstrip(b"=").decode("ascii")


@lru_cache(maxsize=1024)  # mostly the same links in every email of a job
def _spelt_target(target: str) -> str | None:
    return _spelt(target) if is_target(target) else None


def _spelt(text: str) -> str:
    return urlsafe_b64encode(text.encode()).rstrip(b"=").decode("ascii")


def _read_text(spelt: str) -> str:
    return urlsafe_b64decode(spelt + "=" * (-len(spelt) % 4)).decode()
