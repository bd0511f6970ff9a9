"""The settings of an FTP channel. docs/channels.md says what each is for."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from eed_delivery.config.file_channels import FolderChannelSettings, refuse_clear_text
from eed_delivery.config.references import SecretReference


class FtpSettings(FolderChannelSettings):
    """The server, who logs in, and the directory. `explicit`: AUTH TLS, and TLS for each file (RFC 4217)."""

    port: Annotated[int, Field(ge=1, le=65_535)] = 21
    tls: Literal["explicit", "none"] = "explicit"
    ca_file: Path | None = None
    allow_clear_text: bool = False
    password: SecretReference

    @model_validator(mode="after")
    def _safe(self) -> "FtpSettings":
        if self.tls == "none":
            what = "the password and whole files"
            refuse_clear_text(self.host, what, 'Set tls = "explicit".', allowed=self.allow_clear_text)
        return self
