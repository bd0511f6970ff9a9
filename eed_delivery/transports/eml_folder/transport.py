"""A folder of .eml files, for the demo and for a rehearsal before the real run."""

import contextlib
import errno
import itertools
import os
import secrets
from pathlib import Path

from eed_delivery.config import EmlFolderSettings
from eed_delivery.errors import InDoubt, InfrastructureFailure
from eed_delivery.model import Accepted, Rendered
from eed_delivery.private_files import create_private
from eed_delivery.transports import Grant


class EmlFolderTransport:
    """Writes each message to `<email_id>.<gen>.eml`. See `Transport` for the contract.

    A second message of the same email and gen gets a number (`17.1.2.eml`). A rehearsal must show what the real run
    would have sent twice.
    """

    name = "eml_folder"
    wire_seconds = 60.0  # nothing here has a timeout; a local disk that takes longer is broken

    def __init__(self, settings: EmlFolderSettings) -> None:
        self._directory = Path(settings.directory)

    def send(self, message: Rendered, grant: Grant) -> Accepted:
        """Write the file under a hidden name, then link it to its real one, which is the wire. See
        `Transport.send`."""
        draft = self._write_draft(message)
        try:
            grant()
            path = self._publish(draft, f"{message.email_id}.{message.gen}")
        finally:
            with contextlib.suppress(OSError):  # a draft left behind is untidy; the answer stands
                draft.unlink()
        return Accepted(f"written to {path.name}", 250, message.message_id)

    def probe(self) -> None:
        """See whether a file can be written. See `Transport.probe`."""
        try:
            self._create(b"").unlink()
        except OSError as e:
            raise self._broken(e) from e

    def close(self) -> None:
        """Nothing is kept open."""

    def _write_draft(self, message: Rendered) -> Path:
        try:
            return self._create(message.content)
        except OSError as e:
            raise self._broken(e) from e

    def _create(self, content: bytes) -> Path:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self._directory / f".{secrets.token_hex(8)}.tmp"
        try:
            with create_private(draft) as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            with contextlib.suppress(OSError):
                draft.unlink()
            raise
        return draft

    def _publish(self, draft: Path, stem: str) -> Path:
        for number in itertools.count(1):
            path = self._directory / (f"{stem}.eml" if number == 1 else f"{stem}.{number}.eml")
            try:
                # link, not rename: it refuses to replace a file that is there, in one step.
                path.hardlink_to(draft)
            except FileExistsError:
                continue
            except OSError as e:
                raise self._broken(e) from e
            self._sync_directory()
            return path
        raise AssertionError("unreachable: the count has no end")

    def _sync_directory(self) -> None:
        """Make the new name durable. The file is there by now, so a failure is a doubt and not a no."""
        try:
            directory = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)
        except OSError as e:
            raise InDoubt(f"eml_folder {self._directory}: the file is written, but may not survive a crash: {e}") from e

    def _broken(self, error: OSError) -> InfrastructureFailure:
        remedy = (
            "Free some space"
            if error.errno in (errno.ENOSPC, errno.EDQUOT)
            else "Check eml_folder.directory and that the service's user may write there"
        )
        return InfrastructureFailure(f"eml_folder {self._directory}: {error.strerror or error}. {remedy}")
