"""What a rehearsal says of a job at its end."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from eed_delivery.rehearsal.branches import Branch
from eed_delivery.rehearsal.digest import JobDigest
from eed_delivery.rehearsal.duplicates import Owned, shared
from eed_delivery.rehearsal.findings import FindingGroup, FindingGroups, FindingKind, counts_against
from eed_delivery.rehearsal.looked_at import LookedAt
from eed_delivery.rehearsal.samples import Choice, Sample

_SHOWN_HASH = 16


class RehearsalVerdict(StrEnum):
    """Whether a job can go as it is."""

    CLEAN = "clean"
    FINDINGS = "findings"
    PARTIAL = "partial"  # nothing was found, but only a part was looked at
    INCOMPLETE = "incomplete"  # the job changed meanwhile: what was found may not be all


@dataclass(frozen=True, slots=True)
class RehearsalRules:
    """`accepted` are kinds of findings that leave a job clean. `whole`: all emails are looked at."""

    accepted: tuple[str, ...] = (FindingKind.SUPPRESSED,)
    random_samples: int = 20
    whole: bool = True


@dataclass(frozen=True, slots=True)
class RehearsalResult:
    """All that was found. `looked_at` emails are `rendered`, not rendered, or gone. `total_bytes` is of messages.

    `changes` says why the verdict is incomplete.
    """

    verdict: RehearsalVerdict
    digest: str
    looked_at: int
    rendered: int
    total_bytes: int
    findings: tuple[FindingGroup, ...]
    samples: tuple[Sample, ...]
    changes: tuple[str, ...]


def concluded(
    emails: Callable[[], Iterator[LookedAt]],
    rules: RehearsalRules,
    branches: Sequence[Branch] = (),
    changes: Collection[str] = (),
) -> RehearsalResult:
    """The result over all emails, which `emails` gives in the order of their keys, and more than once."""
    findings, digest, choice = FindingGroups(), JobDigest(), Choice(branches, rules.random_samples)
    looked_at = rendered = total = gone = own_files = 0
    for one in emails():
        looked_at += 1
        digest.add(one)
        choice.see(one)
        rendered += bool(one.digest)
        total += one.size
        gone += one.gone
        own_files += len(one.files)
        for finding in one.findings:
            findings.add(finding.kind, finding.what, [one.key])
    _add_shared_files(emails, findings, own_files)
    _add_shared_recipients(emails, findings, looked_at)
    groups = tuple(findings)
    why = [*changes, *([f"{gone:,} emails went away while they were rehearsed"] if gone else [])]
    verdict = RehearsalVerdict.CLEAN if rules.whole else RehearsalVerdict.PARTIAL
    if counts_against(groups, rules.accepted):
        verdict = RehearsalVerdict.FINDINGS
    return RehearsalResult(
        RehearsalVerdict.INCOMPLETE if why else verdict,
        digest.hexdigest(),
        looked_at,
        rendered,
        total,
        groups,
        tuple(choice.all()),
        tuple(why),
    )


def _add_shared_files(emails: Callable[[], Iterator[LookedAt]], findings: FindingGroups, count: int) -> None:
    def files() -> Iterator[Owned]:
        return (Owned(sha256, one.recipient, one.key) for one in emails() for sha256 in set(one.files))

    for file in shared(files, count):
        if len(file.owners) > 1:
            what = f"one file for different recipients, its sha256 begins {file.value[:_SHOWN_HASH]}"
            findings.add(FindingKind.SAME_FILE, what, file.keys, file.count)


def _add_shared_recipients(emails: Callable[[], Iterator[LookedAt]], findings: FindingGroups, looked_at: int) -> None:
    several, keys = 0, list[str]()
    for person in shared(lambda: (Owned(one.recipient, one.recipient, one.key) for one in emails()), looked_at):
        several += person.count
        keys += person.keys
    if several:
        what = "their recipient has more than one email of this job"
        findings.add(FindingKind.DUPLICATE_RECIPIENT, what, keys, several)
