"""The archive of a channel: where a copy of each accepted email goes, and the spool in which it waits."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from eed_delivery.config.formats import S3_PREFIX, HttpUrl, mistake
from eed_delivery.config.section import OnDemand, Section

S3 = "s3://"
GIB = 1024**3


def _place(text: str) -> str:
    if text.startswith(S3) and S3_PREFIX.fullmatch(text):
        return text
    if Path(text).is_absolute():
        return text
    raise mistake(
        f"{text!r} is neither a place in S3 nor an absolute path",
        "Give s3://bucket/prefix, or a directory like /srv/archive.",
    )


ArchivePlace = Annotated[str, AfterValidator(_place)]


class ArchiveSettings(Section):
    """Where copies go (`url`; None: there is no archive), how S3 is to keep them, and how they wait on this host."""

    url: ArchivePlace | None = None
    object_lock_mode: Literal["governance", "compliance"] | None = None
    object_lock_days: Annotated[int, Field(ge=1, le=36_500)] | None = None
    kms_key: Annotated[str, Field(min_length=1, max_length=2048)] | None = None
    endpoint_url: HttpUrl | None = None
    uploads: Annotated[int, Field(ge=1, le=64)] = 8
    spool: Path = Path("archive-spool")
    spool_max_bytes: Annotated[int, Field(ge=1024**2)] = GIB
    spool_sync: bool = True

    @property
    def in_s3(self) -> bool:
        return self.url is not None and self.url.startswith(S3)

    @property
    def bucket(self) -> str:
        """Of an archive in S3."""
        return str(self.url).removeprefix(S3).partition("/")[0]

    @property
    def prefix(self) -> str:
        """What stands before each key in S3: "", or with a "/" at its end."""
        prefix = str(self.url).removeprefix(S3).partition("/")[2].strip("/")
        return prefix and f"{prefix}/"


NO_ARCHIVE = ArchiveSettings.left_out()


def _as_table(value: Any) -> Any:
    return {"url": value} if isinstance(value, str) else value


Archive = Annotated[ArchiveSettings, BeforeValidator(_as_table)]
"""`archive = "s3://bucket/prefix"`, or a table with more of its settings."""
ArchiveOnDemand = Annotated[OnDemand[ArchiveSettings], BeforeValidator(_as_table)]
"""The same, compiled when there is one."""
