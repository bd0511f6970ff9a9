"""Sends samples of a rehearsal to a tester. They are marked, are counted nowhere, and never go to a customer."""

from collections.abc import Callable, Collection
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime

from eed_delivery import addresses
from eed_delivery.errors import DeliveryFailure, InDoubt
from eed_delivery.ledger.acts import Act, ActKind, ActObject
from eed_delivery.ledger.auditing import AuditLedger
from eed_delivery.operations.refusals import InvalidRequest, NothingMatches, OperationRefused
from eed_delivery.operations.rehearsing.results import RehearsalResults
from eed_delivery.operations.rehearsing.sample_mail import as_sample
from eed_delivery.transports import Transport
from eed_delivery.untrusted import mask_addresses

MOST_SENT = 50
SETTING = "rehearsal.sample_recipients"


@dataclass(frozen=True, slots=True)
class SamplesToSend:
    """The first `count` samples of a rehearsal, and whose mailbox they go to. Raises `InvalidRequest`."""

    operation: str
    count: int
    to: str

    def __post_init__(self) -> None:
        if not 1 <= self.count <= MOST_SENT:
            raise InvalidRequest(f"it is 1 to {MOST_SENT}", which="count")
        if addresses.canonical(self.to) is None or not self.to.isascii():
            raise InvalidRequest("it is no address in ASCII", which="to")


@dataclass(frozen=True, slots=True)
class SamplesSent:
    """Keys of the emails whose samples were sent. `left_out` cannot be rendered any more."""

    keys: tuple[str, ...]
    left_out: int


class SampleSending:
    """Sends samples. Each call raises `DatabaseGone`."""

    def __init__(
        self,
        results: RehearsalResults,
        transport_of: Callable[[str], Transport],
        audit: AuditLedger,
        allowed: Collection[str],
    ) -> None:
        """`transport_of` makes one for a job, as its channel says. `allowed` are addresses, and @domains."""
        self._results = results
        self._transport_of = transport_of
        self._audit = audit
        self._allowed = allowed

    def refuse_stranger(self, to: str) -> None:
        """Raises `OperationRefused` for an address that gets no samples. They are customers' emails."""
        form = addresses.canonical(to) or ""
        known = {addresses.canonical(one) for one in self._allowed}
        if form not in known and f"@{form.rpartition('@')[2]}" not in self._allowed:
            what = f"samples may not be sent to this address: {SETTING} does not name it"
            raise OperationRefused(what, which=SETTING, do="Add the tester's address, or @ and its domain.")

    def send(self, wanted: SamplesToSend) -> SamplesSent:
        """Send them. Raises `UnknownKey`, and `OperationRefused` if the mail server refuses one."""
        self.refuse_stranger(wanted.to)
        found = self._results.view(wanted.operation)
        samples = found.samples[: wanted.count]
        if not samples:
            raise NothingMatches(f"operation {wanted.operation} has no samples", which=f"operation {wanted.operation}")
        sent: list[str] = []
        try:
            with closing(self._transport_of(found.job)) as transport:
                for made in self._results.messages(wanted.operation, len(samples)):
                    message = as_sample(made.content, wanted.to, wanted.operation, datetime.now(UTC))
                    self._note(made.sample.key, wanted)
                    transport.send(message, lambda: None)
                    sent.append(made.sample.key)
        except DeliveryFailure as error:
            doubt = ", and this one may have been sent" if isinstance(error, InDoubt) else ""
            what = f"{len(sent)} samples were sent{doubt}. Then the mail server or its connection failed: {error}"
            raise OperationRefused(mask_addresses(what), which=f"operation {wanted.operation}") from error
        return SamplesSent(tuple(sent), len(samples) - len(sent))

    def _note(self, key: str, wanted: SamplesToSend) -> None:
        """Before it leaves: what left is in the audit, whatever happens then."""
        after = {"operation": wanted.operation, "to": mask_addresses(wanted.to)}
        self._audit.record(Act(ActKind.SAMPLE_SEND, object=ActObject.EMAIL, key=key, after=after))
