"""Which destination domains have a pace, and which of them share one. Calculated from settings alone, without any I/O.

The most special rule of a domain counts: its own, else the longest `*.` rule that it is below, else `*`.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from eed_delivery.addresses import NotAnAddress, canonical, domain_of, listed

EVERY_OTHER = "*"
"""The rule of each domain that has no other. Each of them has the pace by itself."""
BELOW = "*."
"""Before a domain: all domains below it share one pace. The domain itself is not among them."""
MOST_KNOWN = 10_000
"""Limit: domains whose rule is kept in memory."""


@dataclass(frozen=True, slots=True)
class DomainPace:
    """What may go to a destination: emails a second, and emails on the wire at one time. None: as many as there are.

    With 0 a second nothing does.
    """

    per_second: float | None = None
    concurrency: int | None = None

    @property
    def is_closed(self) -> bool:
        """Whether nothing may go there."""
        return self.per_second == 0

    @property
    def words(self) -> str:
        """For people: `20 a second, 10 at a time`."""
        rate = "" if self.per_second is None else f"{self.per_second:g} a second"
        return ", ".join(filter(None, (rate, "" if self.concurrency is None else f"{self.concurrency} at a time")))


CLOSED = DomainPace(per_second=0)


@dataclass(frozen=True, slots=True)
class Destination:
    """Domains that share a pace. `name` is a domain, or `*.` and the domain that all of them are below."""

    name: str
    pace: DomainPace


class DestinationRules:
    """The paces that count now."""

    def __init__(self, paces: Mapping[str, DomainPace] | None = None, closed: Collection[str] = ()) -> None:
        """`paces` by domain, by `*.` and a domain, or by `*`. To `closed` domains nothing goes."""
        self.paces = dict(paces or {})
        self.closed = frozenset(closed)
        self._facts = (self.paces, self.closed)
        self._known: dict[str, Destination | None] = {}

    def __bool__(self) -> bool:
        return bool(self.paces or self.closed)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DestinationRules) and self._facts == other._facts

    __hash__ = None  # type: ignore[assignment]

    def of(self, domain: str) -> Destination | None:
        """Where an email to this domain goes, in the form that addresses are compared in. None: it has no pace."""
        try:
            return self._known[domain]
        except KeyError:
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            found = self._known[domain] = self._of(domain)
            return found

    def of_recipient(self, recipient: str) -> Destination | None:
        """Likewise, by an address as the source has it."""
        domain = domain_of(recipient)
        if not domain.isascii():
            domain = domain_of(canonical(recipient) or "")
        return self.of(domain)

    def _of(self, domain: str) -> Destination | None:
        if domain in self.closed:
            return Destination(domain, CLOSED)
        if not domain:
            return None  # what is no address is never sent
        if domain in self.paces:
            return Destination(domain, self.paces[domain])
        parts = domain.split(".")
        for n in range(1, len(parts)):
            name = f"{BELOW}{'.'.join(parts[n:])}"
            if name in self.paces:
                return Destination(name, self.paces[name])
        other = self.paces.get(EVERY_OTHER)
        return None if other is None else Destination(domain, other)

    def within(self, name: str) -> list[str]:
        """Rules and closed domains that are more special than the one of this destination."""
        if not name.startswith(BELOW):
            return []
        end = name[1:]
        return sorted(one for one in {*self.paces, *self.closed} if one != name and one.endswith(end))


def domain_rule(text: str) -> str:
    """What a rule is of, in the form that is compared: a domain, `*.` and a domain, or `*`. Raises ValueError."""
    bare = text.strip()
    if bare == EVERY_OTHER:
        return EVERY_OTHER
    before, domain = (BELOW, bare.removeprefix(BELOW)) if bare.startswith(BELOW) else ("", bare)
    if "@" in domain or "*" in domain:
        raise ValueError(f"{text!r} is not a domain: give it without anything before it")
    try:
        return before + listed(f"@{domain}").removeprefix("@")
    except NotAnAddress as error:
        raise ValueError(f"{text!r} is not a domain: {error}") from error
