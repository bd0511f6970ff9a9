"""Digests that a job can be bound to: one over all of its emails, and one over what they share."""

import hashlib
import json

from eed_delivery.model import Job
from eed_delivery.rehearsal.looked_at import LookedAt


class JobDigest:
    """SHA-256 over key and message of each email, in the order of the keys."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def add(self, email: LookedAt) -> None:
        """The next email. One that cannot be rendered counts with an empty message."""
        key = email.key.encode("utf-8", "surrogatepass")
        self._hash.update(len(key).to_bytes(4, "big") + key + bytes.fromhex(email.digest) + b"\0")

    def hexdigest(self) -> str:
        """Of all that were added."""
        return self._hash.hexdigest()


def template_digest(job: Job) -> str:
    """SHA-256 of what all emails of a job share: sender, templates, common attachments, category, tracking."""
    files = [[one.location, one.filename, one.content_type, one.sha256] for one in job.attachments]
    parts = [
        job.sender, job.reply_to, job.subject, job.html_template, job.text_template, files, job.category,
        job.track_opens, job.track_clicks,
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
