"""Keyed hashes in the place of addresses: what stays of a person whose data was erased.

A pseudonym is the HMAC-SHA256 of a canonical address (RFC 2104), behind the name of its key:
`hmac-sha256:3f9a0c11:…`. Equal addresses have equal pseudonyms, so that an erased address is still recognized. Without
the key nobody can try addresses against it.
"""

import hmac
import re
from collections.abc import Sequence

PREFIX = "hmac-sha256:"
BEYOND = "hmac-sha256;"
"""The first text that sorts behind all pseudonyms. No address begins with `PREFIX`: a colon needs quotes (RFC 5322)."""
KEY_ID_CHARS = 8
LENGTH = len(PREFIX) + KEY_ID_CHARS + 1 + 64
_FORM = re.compile(rf"{PREFIX}([0-9a-f]{{{KEY_ID_CHARS}}}):[0-9a-f]{{64}}")
_KEY_ID_OF = b"eed_delivery: the name of this key"  # never an address: it has no @


class UnknownPseudonymKey(ValueError):
    """A pseudonym is wanted, and there is no key to make it with."""


def is_pseudonym(text: str | None) -> bool:
    """Whether a text stands for an erased address."""
    return text is not None and text.startswith(PREFIX) and _FORM.fullmatch(text) is not None


def key_id_of(pseudonym: str) -> str:
    """The name of the key that a pseudonym was made with."""
    return pseudonym[len(PREFIX) : len(PREFIX) + KEY_ID_CHARS]


class Pseudonyms:
    """Makes pseudonyms. The first of `secrets` makes new ones, and all of them recognize those that are there."""

    def __init__(self, secrets: Sequence[str] = ()) -> None:
        self._keys = [(_key_id(secret.encode()), secret.encode()) for secret in secrets]

    def __bool__(self) -> bool:
        """Whether there is a key."""
        return bool(self._keys)

    @property
    def key_ids(self) -> frozenset[str]:
        """The names of the keys."""
        return frozenset(key_id for key_id, _ in self._keys)

    def of(self, address: str) -> str:
        """The pseudonym that a canonical address gets. Raises `UnknownPseudonymKey`."""
        if not self._keys:
            raise UnknownPseudonymKey("there is no key")
        return _pseudonym(*self._keys[0], address)

    def all_of(self, address: str) -> tuple[str, ...]:
        """Each pseudonym that a canonical address may have got, one a key. A pseudonym stands for itself."""
        if is_pseudonym(address):
            return (address,)
        return tuple(_pseudonym(key_id, key, address) for key_id, key in self._keys)


NO_PSEUDONYMS = Pseudonyms()
"""Of a service without a key."""


def _pseudonym(key_id: str, key: bytes, address: str) -> str:
    return f"{PREFIX}{key_id}:{hmac.digest(key, address.encode(), 'sha256').hex()}"


def _key_id(key: bytes) -> str:
    return hmac.digest(key, _KEY_ID_OF, "sha256").hex()[:KEY_ID_CHARS]
