"""What a kind for folders of another host brings: one open connection, which speaks the server's protocol."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Protocol

from eed_delivery.errors import DeliveryFailure, InfrastructureFailure
from eed_delivery.model import Content


@dataclass(frozen=True, slots=True)
class FolderRefusal:
    """A definite no of the server.

    `said`: its words. `remedy`: what to do, for people. `code`: of its protocol; None if it concerns all files alike.
    `failure`: what it means for the email. `no_directory`: whether the file's directory may be missing.
    """

    said: str
    remedy: str
    code: int | None = None
    failure: type[DeliveryFailure] = InfrastructureFailure
    no_directory: bool = False


class FolderConnection(Protocol):
    """One open connection. Paths are those that the server sees. `sha256` and `free_bytes` can be left out.

    Its methods raise the library's own errors. `errors` names their classes, and `refusal` says what one means.
    """

    errors: ClassVar[tuple[type[Exception], ...]]
    rename_replaces: bool
    """Whether a rename may replace a file that has the new name. Then there is a look just before it."""

    def refusal(self, error: Exception) -> FolderRefusal | None:
        """What the server said no with; None if the connection ended, or no answer came."""
        ...

    def size(self, path: str) -> int | None:
        """The size of a file in bytes; None if there is none."""
        ...

    def sha256(self, path: str) -> str | None:  # noqa: ARG002 - of the Protocol
        """The hash of a file as the server calculates it; None if it does not."""
        return None

    def read(self, path: str) -> Iterator[bytes]:
        """The content of a file, in pieces."""
        ...

    def write(self, path: str, content: Content) -> None:
        """A new file with all of its bytes, durable where the server offers that."""
        ...

    def rename(self, old: str, new: str) -> None:
        """Give a file its name."""
        ...

    def remove(self, path: str) -> None:
        """Remove a file."""
        ...

    def make_directory(self, path: str) -> None:
        """Make a directory in one that is there. That it is there already is no error."""
        ...

    def free_bytes(self, directory: str) -> int | None:  # noqa: ARG002 - of the Protocol
        """How many bytes may still be written there; None if the server does not say."""
        return None

    def look(self, directory: str) -> None:
        """Raise an error if the directory is not there. "": that of the login."""
        ...

    def close(self) -> None:
        """Never raises, and waits for nothing."""
        ...
