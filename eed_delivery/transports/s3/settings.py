"""The settings of an S3 channel. docs/channels.md says what each is for."""

from typing import Annotated, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import Field, StringConstraints, field_validator, model_validator

from eed_delivery.config.file_channels import Directory, FileChannelSettings, refuse_clear_text
from eed_delivery.config.formats import HttpUrl, Region, Seconds, SecondsOrNone, mistake

_MAX_TAGS, _MAX_TAG_NAME, _MAX_TAG_VALUE = 10, 128, 256
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html"""


class S3Settings(FileChannelSettings):
    """The bucket, what stands before each key, and what each object gets. `endpoint_url`: for other stores than AWS."""

    ROOT: ClassVar[tuple[str, ...]] = ("bucket", "region", "endpoint_url", "prefix")

    bucket: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]
    region: Region
    endpoint_url: HttpUrl | None = None
    allow_clear_text: bool = False
    prefix: Directory = ""
    kms_key: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9:/_-]{1,2048}$")] | None = None
    storage_class: Annotated[str, StringConstraints(pattern=r"^[A-Z0-9_]{1,32}$")] | None = None
    tags: Annotated[dict[str, str], Field(default_factory=dict, max_length=_MAX_TAGS)]
    object_lock_mode: Literal["GOVERNANCE", "COMPLIANCE"] | None = None
    object_lock_days: Annotated[int, Field(ge=1, le=36_500)] | None = None
    connect_timeout_seconds: Seconds = 5
    read_timeout_seconds: Seconds = 30
    max_idle_seconds: SecondsOrNone = 5

    @property
    def answer_seconds(self) -> float:
        """How long connecting and an answer may take together."""
        return self.connect_timeout_seconds + self.read_timeout_seconds

    @field_validator("prefix")
    @classmethod
    def _ends_with_slash(cls, prefix: str) -> str:
        if prefix.startswith("/") or (prefix and not prefix.endswith("/")):
            raise mistake(f"the prefix {prefix!r} cannot stand before keys", "Give it like statements/2026/.")
        return prefix

    @field_validator("tags")
    @classmethod
    def _short(cls, tags: dict[str, str]) -> dict[str, str]:
        for name, value in tags.items():
            if not 0 < len(name) <= _MAX_TAG_NAME or len(value) > _MAX_TAG_VALUE or name.lower().startswith("aws:"):
                what = f"the tag {name[:40]!r} is not one that S3 takes"
                limits = f"at most {_MAX_TAG_NAME} characters, and a value at most {_MAX_TAG_VALUE}"
                raise mistake(what, f"A name has {limits}. It does not begin with aws:.")
        return tags

    @model_validator(mode="after")
    def _go_together(self) -> "S3Settings":
        if (self.object_lock_mode is None) != (self.object_lock_days is None):
            raise mistake("object_lock_mode and object_lock_days belong together", "Give both, or neither.")
        parts = urlsplit(self.endpoint_url or "")
        if parts.scheme == "http":
            refuse_clear_text(parts.hostname or "", "whole files", "Use https.", allowed=self.allow_clear_text)
        return self
