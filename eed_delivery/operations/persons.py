"""What is stored about a person, who is an address here: show all of it, and erase it (docs/privacy.md)."""

import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from eed_delivery.addresses import canonical
from eed_delivery.ledger.actor import Actor
from eed_delivery.ledger.acts import Act, ActKind, ActObject
from eed_delivery.ledger.auditing import AuditLedger
from eed_delivery.ledger.persons.erasing import ErasingLedger
from eed_delivery.ledger.persons.finding import PersonLedger, StoredRow
from eed_delivery.operations.refusals import InvalidRequest, OperationRefused, WrongState
from eed_delivery.operations.values import address as checked_address
from eed_delivery.operations.values import reason as checked_reason
from eed_delivery.pseudonyms import Pseudonyms, is_pseudonym
from eed_delivery.untrusted import MASK, mask_addresses

__all__ = ["EraseRequest", "EraseResult", "PersonActs", "PersonView", "Persons", "StoredRow"]

SOURCE = "operator"


@dataclass(frozen=True, slots=True)
class EraseRequest:
    """The address whose data is erased. `suppress`: it gets no email from now on. Raises `InvalidRequest`."""

    address: str
    reason: str
    suppress: bool = False

    def __post_init__(self) -> None:
        checked_address(self.address)
        checked_reason(self.reason)


@dataclass(frozen=True, slots=True)
class PersonView:
    """All about one address. `pseudonym` is None without a key. `erased_at`: when it was erased, in UTC. `rows` are
    read while they are iterated over."""

    address: str
    pseudonym: str | None
    erased_at: tuple[datetime, ...]
    suppressed: bool
    rows: Iterator[StoredRow]


@dataclass(frozen=True, slots=True)
class EraseResult:
    """How many rows of each kind were changed. `suppressed`: whether the address still gets no email. `refusal` names
    emails that came while it was erased, if there are any."""

    pseudonym: str
    counts: Mapping[str, int]
    suppressed: bool
    refusal: WrongState | None


@dataclass(frozen=True, slots=True)
class PersonActs:
    """What writes: as an actor whose command names no person."""

    audit: AuditLedger
    erasing: ErasingLedger


class Persons:
    """Shows and erases persons. Each call raises `DatabaseGone`."""

    def __init__(
        self, pseudonyms: Pseudonyms, finding: PersonLedger, who: Actor, acts: Callable[[Actor], PersonActs]
    ) -> None:
        self._pseudonyms = pseudonyms
        self._finding = finding
        self._who = who
        self._acts = acts

    def show(self, address: str) -> PersonView:
        """All about an address, or about the pseudonym of one. The audit keeps who asked, and with a key only the
        pseudonym of whom. Raises `InvalidRequest`."""
        form = _form(address)
        pseudonym = self._pseudonym(form)
        act = Act(ActKind.PERSON_SHOW, object=ActObject.ADDRESS, key=pseudonym or form)
        self._acts(self._nameless(form, pseudonym) if pseudonym else self._who).audit.record(act)
        standing = self._finding.standing(form)
        found = self._finding.rows(form, address)
        rows = (row for row in found if row.values.get("operation") != act.operation)  # but for this very look
        return PersonView(form, pseudonym, standing.erased_at, standing.suppressed, rows)

    def check(self, request: EraseRequest) -> None:
        """Whether it may be erased now. Raises `OperationRefused`."""
        if not self._pseudonyms:
            raise OperationRefused(
                "an erased address is kept as a keyed hash, and its key is not set. Nothing was erased",
                which="privacy.secret",
                do="Make one with openssl rand -hex 32. Give it as the systemd credential privacy_secret or "
                "EED_PRIVACY__SECRET, to the service too.",
            )
        refusal = self._unsettled(_form(request.address), "Nothing was erased")
        if refusal is not None:
            raise refusal

    def erase(self, request: EraseRequest) -> EraseResult:
        """Erase the address in the ledger. What was broken off is finished by another call. Raises
        `OperationRefused` before anything is changed: no key, or emails to it that are not settled."""
        self.check(request)
        form = _form(request.address)
        pseudonym = self._pseudonyms.of(form)
        erasing = self._acts(self._nameless(form, pseudonym)).erasing
        suppress = SOURCE if request.suppress else None
        counts = erasing.erase(form, mask_addresses(request.reason), suppress=suppress)
        left = self._unsettled(form, "They came while the others were erased")
        return EraseResult(pseudonym, counts, self._finding.standing(form).suppressed, left)

    def _unsettled(self, form: str, so: str) -> WrongState | None:
        count, jobs = self._finding.unsettled_jobs(form)
        if not count:
            return None
        emails = "1 email to this address is" if count == 1 else f"{count:,} emails to this address are"
        return WrongState(
            f"{emails} not settled, of {'job' if len(jobs) == 1 else 'the jobs'} {', '.join(jobs)}. {so}",
            which=", ".join(jobs),
            do="Wait until they are sent or have failed, or cancel the job. Settle those in doubt. Then erase again.",
        )

    def _pseudonym(self, form: str) -> str | None:
        if is_pseudonym(form):
            return form
        return self._pseudonyms.of(form) if self._pseudonyms else None

    def _nameless(self, form: str, pseudonym: str) -> Actor:
        """The actor, without the address in what was called."""
        return replace(self._who, command=_without_address(self._who.command, form, pseudonym))


def _form(address: str) -> str:
    """The canonical form. Raises `InvalidRequest`."""
    text = address.strip()
    if is_pseudonym(text):
        return text
    form = canonical(text)
    if form is None:
        checked_address(address)  # it knows why
        raise InvalidRequest(f"{address!r} is not an address", which="address")
    return form


def _without_address(command: str, form: str, pseudonym: str) -> str:
    try:
        words = shlex.split(command)
    except ValueError:
        return mask_addresses(command).replace(form, MASK)
    return shlex.join(pseudonym if canonical(word) == form else mask_addresses(word) for word in words)
