"""One email's way onto the wire: a copy for the archive first, if one is set, and then the ledger's grant."""

import hashlib
import time
from dataclasses import replace

from eed_delivery.archive.copies import Copies, KeptCopy
from eed_delivery.model import Accepted, Email, Files, Outcome, PutFile, Rendered, Verdict
from eed_delivery.worker.journal import Journal

_MAY_HAVE_ARRIVED = frozenset({Verdict.SENT, Verdict.IN_DOUBT})


_CHUNK = 2047
"""Bytes. hashlib gives up Python's global lock for more, and another thread then drives the next emails, which are
rendered right after this one, out of the processor's caches."""


def digest_of(message: Rendered | Files) -> bytes:
    """The SHA-256 of what is handed to the transport: an email's content, before SMTP doubles leading dots. Of files:
    of their lines as sha256sum(1) writes them."""
    if isinstance(message, Files):
        lines = "".join(f"{file.sha256}  {file.path}\n" for file in message.files)
        return hashlib.sha256(lines.encode()).digest()
    found = hashlib.sha256()
    content, update = memoryview(message.content), found.update
    for begin in range(0, len(content), _CHUNK):
        update(content[begin : begin + _CHUNK])
    return found.digest()


class Handover:
    """Asks for the wire, and knows afterwards what was handed over."""

    __slots__ = ("_copies", "_copy", "_email", "_files", "_journal", "_lost", "_sha256", "wired_at")

    def __init__(self, email: Email, sha256: bytes, journal: Journal, copies: Copies | None) -> None:
        """`sha256`: of the message."""
        self._email = email
        self._sha256 = sha256
        self._journal = journal
        self._copies = copies
        self._copy: KeptCopy | None = None
        self._lost = False
        self._files: tuple[PutFile, ...] = ()
        self.wired_at: float | None = None  # when the wire was granted, by the monotonic clock

    def grant(self, message: Rendered | Files) -> None:
        """Return when the wire is granted. Raises `NoGrant` or `DatabaseGone`: then there is no copy either."""
        self._grant(message)
        self.wired_at = time.monotonic()

    def _grant(self, message: Rendered | Files) -> None:
        if isinstance(message, Files):
            self._files = tuple(file.as_put for file in message.files)
            self._journal.wire(self._email, [file.path for file in self._files])
            return
        if self._copies is None:
            self._journal.wire(self._email)
            return
        self._copy = self._copies.keep(self._email, self._sha256, message.content)
        self._lost = self._copy is None
        try:
            self._journal.wire(self._email)
        except BaseException:
            self._drop()
            raise
        if self._copy is not None:
            self._copy.put_on_wire()

    def accepted(self, answer: Accepted) -> Outcome:
        """What a definite yes comes to."""
        return Outcome(
            Verdict.SENT,
            answer.reply,
            answer.code,
            message_id=answer.message_id,
            sha256=self._sha256,
            copy_lost=self._lost,
            files=self._files,
        )

    def ended(self, outcome: Outcome) -> Outcome:
        """What the attempt came to, with the digest and the files if there was a wire. After a definite no the copy
        goes."""
        if outcome.verdict not in _MAY_HAVE_ARRIVED:
            self._drop()
        if outcome.sha256 is not None or not self._journal.on_wire(self._email):
            return outcome
        files = self._files if outcome.verdict is Verdict.SENT else ()
        return replace(outcome, sha256=self._sha256, copy_lost=self._lost, files=files)

    def _drop(self) -> None:
        if self._copy is not None:
            self._copy.drop()
            self._copy = None
