"""The key by which a channel knows its server: written out, or as a fingerprint. No other key is accepted."""

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass

from eed_delivery.errors import InfrastructureFailure

_FINGERPRINT = "SHA256:"
_DIGEST_BYTES = 32
RSA = "ssh-rsa"
_RSA_ALGORITHMS = ("rsa-sha2-512", "rsa-sha2-256")
"""What a server with an RSA key is asked for: RFC 8332. Its own name, ssh-rsa, would sign with SHA-1."""


@dataclass(frozen=True, slots=True)
class PinnedKey:
    """`fingerprint`: as OpenSSH writes it. `algorithms`: in which a server may show the key; (): any."""

    fingerprint: str
    algorithms: tuple[str, ...] = ()

    def check(self, offered: bytes, kind: str) -> None:
        """Raises InfrastructureFailure with the fingerprint of the key that was offered, if it is another one."""
        shown = fingerprint(offered)
        if not hmac.compare_digest(shown, self.fingerprint):
            raise InfrastructureFailure(
                f"the server showed the host key {kind} {shown}, and host_key is {self.fingerprint}. Nothing was sent. "
                "Ask the server's operator whether the key has changed, and set host_key"
            )


def fingerprint(key: bytes) -> str:
    """As `ssh-keygen -l` shows it."""
    return _FINGERPRINT + base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")


def parsed(text: str) -> PinnedKey:
    """A key in the form of known_hosts without the host, or its SHA-256. Raises ValueError.

    https://man.openbsd.org/sshd.8#SSH_KNOWN_HOSTS_FILE_FORMAT
    """
    if text.startswith(_FINGERPRINT):
        if len(_decoded(text.removeprefix(_FINGERPRINT) + "=")) != _DIGEST_BYTES:
            raise ValueError("a fingerprint has 43 characters after SHA256:")
        return PinnedKey(text)
    kind, _, rest = text.strip().partition(" ")
    key = _decoded(rest.split(" ")[0])
    if not key.startswith(len(kind).to_bytes(4, "big") + kind.encode()):
        raise ValueError("the key is not of the kind before it")
    return PinnedKey(fingerprint(key), _RSA_ALGORITHMS if kind == RSA else (kind,))


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError("it is not base64") from None
