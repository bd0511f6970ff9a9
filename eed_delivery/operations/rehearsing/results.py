"""What rehearsals came to, for people, and the messages of their samples."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from eed_delivery.database.transactions import Database
from eed_delivery.errors import DeliveryFailure, RenderError
from eed_delivery.ledger.acts import Act, ActKind, ActObject
from eed_delivery.ledger.auditing import AuditLedger
from eed_delivery.ledger.long_acts.long_act import LongAct, LongActKind, LongActState
from eed_delivery.ledger.rehearsing import KeptRehearsal, RehearsalLedger
from eed_delivery.operations.refusals import OperationRefused, UnknownKey
from eed_delivery.operations.rehearsing.work import must_wait, number_of
from eed_delivery.rehearsal.asked import RowToLookAt, SampleToMake
from eed_delivery.rehearsal.findings import FAILS, RED, FindingGroup, from_json
from eed_delivery.rehearsal.kept_lookers import KeptLookers, LookersBusy
from eed_delivery.rehearsal.samples import Sample
from eed_delivery.source import Source

MOST = 50


@dataclass(frozen=True, slots=True)
class RehearsalView:
    """What a rehearsal came to. `emails` of the job were not sent yet at its end, and `looked_at` of them were seen.

    `whole`: all were meant to be. `digest` is SHA-256 over key and message of each. `made_at` is UTC.

    `read_by_service`: by the service's own user, which can write to the source, in sessions that cannot.
    """

    operation: str
    job: str
    verdict: str
    whole: bool
    digest: str
    emails: int
    looked_at: int
    rendered: int
    total_bytes: int
    findings: tuple[FindingGroup, ...]
    samples: tuple[Sample, ...]
    changes: tuple[str, ...]
    read_by_service: bool
    made_at: datetime


@dataclass(frozen=True, slots=True)
class SampleMessage:
    """A sample as it was rehearsed. `is_same`: it has the bytes that were looked at then."""

    sample: Sample
    content: bytes
    is_same: bool


class RehearsalResults:
    """Reads rehearsals. Each call raises `DatabaseGone`."""

    def __init__(
        self,
        rehearsals: RehearsalLedger,
        source: Source,
        reading: Callable[[], Database],
        lookers: Callable[[], KeptLookers],
        audit: AuditLedger,
    ) -> None:
        self._rehearsals = rehearsals
        self._source = source
        self._reading = reading
        self._lookers = lookers
        self._audit = audit

    def view(self, operation: str) -> RehearsalView:
        """What one came to. Raises `UnknownKey` where it has not ended."""
        found = self._rehearsals.of(operation)
        if found is None:
            what = f"operation {operation} is no rehearsal that has ended"
            raise UnknownKey(what, which=f"operation {operation}")
        return _view(found)

    def of_job(self, key: str) -> list[RehearsalView]:
        """Those of a job, the newest first."""
        return [_view(one) for one in self._rehearsals.of_job(key, MOST)]

    def waits(self, act: LongAct) -> bool:
        """Whether an operation is a rehearsal that waits until the emails of active jobs have left."""
        if act.kind is not LongActKind.REHEARSE or act.state is not LongActState.RUNNING:
            return False
        return must_wait(self._rehearsals, act)

    def messages(self, operation: str, most: int | None = None) -> Iterator[SampleMessage]:
        """The first `most` samples of a rehearsal, or all, made again from their rows as they are now.

        To read them is in the audit. A row that has gone, or cannot be rendered any more, is left out.
        """
        found = self.view(operation)
        for sample in found.samples[:most]:
            self._audit.record(Act(ActKind.PREVIEW, object=ActObject.EMAIL, key=sample.key))
            try:
                yield self._message(found.job, sample)
            except RenderError:
                continue
            except DeliveryFailure as error:
                raise OperationRefused(f"the samples cannot be made: {error}", do="Try again.") from error

    def message(self, operation: str, key: str) -> SampleMessage:
        """One sample. Raises `UnknownKey` for an email that is none, and `OperationRefused`."""
        found = self.view(operation)
        sample = next((one for one in found.samples if one.key == key), None)
        if sample is None:
            raise UnknownKey(f"email {key} is no sample of operation {operation}", which=f"email {key}")
        self._audit.record(Act(ActKind.PREVIEW, object=ActObject.EMAIL, key=key))
        try:
            return self._message(found.job, sample)
        except LookersBusy as busy:
            raise OperationRefused("another sample is being rendered", do="Try again in a moment.") from busy
        except DeliveryFailure as error:
            raise OperationRefused(f"email {key} cannot be rendered: {error}", which=f"email {key}") from error

    def _message(self, job_key: str, sample: Sample) -> SampleMessage:
        job = self._reading().run(lambda c: self._source.job(c, 0, job_key, 0))
        number = number_of(self._source.email_key(sample.key))
        content = self._lookers().make(SampleToMake(job, RowToLookAt(number, sample.key, "")))
        return SampleMessage(sample, content, hashlib.sha256(content).hexdigest() == sample.digest)


def severity(group: FindingGroup) -> str:
    """How bad a group is, in a word: red, fails, or look."""
    return "red" if group.kind in RED else "fails" if group.kind in FAILS else "look"


def _view(kept: KeptRehearsal) -> RehearsalView:
    return RehearsalView(
        kept.operation,
        kept.job,
        kept.verdict,
        kept.whole,
        kept.digest,
        kept.emails,
        kept.looked_at,
        kept.rendered,
        kept.total_bytes,
        from_json(kept.facts["findings"]),
        tuple(Sample(**one) for one in kept.facts["samples"]),
        tuple(kept.facts["changes"]),
        bool(kept.facts["read_by_service"]),
        kept.made_at,
    )
