"""What a copy is called, in the spool and in the archive."""

import re
from dataclasses import dataclass

CONTENT_TYPE = "message/rfc822"
DRAFT, ON_WIRE = "draft", "eml"
"""The endings of a copy in the spool: before the ledger's grant of the wire, and after it."""
_NAME = re.compile(r"(-?\d{1,19})\.(-?\d{1,19})\.(\d{1,10})\.(\d{1,19})\.([0-9a-f]{64})\.(draft|eml)")


@dataclass(frozen=True, slots=True)
class CopyName:
    """Which email and generation a copy is of, under which token it was to be sent, and its SHA-256 in hexadecimal."""

    job_id: int
    email_id: int
    gen: int
    token: int
    sha256: str

    @property
    def key(self) -> str:
        """Its path in the archive. The numbers are the ledger's, which are the source's own where it has numbers."""
        return archive_key(self.job_id, self.email_id, self.gen)

    def file_name(self, ending: str) -> str:
        """Its name in the spool."""
        return f"{self.job_id}.{self.email_id}.{self.gen}.{self.token}.{self.sha256}.{ending}"


def archive_key(job_id: int, email_id: int, gen: int) -> str:
    """The path of an email's copy in the archive."""
    return f"{job_id}/{email_id}.{gen}.eml"


def parsed(file_name: str) -> tuple[CopyName, str] | None:
    """The copy that a file of the spool holds, and its ending; None: the file is not ours."""
    found = _NAME.fullmatch(file_name)
    if found is None:
        return None
    job_id, email_id, gen, token, sha256, ending = found.groups()
    return CopyName(int(job_id), int(email_id), int(gen), int(token), sha256), ending
