"""The mail sink of whole runs: what it has answered with 250 is on its disk, outside of every process we kill."""

import json
import os
import re
import threading
import time
from dataclasses import asdict, dataclass, replace
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

from tests.servers.smtp_server import Received, SmtpServer

_MESSAGE_ID = re.compile(rb"^message-id:\s*<(\d+)\.(\d+)@", re.IGNORECASE | re.MULTILINE)
HEADER_BYTES = 8192


@dataclass(frozen=True)
class Taken:
    """One message that was taken: whose, of which generation, to whom, and when (`time.monotonic()`)."""

    email_id: int
    gen: int
    recipient: str
    at: float


class SinkLedger:
    """What a mail server took, one JSON line each, on the disk before the answer goes out."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        path.touch()

    def note(self, taken: Taken) -> None:
        """Append and fsync."""
        with self._lock, self.path.open("ab") as file:
            file.write(json.dumps(asdict(taken)).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def read(self) -> list[Taken]:
        """Everything taken so far, in order."""
        return [Taken(**json.loads(line)) for line in self.path.read_bytes().splitlines()]


class Sink(SmtpServer):
    """A mail server that notes every completed DATA in its ledger before it answers.

    `keep`: whether contents are kept in memory; `seconds`: how long it takes over each message.
    """

    def __init__(self, ledger: SinkLedger, port: int = 0, *, keep: bool = True, seconds: float = 0) -> None:
        super().__init__(port=port)
        self._ledger = ledger
        self._keep = keep
        self._seconds = seconds

    def take(self, message: Received) -> None:
        """Note it, take the time it takes, and keep it."""
        found = _MESSAGE_ID.search(message.content[:HEADER_BYTES])
        if found is None:
            raise AssertionError(f"a message without a Message-ID of ours: {message.content[:300]!r}")
        if self._seconds:
            self.released.wait(self._seconds)
        self._ledger.note(Taken(int(found[1]), int(found[2]), message.recipient, time.monotonic()))
        super().take(message if self._keep else replace(message, content=b""))

    def mail(self, recipient: str) -> EmailMessage:
        """The one message that this recipient got, parsed. Raises ValueError when it is not one."""
        (received,) = [m for m in list(self.received) if m.recipient == recipient]
        return message_from_bytes(received.content, policy=policy.default)
