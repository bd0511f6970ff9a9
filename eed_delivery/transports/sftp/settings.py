"""The settings of an SFTP channel. docs/channels.md says what each is for."""

from typing import Annotated

from pydantic import Field, StringConstraints, field_validator, model_validator

from eed_delivery.config.file_channels import FolderChannelSettings
from eed_delivery.config.formats import Seconds, mistake
from eed_delivery.config.references import SecretReference
from eed_delivery.transports.sftp.host_key import parsed


class SftpSettings(FolderChannelSettings):
    """The server, who logs in, and the directory. `directory`: relative to the login's, if it has no / before."""

    port: Annotated[int, Field(ge=1, le=65_535)] = 22
    host_key: str
    private_key: SecretReference | None = None
    private_key_passphrase: SecretReference | None = None
    password: SecretReference | None = None
    permissions: Annotated[str, StringConstraints(pattern=r"^0?[0-7]{3}$")] | None = None
    connect_timeout_seconds: Seconds = 15

    @property
    def connect_seconds(self) -> float:
        """How long TCP, the exchange of keys, and the login take together. Each has the timeout."""
        return 3 * self.connect_timeout_seconds

    @field_validator("host_key")
    @classmethod
    def _a_key(cls, text: str) -> str:
        try:
            parsed(text)
        except ValueError as error:
            remedy = 'Give a line of ssh-keyscan without the host, "ssh-ed25519 AAAA…", or "SHA256:…".'
            raise mistake(f"it is not a host key: {error}", remedy) from None
        return text

    @model_validator(mode="after")
    def _one_login(self) -> "SftpSettings":
        if (self.private_key is None) == (self.password is None):
            what = "private_key and password: exactly one of them is needed"
            raise mistake(what, "Give one of them as a reference, like credential:NAME.")
        if self.private_key_passphrase is not None and self.private_key is None:
            raise mistake("private_key_passphrase is given without private_key", "Remove it.")
        return self
