"""What all channels have that put files: which documents of an email, and under which path."""

import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from eed_delivery.config.formats import MailHost, Seconds, SecondsOrNone, is_loopback, mistake
from eed_delivery.config.section import Section

Document = Literal["attachments", "html", "eml"]
"""The attachments as the source names them, the rendered HTML, or the whole message."""
Verify = Literal["size", "hash"]
"""How an upload is checked before it gets its name: by its size, or by the hash of what the server has."""


def _documents(given: Any) -> Any:
    return [given] if isinstance(given, str) else given


def _directory(text: str) -> str:
    if re.search(r"[\\\x00-\x1f\x7f]", text) or ".." in text.split("/") or len(text) > _MAX_DIRECTORY:
        raise mistake(f"{text[:80]!r} is not a directory", 'Give it like incoming/bank, without ".." and backslashes.')
    return text


_MAX_DIRECTORY = 500
Directory = Annotated[str, AfterValidator(_directory)]
"""A directory on another host, by the words of its operator. It may begin with /."""


class FileChannelSettings(Section):
    """The settings that the kinds `s3`, `sftp` and `ftp` share. `path` is a template, below the channel's root, and so
    is `manifest`. "": no manifest is put.

    `ROOT`: which settings say where the channel's root is. A kind names its own.
    """

    ROOT: ClassVar[tuple[str, ...]] = ()

    path: Annotated[str, Field(min_length=1, max_length=1000)] = "{{ job }}/{{ filename }}"
    documents: Annotated[tuple[Document, ...], BeforeValidator(_documents), Field(min_length=1, max_length=3)] = (
        "attachments",
    )
    manifest: Annotated[str, Field(max_length=1000)] = "{{ job }}/manifest{{ edition }}.{{ format }}"


class FolderChannelSettings(FileChannelSettings):
    """The settings that the kinds `sftp` and `ftp` share: the server, who logs in, and the directory there."""

    ROOT: ClassVar[tuple[str, ...]] = ("host", "port", "username", "directory")

    host: MailHost
    port: Annotated[int, Field(ge=1, le=65_535)]
    username: Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]{1,128}$")]
    directory: Directory = ""
    make_directories: bool = True
    verify: Verify = "size"
    answer_timeout_seconds: Seconds = 30
    max_idle_seconds: SecondsOrNone = 60


def refuse_clear_text(host: str, what: str, remedy: str, *, allowed: bool) -> None:
    """Raises a mistake if `what` would go to another host without TLS, and no setting allows that."""
    if not allowed and not is_loopback(host):
        raise mistake(
            f"{what} would go to {host} in clear text", f"{remedy} To allow clear text, set allow_clear_text = true."
        )
