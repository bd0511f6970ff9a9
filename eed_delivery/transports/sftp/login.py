"""Who logs in: a private key or a password, read once from where the reference leads."""

from io import StringIO
from typing import Any

import paramiko
from paramiko import SSHException

from eed_delivery.errors import ConfigError, InfrastructureFailure, Problem
from eed_delivery.transports.kind import Surroundings
from eed_delivery.transports.sftp.settings import SftpSettings

_KINDS: tuple[type[Any], ...] = (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey)


class SftpLogin:
    """Logs in over a connection whose host key has been checked. Raises `ConfigError` for a key that is none."""

    def __init__(self, settings: SftpSettings, surroundings: Surroundings) -> None:
        self._username = settings.username
        self._password = self._key = None
        if settings.password is not None:
            self._password = surroundings.secret("password", settings.password)
        elif settings.private_key is not None:
            given = settings.private_key_passphrase
            passphrase = surroundings.secret("private_key_passphrase", given) if given else None
            self._key = private_key(surroundings.secret("private_key", settings.private_key), passphrase)

    def over(self, ssh: Any) -> None:
        """Raises InfrastructureFailure if the server refuses."""
        try:
            if self._key is not None:
                ssh.auth_publickey(self._username, self._key)
            else:
                ssh.auth_password(self._username, self._password)
        except paramiko.AuthenticationException as error:
            what = "private_key" if self._key is not None else "password"
            did = "refuses" if ssh.is_active() else "ends the connection, or does not answer in time, at"
            words = f"the server {did} the login of {self._username}. Check username and {what}"
            raise InfrastructureFailure(words, for_all=True) from error


def private_key(text: str, passphrase: str | None) -> paramiko.PKey:
    """A key in OpenSSH's or PEM form. Raises `ConfigError`, and never shows the key."""
    for kind in _KINDS:
        try:
            key: paramiko.PKey = kind.from_private_key(StringIO(text + "\n"), passphrase)
        except paramiko.PasswordRequiredException:
            raise _unusable("it is encrypted", "Give private_key_passphrase.") from None
        except (SSHException, ValueError, IndexError, TypeError, UnicodeError):
            continue
        return key
    what = "it is not a private key of Ed25519, ECDSA or RSA, or the passphrase is wrong"
    raise _unusable(what, "Give a key that ssh-keygen made.")


def _unusable(what: str, remedy: str) -> ConfigError:
    return ConfigError([Problem("private_key", what, remedy)])
