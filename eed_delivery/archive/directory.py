"""An archive that is a directory: of this host, or one that is mounted."""

import hashlib
import os
import secrets
from contextlib import suppress
from pathlib import Path

from eed_delivery.errors import InfrastructureFailure, PermanentFailure
from eed_delivery.model import Accepted, File, Files
from eed_delivery.private_files import create_private
from eed_delivery.transports import Grant

DIRECTORY_MODE = 0o700


class DirectoryStore:
    """Files below a directory, for their owner alone. See `FileTransport` for the contract.

    A file is written under a hidden name, synced, and linked to its own one. So it is there with all of its bytes, or
    not at all.
    """

    name = "directory"
    wire_seconds = 60.0  # nothing here has a timeout

    def __init__(self, root: Path) -> None:
        self._root = root

    def send(self, message: Files, grant: Grant) -> Accepted:
        """See `FileTransport.send`."""
        drafts = [(self._draft(file), file) for file in message.files]
        try:
            grant()
            for draft, file in drafts:
                self._publish(draft, file)
        finally:
            for draft, _ in drafts:
                with suppress(OSError):
                    draft.unlink()
        return Accepted("stored", None, None)

    def settle(self, message: Files) -> Accepted | None:
        """See `FileTransport.settle`."""
        for file in message.files:
            try:
                if not self._is_same(file):
                    raise _other_bytes(file)
            except FileNotFoundError:
                return None
            except OSError as error:
                raise self._broken(error) from error
        return Accepted("it was there", None, None)

    def probe(self) -> None:
        """See `FileTransport.probe`."""
        try:
            self._root.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
            path = self._root / f".{secrets.token_hex(8)}.part"
            create_private(path).close()
            path.unlink()
        except OSError as error:
            raise self._broken(error) from error

    def close(self) -> None:
        """Nothing is kept open."""

    def _draft(self, file: File) -> Path:
        folder = (self._root / file.path).parent
        draft = folder / f".{secrets.token_hex(8)}.part"
        try:
            self._make(folder)
            with create_private(draft) as out:
                out.write(file.content)
                out.flush()
                os.fsync(out.fileno())
        except OSError as error:
            with suppress(OSError):
                draft.unlink()
            raise self._broken(error) from error
        return draft

    def _make(self, folder: Path) -> None:
        """With each folder above it, up to the root."""
        for one in (self._root, *reversed(folder.parents), folder):
            if one == self._root:
                one.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
            elif one.is_relative_to(self._root):
                one.mkdir(mode=DIRECTORY_MODE, exist_ok=True)

    def _publish(self, draft: Path, file: File) -> None:
        path = self._root / file.path
        try:
            path.hardlink_to(draft)  # it refuses to replace a file that is there
        except FileExistsError:
            if not self._is_same(file):
                raise _other_bytes(file) from None
        except OSError as error:
            raise self._broken(error) from error
        try:
            _sync(path.parent)
        except OSError as error:
            raise self._broken(error) from error

    def _is_same(self, file: File) -> bool:
        with (self._root / file.path).open("rb") as there:
            return hashlib.file_digest(there, "sha256").hexdigest() == file.sha256

    def _broken(self, error: OSError) -> InfrastructureFailure:
        return InfrastructureFailure(f"the directory {self._root} cannot be used: {error.strerror or error}")


def _sync(directory: Path) -> None:
    """Make the names in it durable."""
    opened = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _other_bytes(file: File) -> PermanentFailure:
    return PermanentFailure(f"{file.path} is there already, with other bytes")
