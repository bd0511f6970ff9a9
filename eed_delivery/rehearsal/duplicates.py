"""What several emails have in common. Half a million hashes are looked at share by share, in bounded memory."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from eed_delivery.rehearsal.findings import KEYS_NAMED

A_PASS = 250_000
"""Values that one pass remembers, about 80 MB."""
_DIGITS = 8


@dataclass(frozen=True, slots=True)
class Owned:
    """A value in hexadecimal, the email that has it, and whose it is."""

    value: str
    owner: str
    key: str


@dataclass(slots=True)
class Shared:
    """A value that several emails have. `owners` are two of them at most, which is enough to say that they differ."""

    value: str
    count: int = 0
    keys: list[str] = field(default_factory=list)
    owners: set[str] = field(default_factory=set)

    def add(self, one: Owned) -> None:
        """Count one more."""
        self.count += 1
        if len(self.keys) < KEYS_NAMED:
            self.keys.append(one.key)
        if len(self.owners) < 2:
            self.owners.add(one.owner)


def shared(values: Callable[[], Iterator[Owned]], count: int) -> Iterator[Shared]:
    """Values that more than one email has. `values` gives all `count` of them, anew for each pass."""
    passes = count // A_PASS + 1
    for share in range(passes):
        first: dict[str, Owned] = {}
        several: dict[str, Shared] = {}
        for one in values():
            if passes > 1 and int(one.value[:_DIGITS], 16) % passes != share:
                continue
            if (before := first.setdefault(one.value, one)) is one:
                continue
            if one.value not in several:
                several[one.value] = Shared(one.value)
                several[one.value].add(before)
            several[one.value].add(one)
        yield from several.values()
