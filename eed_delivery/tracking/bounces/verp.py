"""The envelope sender that says which email a bounce is about (VERP: variable envelope return path), and proves it.

It is `b+<email_id>.<gen>.<mac>@bounces.bank.example`. Only recipients of the email can name its address, so no one else
can make it bounce. What the bounce itself says about whom it concerns is never believed.
"""

import hmac
import re
from base64 import b32encode
from collections.abc import Sequence
from hashlib import sha256
from itertools import islice

from eed_delivery.config import BouncesSettings
from eed_delivery.errors import ConfigError, Problem

PLACE = "{}"
DEFAULT_LOCAL_PART = "b+{}"
HIGHEST = 2**63 - 1
MAC_CHARS = 16
"""80 bits in base32. Each guess costs the guesser one email to us, so that is far more than enough."""
MAX_LOCAL_PART = 64
"""Octets; RFC 5321, 4.5.3.1.1."""
MAX_ADDRESS = 254
"""Octets; RFC 5321, 4.5.3.1.3 allows 256 with the angle brackets."""
SHORTEST_SECRET = 16
MAX_FOUND = 20
"""Addresses of our form in one text that are tried."""
_LONGEST_TOKEN = len(f"{HIGHEST}.{HIGHEST}.") + MAC_CHARS

# Only what survives a server that changes the case (RFC 5321, 2.4 forbids it, and many do it), and needs no quotes.
_LOCAL_PART = re.compile(r"[a-z0-9+_-]+(?:\.[a-z0-9+_-]+)*")
_DOMAIN = re.compile(r"(?=.{1,189}$)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)+")
_TOKEN = re.compile(rf"(0|[1-9][0-9]{{0,18}})\.(0|[1-9][0-9]{{0,18}})\.([a-z2-7]{{{MAC_CHARS}}})")
_MESSAGE_ID = re.compile(
    rf"\s{{0,10}}<?(0|[1-9][0-9]{{0,18}})\.(0|[1-9][0-9]{{0,18}})@([a-z2-7]{{{MAC_CHARS}}})\.", re.ASCII | re.IGNORECASE
)


class Verp:
    """Makes envelope senders and reads them again.

    `setting` is a domain (`bounces.bank.example`) or an address with `{}` where the email's own part goes
    (`bounce+{}@bank.example`). `former` are secrets that were in use until lately. What was sent with them still
    bounces to us. Raises ConfigError.
    """

    def __init__(self, setting: str, secret: bytes, former: Sequence[bytes] = ()) -> None:
        secrets = (secret, *former)
        self._template = _template(setting)
        if any(len(one) < SHORTEST_SECRET for one in secrets):
            raise _mistake(f"a secret has fewer than {SHORTEST_SECRET} bytes", "Make one with openssl rand -hex 32.")
        before, after = self._template.split(PLACE)
        self._shape = re.compile(re.escape(before) + f"({_TOKEN.pattern})" + re.escape(after))
        self._anywhere = re.compile(re.escape(before) + _TOKEN.pattern + re.escape(after), re.IGNORECASE)
        self._keys = tuple(self._key(one, "verp") for one in secrets)
        self._id_keys = tuple(self._key(one, "message-id") for one in secrets)

    @classmethod
    def configured(cls, bounces: BouncesSettings) -> "Verp | None":
        """As the settings say. None if bounces are off. Raises ConfigError."""
        if not bounces.address or bounces.secret is None:
            return None
        former = bounces.former_secrets.get_secret_value().split() if bounces.former_secrets else []
        secret = bounces.secret.get_secret_value().strip()
        return cls(bounces.address, secret.encode(), [one.encode() for one in former])

    def sender(self, email_id: int, gen: int) -> str:
        """The envelope sender of one email. Raises ValueError for a number that no email has."""
        if not (0 <= email_id <= HIGHEST and 0 <= gen <= HIGHEST):
            raise ValueError(f"no email has the number {email_id} and the generation {gen}")
        return self._template.replace(PLACE, f"{email_id}.{gen}.{_mac(self._keys[0], email_id, gen)}")

    def read(self, address: str) -> tuple[int, int] | None:
        """The email's id and generation, or None for an address that we did not make. Never raises."""
        if len(address) > 2 * MAX_ADDRESS or not address.isascii():  # lower() makes a k of the sign for Kelvin
            return None
        found = self._shape.fullmatch(address.strip(" \t\r\n<>").lower())
        if found is None:
            return None
        return self._proven(self._keys, found[2], found[3], found[4])

    def find(self, text: str) -> tuple[int, int] | None:
        """The email of the first of our addresses in a text, which others may have been written around, or None."""
        found = islice(self._anywhere.finditer(text), MAX_FOUND)
        return next(
            (place for one in found if (place := self._proven(self._keys, one[1], one[2], one[3].lower()))), None
        )

    def message_id(self, email_id: int, gen: int, domain: str) -> str:
        """A Message-ID that proves which email it is of. By another key than the address. Answers and archives show
        Message-IDs to others, who must not be able to make the email bounce."""
        return f"<{email_id}.{gen}@{_mac(self._id_keys[0], email_id, gen)}.{domain}>"

    def read_message_id(self, text: str) -> tuple[int, int] | None:
        """The email whose Message-ID it is, or None if we did not make it. Never raises."""
        found = _MESSAGE_ID.match(text)
        return self._proven(self._id_keys, found[1], found[2], found[3].lower()) if found else None

    def _proven(self, keys: Sequence[bytes], email_id: str, gen: str, mac: str) -> tuple[int, int] | None:
        place = int(email_id), int(gen)
        if max(place) > HIGHEST:
            return None
        # All keys every time, each compared in constant time: how long it takes says nothing.
        matches = [hmac.compare_digest(_mac(key, *place), mac) for key in keys]
        return place if any(matches) else None

    def _key(self, secret: bytes, use: str) -> bytes:
        """A key for this one use. No other signature by the same secret, and no other tenant's address, fits here."""
        return hmac.digest(secret, f"eed-delivery {use} 1\0{self._template}".encode("ascii"), sha256)


def _mac(key: bytes, email_id: int, gen: int) -> str:
    digest = hmac.digest(key, f"{email_id}.{gen}".encode("ascii"), sha256)
    return b32encode(digest[: MAC_CHARS * 5 // 8]).decode("ascii").lower()


def _template(setting: str) -> str:
    """The whole address in small letters, with `{}` once in its local part."""
    address = setting.strip().lower()
    if "@" not in address:
        address = f"{DEFAULT_LOCAL_PART}@{address}"
    local_part, _, domain = address.rpartition("@")
    if local_part.count(PLACE) != 1 or PLACE in domain:
        raise _mistake(f"{setting!r} has no single {PLACE} before the @", "Write bounce+{}@bounces.bank.example.")
    if not _LOCAL_PART.fullmatch(local_part.replace(PLACE, "0.0.a")) or not _DOMAIN.fullmatch(domain):
        raise _mistake(f"{setting!r} is not an address of plain ASCII", "Write bounce+{}@bounces.bank.example.")
    if len(local_part) - len(PLACE) + _LONGEST_TOKEN > MAX_LOCAL_PART:
        room = MAX_LOCAL_PART - _LONGEST_TOKEN
        raise _mistake(f"{setting!r} is too long before the @", f"At most {room} characters besides the {PLACE}.")
    return address


def _mistake(what: str, remedy: str) -> ConfigError:
    return ConfigError([Problem("the address for bounces", what, remedy)])
