"""A mail server that stores what it takes as .eml files, and misbehaves where the script says so."""

import itertools
import threading
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from types import TracebackType

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from eed_delivery.demo.ports import free_port


class Mishap(Enum):
    """What goes wrong for a recipient, the first time only."""

    BUSY = "451 4.2.1 mailbox busy, try again later"  # at RCPT
    FULL_DISK = "451 4.3.1 disk full, try again later"  # after the final dot: the message was not taken
    MAILBOX_FULL = "552 5.2.2 mailbox full"  # at RCPT
    SILENCE = "the message is taken, and the connection dies before anyone hears of it"


class MailServer:
    """Listens on 127.0.0.1 in a thread of its own. `with MailServer(directory, mishaps) as server: server.port`."""

    host = "127.0.0.1"

    def __init__(self, directory: Path, mishaps: Mapping[str, Mishap], apart: Mapping[str, Path] | None = None) -> None:
        """`mishaps` says what is to go wrong, by recipient. `apart` has directories of their own, by the envelope's
        sender."""
        self.port = free_port()
        self._handler = _Handler(directory, dict(mishaps), apart or {})
        self._controller = Controller(
            self._handler,
            hostname=self.host,
            port=self.port,
            server_hostname="mx.example",
            enable_SMTPUTF8=True,
            ready_timeout=15,
        )

    def __enter__(self) -> "MailServer":
        self._controller.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._controller.stop()


class _Handler:
    """aiosmtpd's hooks. They run in the server's one thread. Each returns the server's answer."""

    def __init__(self, directory: Path, mishaps: dict[str, Mishap], apart: Mapping[str, Path]) -> None:
        self._directory = directory
        self._apart = apart
        self._mishaps = mishaps
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)

    async def handle_RCPT(  # noqa: N802 - aiosmtpd names its hooks
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        mishap = self._happens(address, Mishap.BUSY, Mishap.MAILBOX_FULL)
        if mishap is not None:
            return str(mishap.value)
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 recipient ok"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        recipient = envelope.rcpt_tos[0]
        mishap = self._happens(recipient, Mishap.FULL_DISK, Mishap.SILENCE)
        if mishap is Mishap.FULL_DISK:
            return str(mishap.value)
        number = next(self._numbers)
        self._store(number, recipient, envelope)
        if mishap is Mishap.SILENCE and server.transport is not None:
            server.transport.close()  # what is said after this does not leave
        return f"250 2.0.0 queued as {number:06d}"

    def _happens(self, recipient: str, *possible: Mishap) -> Mishap | None:
        with self._lock:
            return self._mishaps.pop(recipient) if self._mishaps.get(recipient) in possible else None

    def _store(self, number: int, recipient: str, envelope: Envelope) -> None:
        """A file for each message taken, never over another one, because a doubled email must be seen."""
        # The two fields that a server adds at final delivery: RFC 5321, section 4.4, and RFC 9228.
        trace = f"Return-Path: <{envelope.mail_from}>\r\nDelivered-To: {recipient}\r\n".encode()
        content = envelope.original_content or b""
        directory = self._apart.get(envelope.mail_from or "", self._directory)
        (directory / f"{number:06d}-{recipient.partition('@')[0]}.eml").write_bytes(trace + content)
