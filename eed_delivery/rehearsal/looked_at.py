"""What is kept of one email until the end of a rehearsal. It has no address and no text of it."""

import hashlib
import hmac
import json
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from eed_delivery import addresses
from eed_delivery.rehearsal.findings import EmailFinding, FindingKind

_FAST = 1
_RECIPIENT_CHARS = 32


@dataclass(frozen=True, slots=True)
class LookedAt:
    """One email. `size` is the bytes of its message and `digest` its SHA-256 in hexadecimal; 0 and "": there is none.

    `recipient` is a keyed hash of the address. `files` are SHA-256 of attachments that only it should have.
    `branches` has a bit for each branch of the templates that it took. `gone`: its row went away meanwhile.
    """

    key: str
    recipient: str
    size: int = 0
    digest: str = ""
    files: tuple[str, ...] = ()
    branches: int = 0
    findings: tuple[EmailFinding, ...] = ()
    gone: bool = False


def recipient_hash(address: str, secret: bytes) -> str:
    """The same for all spellings of one mailbox. Without `secret`, which goes with the rehearsal, it tells nothing."""
    one = addresses.canonical(address) or address.strip().casefold()
    return hmac.digest(secret, one.encode("utf-8", "surrogatepass"), hashlib.sha256).hex()[:_RECIPIENT_CHARS]


def packed(emails: Iterable[LookedAt]) -> bytes:
    """Emails as they are kept."""
    rows = [
        [
            one.key, one.recipient, one.size, one.digest, one.files, one.branches,
            [[finding.kind, finding.what] for finding in one.findings], int(one.gone),
        ]
        for one in emails
    ]  # fmt: skip
    return zlib.compress(json.dumps(rows, separators=(",", ":")).encode(), _FAST)


def unpacked(content: bytes) -> Iterator[LookedAt]:
    """The emails that `packed` made."""
    for key, recipient, size, digest, files, branches, findings, gone in json.loads(zlib.decompress(content)):
        yield LookedAt(
            key,
            recipient,
            size,
            digest,
            tuple(files),
            branches,
            tuple(EmailFinding(FindingKind(kind), what) for kind, what in findings),
            bool(gone),
        )
