"""What an archive directory and a spool hold, held against the ledger and the mail server."""

import hashlib
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

from eed_delivery.archive.names import CopyName, parsed
from tests.stack import Stack

_KEY = re.compile(r"(\d+)/(\d+)\.(\d+)\.eml")
_MESSAGE_ID = re.compile(rb"^message-id:\s*<(\d+)\.(\d+)@", re.IGNORECASE | re.MULTILINE)
SHOWN = 5


class ArchiveBooks:
    """The copies of one installation. `archive` and `spool` are directories."""

    def __init__(self, stack: Stack, archive: Path, spool: Path) -> None:
        self._stack = stack
        self._archive = archive
        self._spool = spool

    def copies(self) -> dict[tuple[int, int], bytes]:
        """The archive's copies by email and generation."""
        found = {}
        for path in self._archive.rglob("*.eml"):
            key = _KEY.fullmatch(str(path.relative_to(self._archive)))
            assert key is not None, path
            found[int(key[2]), int(key[3])] = path.read_bytes()
        return found

    def waiting(self) -> list[tuple[CopyName, str]]:
        """The copies in the spool."""
        names = sorted(path.name for path in self._spool.iterdir()) if self._spool.exists() else []
        return [found for name in names if (found := parsed(name)) is not None]

    def taken(self) -> dict[tuple[int, int], set[str]]:
        """What the mail server took, by email and generation: the SHA-256 of each content."""
        found = defaultdict(set)
        for message in self._stack.received():
            name = _MESSAGE_ID.search(message.content[:8192])
            assert name is not None
            found[int(name[1]), int(name[2])].add(hashlib.sha256(message.content).hexdigest())
        return found

    def overdue(self) -> list[CopyName]:
        """Copies in the spool of emails that are sent."""
        rows = self._stack.world.execute("SELECT email_id, gen FROM eed_email WHERE state = 'sent'")
        sent = {tuple(row) for row in rows}
        return [copy for copy, _ in self.waiting() if (copy.email_id, copy.gen) in sent]

    def violations(self) -> list[str]:
        """Everything that must not be, once all that could be archived is there, in words."""
        rows = self._stack.world.execute("SELECT email_id, gen, state FROM eed_email")
        sent = {(email_id, gen) for email_id, gen, state in rows if state == "sent"}
        known = self._stack.world.execute("SELECT email_id, gen, sha256, archived_at FROM eed_archive_copy")
        recorded = {(email_id, gen): digest.hex() for email_id, gen, digest, at in known if at is not None}
        lost = {(email_id, gen) for email_id, gen, _, at in known if at is None}
        copies, taken = self.copies(), self.taken()
        digests = {key: hashlib.sha256(content).hexdigest() for key, content in copies.items()}
        found: dict[str, list[Any]] = {
            "sent, without a copy, and not counted": sorted(sent - set(copies) - lost),
            "archived, and not sent": sorted(set(copies) - sent),
            "archived with other bytes than on record": [k for k, d in recorded.items() if digests.get(k) != d],
            "archived, and not on record": sorted(set(copies) - set(recorded)),
            "not the bytes that arrived": [k for k, d in digests.items() if d not in taken[k]],
            "sent, and left in the spool": self.overdue(),
        }
        return [f"{what}: {len(which)}, as {which[:SHOWN]}" for what, which in found.items() if which]
