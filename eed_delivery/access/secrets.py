"""Tokens and session ids, and the lengths of passwords.

A token or an id has 256 random bits, so that its plain SHA-256 can be kept in its place.
"""

import hashlib
import re
import secrets

TOKEN_PREFIX = "eed_"  # noqa: S105 - for scanners that look for secrets, and none itself
BYTES = 32
SHORTEST_PASSWORD, LONGEST_PASSWORD = 15, 256
"""Characters. NIST SP 800-63B-4, section 3.1.1.2: 15 for a password that is the only factor."""
TOKEN = re.compile(rf"{TOKEN_PREFIX}[A-Za-z0-9_-]{{43}}")


def new_api_token() -> str:
    """A token to be shown once."""
    return TOKEN_PREFIX + secrets.token_urlsafe(BYTES)


def new_session_id() -> str:
    """An id for a cookie."""
    return secrets.token_urlsafe(BYTES)


def digest(secret: str) -> bytes:
    """What the ledger keeps of a token or a session id."""
    return hashlib.sha256(secret.encode("utf-8", "backslashreplace")).digest()
