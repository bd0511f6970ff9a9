"""Checks the second act: the counts of the three channels, and what has arrived by each."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from email import message_from_bytes
from pathlib import Path

from eed_delivery.demo.checks import Check
from eed_delivery.demo.configuration import COPIES, PARTNER
from eed_delivery.ledger.reporting import JobReport
from eed_delivery.model import DEFAULT_CHANNEL, EmailState, JobState

MANIFEST = ".json"


@dataclass(frozen=True, slots=True)
class Arrivals:
    """What is there: the PDFs of the emails, the objects in S3, and the files at the partner's, each by its name."""

    attachments: Mapping[str, bytes]
    objects: Mapping[str, bytes]
    files: Mapping[str, bytes]

    @property
    def by_channel(self) -> dict[str, Mapping[str, bytes]]:
        """The documents of each channel, without the manifests."""
        found = {DEFAULT_CHANNEL: self.attachments, COPIES: self.objects, PARTNER: self.files}
        return {name: {key: one for key, one in of.items() if _is_document(key)} for name, of in found.items()}


def second_checks(reports: Mapping[str, JobReport], arrivals: Arrivals, digests: Sequence[str]) -> list[Check]:
    """Every check of the second act. `digests`: the SHA-256 of each statement."""
    return [
        Check("Three channels have finished their jobs, and count the same", tuple(_counts(reports, len(digests)))),
        Check("Each statement is in one email, one object and one file", tuple(_documents(arrivals, digests))),
        Check("Each manifest lists the files that are there, and no others", tuple(_manifests(arrivals))),
    ]


def attached(mail: Path) -> dict[str, bytes]:
    """The PDFs in the stored emails."""
    found = {}
    for path in sorted(mail.glob("*.eml")):
        for number, part in enumerate(message_from_bytes(path.read_bytes()).walk()):
            content = part.get_payload(decode=True)
            if part.get_content_disposition() == "attachment" and isinstance(content, bytes):
                found[f"{path.name}, part {number}"] = content
    return found


def below(directory: Path) -> dict[str, bytes]:
    """All files below a directory, by their paths."""
    paths = [path for path in sorted(directory.rglob("*")) if path.is_file()]
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in paths}


def _counts(reports: Mapping[str, JobReport], count: int) -> Iterator[str]:
    for channel in (DEFAULT_CHANNEL, COPIES, PARTNER):
        report = reports.get(channel)
        if report is None:
            yield f"{channel}: its job was not picked up"
        elif report.state is not JobState.FINISHED or not report.balanced:
            yield f"{channel}: its job is {report.state}, and {report.done} of {report.total} have ended"
        elif report.counts[EmailState.SENT] != count:
            yield f"{channel}: {report.counts[EmailState.SENT]} of {count} were sent"


def _documents(arrivals: Arrivals, digests: Sequence[str]) -> Iterator[str]:
    due = Counter(digests)
    for channel, documents in arrivals.by_channel.items():
        there = Counter(map(_sha256, documents.values()))
        if missing := (due - there).total():
            yield f"{channel}: {missing} statements are missing"
        if more := (there - due).total():
            yield f"{channel}: {more} documents are there that are no statement, or are there twice"


def _manifests(arrivals: Arrivals) -> Iterator[str]:
    for channel, store in ((COPIES, arrivals.objects), (PARTNER, arrivals.files)):
        manifests = [key for key in store if key.endswith(MANIFEST)]
        if len(manifests) != 1:
            yield f"{channel}: it has {len(manifests)} manifests, not one"
            continue
        said = json.loads(store[manifests[0]])
        listed = {one["name"]: one["sha256"] for one in said["files"]}
        there = {key: _sha256(one) for key, one in store.items() if _is_document(key)}
        if listed != there:
            yield f"{channel}: {manifests[0]} lists {len(listed)} files, and {len(there)} are there"
        if _sha256(store.get(said["csv"]["name"], b"")) != said["csv"]["sha256"]:
            yield f"{channel}: {said['csv']['name']} is not the table that {manifests[0]} names"


def _is_document(name: str) -> bool:
    return "/manifest" not in name


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
