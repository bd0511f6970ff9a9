"""Facts that a caller carries for us from one request to the next. They can neither be read nor changed."""

import base64
import hashlib

from cryptography.fernet import Fernet, InvalidToken

LASTS_SECONDS = 86_400
DIGEST_BYTES = 32


class Seal:
    """For one purpose, with a key that follows from the role's secret."""

    def __init__(self, secret: str, purpose: str) -> None:
        key = hashlib.sha256(f"{purpose}\n{secret}".encode()).digest()
        self._fernet = Fernet(base64.urlsafe_b64encode(key))

    def sealed(self, facts: bytes, whose: str = "") -> str:
        """As text of letters, digits, - and _. With `whose`, for this person alone."""
        return self._fernet.encrypt(_digest(whose) + facts).decode()

    def opened(self, text: str, whose: str = "") -> bytes | None:
        """What was sealed within a day, for the same person. None for all else."""
        try:
            found = self._fernet.decrypt(text.encode("utf-8", "replace"), LASTS_SECONDS)
        except InvalidToken:
            return None
        owner, facts = found[:DIGEST_BYTES], found[DIGEST_BYTES:]
        return facts if owner == _digest(whose) else None


def _digest(whose: str) -> bytes:
    return hashlib.sha256(whose.encode("utf-8", "replace")).digest()
