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
_UNKNOWN_USERS = "$argon2id$v=19$m=19456,t=2,p=1$XIXkjgRJvqlWMxJc2KVbAg$2xK4lUEzlnd336L2bI75gv2Qw0DqtHTH5IYxcMhxuCc"
"""The hash of random bytes that nobody has kept, made with the same parameters. So an unknown name takes as long as
others, also the first, and a process that checks no password computes none."""


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
