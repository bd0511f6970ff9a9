"""Hashes of passwords, by argon2id with OWASP's least parameters. At most two are computed at the same time.

https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html
"""

import threading

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from eed_delivery.access.secrets import LONGEST_PASSWORD

AT_ONCE = 2
"""Each takes 19 MiB."""
_room = threading.BoundedSemaphore(AT_ONCE)
_hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
_UNKNOWN_USERS = _hasher.hash("no user has this password")
"""Made at once, so that the first unknown name takes no longer than others."""


def hashed(password: str) -> str:
    """The hash of a password, with its salt and parameters."""
    with _room:
        return _hasher.hash(password)


def verify(password: str, password_hash: str | None) -> bool:
    """Whether the password is the one. None is the hash of an unknown user, and takes as long."""
    with _room:
        try:
            right = _hasher.verify(password_hash or _UNKNOWN_USERS, password[:LONGEST_PASSWORD])
        except (VerificationError, InvalidHashError):
            return False
    return right and password_hash is not None
