"""The settings of an FTP channel. docs/channels.md says what each is for."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from eed_delivery.config.file_channels import Directory, FileChannelSettings, refuse_clear_text
from eed_delivery.config.formats import MailHost, Seconds
from eed_delivery.config.references import SecretReference
from eed_delivery.transports.remote_folder import Verify


class FtpSettings(FileChannelSettings):
    """The server, whom we log in as, and the directory. `explicit`: AUTH TLS, and TLS for each file (RFC 4217)."""

    host: MailHost
    port: Annotated[int, Field(ge=1, le=65_535)] = 21
    tls: Literal["explicit", "none"] = "explicit"
    ca_file: Path | None = None
    allow_clear_text: bool = False
    username: Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]{1,128}$")]
    password: SecretReference
    directory: Directory = ""
    make_directories: bool = True
    verify: Verify = "size"
    answer_timeout_seconds: Seconds = 30

    @model_validator(mode="after")
    def _safe(self) -> "FtpSettings":
        if self.tls == "none":
            what = "the password and whole files"
            refuse_clear_text(self.host, what, 'Set tls = "explicit".', allowed=self.allow_clear_text)
        return self
