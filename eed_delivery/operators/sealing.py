"""Facts that a caller carries for us from one request to the next. They can neither be read nor changed."""

import base64
import hashlib

from cryptography.fernet import Fernet, InvalidToken

LASTS_SECONDS = 86_400


class Seal:
    """For one purpose, with a key that follows from the role's secret."""

    def __init__(self, secret: str, purpose: str) -> None:
        key = hashlib.sha256(f"{purpose}\n{secret}".encode()).digest()
        self._fernet = Fernet(base64.urlsafe_b64encode(key))

    def sealed(self, facts: bytes) -> str:
        """As text of letters, digits, - and _."""
        return self._fernet.encrypt(facts).decode()

    def opened(self, text: str) -> bytes | None:
        """What was sealed within a day. None for all else."""
        try:
            return self._fernet.decrypt(text.encode("utf-8", "replace"), LASTS_SECONDS)
        except InvalidToken:
            return None
