"""Attachments from a directory of this host. No row of the source can reach a file outside of it."""

import errno
import ntpath
import os
import stat
from pathlib import Path

from eed_delivery.errors import InfrastructureFailure, RenderError

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
"""O_NONBLOCK: opening a FIFO without a writer must not hang; for a regular file it changes nothing."""

_WORDS = {
    errno.ENOENT: "there is no such file",
    errno.ENOTDIR: "it leads through a file or a symbolic link, which is not followed",
    errno.ELOOP: "it is a symbolic link, which is not followed",
    errno.EMLINK: "it is a symbolic link, which is not followed",  # what some BSDs say
    errno.ENAMETOOLONG: "a part of its name is too long",
    errno.ENXIO: "it is not a regular file",  # a socket
    errno.EACCES: "this service may not read it",
    errno.EPERM: "this service may not read it",
}
"""What is wrong with this one file. Every other errno (EIO, ESTALE, EMFILE, …) is the host's fault, not the email's."""


def read_file(root: Path, location: str, limit: int) -> bytes:
    """The content of a regular file below `root`.

    Each component is opened relative to the one before it and never through a symbolic link. So no rename or link
    swapped in meanwhile can lead outside. Only `root` itself may be a link. An absolute `location` is taken if it
    begins with `root`. Raises RenderError for what is wrong with this file, InfrastructureFailure when the root or the
    disk is.
    """
    components = _components(root, location)
    directory = _open_root(root)
    try:
        for component in components[:-1]:
            inner = os.open(component, _DIRECTORY, dir_fd=directory)
            os.close(directory)
            directory = inner
        return _read(os.open(components[-1], _FILE, dir_fd=directory), location, limit)
    except OSError as error:
        raise _failure(error, location) from error
    finally:
        os.close(directory)


def _components(root: Path, location: str) -> list[str]:
    if location.startswith("/"):
        prefix = f"{str(root).rstrip('/')}/"
        if not location.startswith(prefix):
            words = f"it is outside of the attachments' directory{_hint(location)}"
            raise RenderError(f"attachment {location!r}: {words}")
        relative = location[len(prefix) :]
    else:
        relative = location
    components = [component for component in relative.split("/") if component not in ("", ".")]
    if ".." in components or not components:
        raise RenderError(f"attachment {location!r}: it is not a path below the attachments' directory")
    return components


def _open_root(root: Path) -> int:
    try:
        return os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        words = f"the attachments' directory {root} cannot be opened: {os.strerror(error.errno or 0)}"
        raise InfrastructureFailure(f"{words}. Check rendering.attachments_root and its mount.") from error


def _failure(error: OSError, location: str) -> RenderError | InfrastructureFailure:
    words = _WORDS.get(error.errno or 0)
    if words:
        return RenderError(f"attachment {location!r}: {words}{_hint(location)}")
    return InfrastructureFailure(f"the disk with attachment {location!r} failed: {error.strerror}")


def _hint(location: str) -> str:
    """What to do about a path of Windows (a drive, a share, or backslashes, which are ordinary letters here).

    https://learn.microsoft.com/en-us/dotnet/standard/io/file-path-formats
    """
    drive, path = ntpath.splitdrive(location)
    if "\\" not in location and not (drive and path.startswith("/")):
        return ""
    below = path.replace("\\", "/").lstrip("/")
    words = "It is a Windows path. Store paths below rendering.attachments_root, with / between their parts"
    return f". {words}, like {below!r}"


def _read(file: int, location: str, limit: int) -> bytes:
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            raise RenderError(f"attachment {location!r}: it is not a regular file")
        check_length(status.st_size, location, limit)
        content = _read_at_most(file, status.st_size + 1)  # one more, to see that it grows
    finally:
        os.close(file)
    if len(content) != status.st_size:
        raise RenderError(
            f"attachment {location!r}: it changed while it was read. Requeue the email when it is complete"
        )
    return content


def _read_at_most(file: int, limit: int) -> bytes:
    pieces, left = [], limit
    while left > 0 and (piece := os.read(file, min(left, 1 << 20))):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


def check_length(length: int, location: str, limit: int) -> None:
    """RenderError when an attachment of `length` bytes is over `limit`."""
    if length > limit:
        sizes = f"{length:,} bytes or more, the limit is {limit:,}"
        raise RenderError(f"attachment {location!r} is too large: {sizes} (rendering.max_attachment_bytes)")
