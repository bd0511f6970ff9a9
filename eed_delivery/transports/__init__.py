"""How an email leaves, as one Protocol and its implementations.

- `smtp`         one mail server
- `ses`          Amazon SES
- `eml_folder`   .eml files, for the demo and rehearsals
- `s3`           files into a bucket
- `sftp`         files into a directory of an SFTP server
- `ftp`          files into a directory of an FTP server
- `file_stores`  what kinds that put files have in common
- `kind`         what a kind of channel is, and which are installed
- `replies`      whom a refusal concerns, by its words, and what refusals of one kind have in common
"""

from collections.abc import Callable
from typing import Protocol

from eed_delivery.model import Accepted, Files, Rendered

Grant = Callable[[], None]
"""Asks the ledger for the wire. Returns for yes; raises NoGrant or DatabaseGone for no."""


class Transport(Protocol):
    """One way out. An instance belongs to one thread and may keep a connection open between two sends.

    `name` is the kind, as in `[transport] kind`.

    `wire_seconds` is the longest time that may pass between the grant and the end of `send`. It is the sum of this
    transport's own timeouts. The lease given with the wire must be longer.
    """

    name: str
    wire_seconds: float

    def send(self, message: Rendered, grant: Grant) -> Accepted:
        """Send one message. Returns only for a definite yes.

        `grant` is called at most once, at the wire. That is after RCPT was accepted and before DATA (SMTP), just before
        the POST (SES), or before the file gets its final name (eml_folder). Whatever can fail without it
        has failed by then. What `grant` raises comes out unchanged. Nothing was sent, and the next `send` works.

        Nothing is ever tried twice after the grant. A kept connection that turns out to be dead before the
        grant is replaced once, quietly.

        Raises, by docs/design.md#the-answers-table:
            PermanentFailure: a definite no for this recipient or content. Also before the wire, for one
                larger than the server takes, or an address that the provider cannot carry.
            TransientFailure: a definite no for now, counted.
            Throttled: a definite no, because we are too fast.
            InfrastructureFailure: a definite no, and it would be the same for every email.
            InDoubt: the message had left, and no answer came that can be understood.
        Any other exception is a defect of ours. If it comes after the grant, the email is in doubt.
        """
        ...

    def probe(self) -> None:
        """See whether the way out works, without sending. Raises InfrastructureFailure or Throttled if it
        does not."""
        ...

    def close(self) -> None:
        """Let go of the connection. Never raises, and takes a few seconds at most. `send` would open a new
        one."""
        ...


class FileTransport(Protocol):
    """One way into a store of files. An instance belongs to one thread. As `Transport`, but for what differs.

    `wire_seconds` is the longest time from the grant to the end of `send`, and of the `settle` after it.

    The files of one email are put one after the other. A file becomes visible under its name only when all of its bytes
    are there. The same bytes that are there already count as put. Other bytes there are a `PermanentFailure`, and stay.
    """

    name: str
    wire_seconds: float

    def send(self, message: Files, grant: Grant) -> Accepted:
        """Put the files of one email. `grant` is called once, before the first of them gets its name.

        Raises as `Transport.send` does. After `InDoubt`, `settle` tells.
        """
        ...

    def settle(self, message: Files) -> Accepted | None:
        """After a lost answer: the yes, if each file is there with the same bytes; None if one is not.

        Raises InfrastructureFailure or Throttled while the store does not answer, or takes too long for all of the
        files. Raises PermanentFailure for other bytes.
        """
        ...

    def probe(self) -> None:
        """As `Transport.probe`."""
        ...

    def close(self) -> None:
        """As `Transport.close`."""
        ...
