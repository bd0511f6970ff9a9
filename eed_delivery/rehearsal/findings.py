"""What is wrong with a job's emails, grouped by reason. Lists are bounded, and counts are whole."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from eed_delivery.untrusted import mask_addresses

KEYS_NAMED = 20
"""Keys that are named of each group."""
GROUPS_NAMED = 100
"""Groups of one kind. What comes behind them is counted together."""
OTHERS = "other reasons"
WHAT_LENGTH = 300
_NAMES = ("subject template", "html template", "text template", "list_unsubscribe", "variable ")
_VALUES = re.compile(r"""'[^']*+'|"[^"]*+"|\b\d+(?:[.,]\d+)*\b|\b[0-9a-f]{12,}\b""")


class FindingKind(StrEnum):
    """What was found, the worst first."""

    SAME_FILE = "same_file"  # one file for different recipients
    NOT_RENDERED = "not_rendered"  # it would fail: template, address, attachment, header
    TOO_LARGE = "too_large"
    PLACEHOLDER = "placeholder"  # {{, %s, null, None, TODO
    EMPTY_GREETING = "empty_greeting"  # "Dear ,"
    EMPTY_VALUE = "empty_value"  # a variable that is printed has no value
    LINK = "link"  # not https, or to a host that is not known
    DUPLICATE_RECIPIENT = "duplicate_recipient"
    SUPPRESSED = "suppressed"


RED = frozenset({FindingKind.SAME_FILE})
"""What must never be sent."""
FAILS = frozenset({FindingKind.NOT_RENDERED, FindingKind.TOO_LARGE})
"""What would fail when it is sent."""
ORDER = {kind: place for place, kind in enumerate(FindingKind)}


@dataclass(frozen=True, slots=True)
class EmailFinding:
    """A finding of one email. `what` is the same text for all emails of its group."""

    kind: FindingKind
    what: str


@dataclass(frozen=True, slots=True)
class FindingGroup:
    """Emails with the same finding: how many, and the keys of the first ones."""

    kind: FindingKind
    what: str
    count: int
    keys: tuple[str, ...]


class FindingGroups:
    """Collects findings in the order of the emails."""

    def __init__(self) -> None:
        self._groups: dict[tuple[FindingKind, str], tuple[int, list[str]]] = {}
        self._of_kind: dict[FindingKind, int] = {}

    def add(self, kind: FindingKind, what: str, keys: Sequence[str], count: int = 1) -> None:
        """Count `count` emails, of which `keys` are some."""
        name = (kind, what[:WHAT_LENGTH])
        if name not in self._groups:
            if self._of_kind.get(kind, 0) >= GROUPS_NAMED:
                name = (kind, OTHERS)
            else:
                self._of_kind[kind] = self._of_kind.get(kind, 0) + 1
        before, named = self._groups.get(name, (0, []))
        named += keys[: KEYS_NAMED - len(named)]
        self._groups[name] = (before + count, named)

    def __iter__(self) -> Iterator[FindingGroup]:
        """The groups, the worst kind first, and of each kind the largest first."""
        found = [FindingGroup(kind, what, count, tuple(keys)) for (kind, what), (count, keys) in self._groups.items()]
        return iter(sorted(found, key=lambda group: (ORDER[group.kind], -group.count, group.what)))


def counts_against(groups: Collection[FindingGroup], accepted: Collection[str]) -> bool:
    """Whether any group is of a kind that is not accepted."""
    return any(group.kind not in accepted for group in groups)


def group_of(words: str) -> str:
    """An error's text without what differs between emails: quoted values, numbers, hashes and addresses.

    What templates and variables raise quotes nothing but names of the template, which people need.
    """
    if words.startswith(_NAMES):
        return mask_addresses(words)[:WHAT_LENGTH]
    return _VALUES.sub("…", mask_addresses(words))[:WHAT_LENGTH]


def as_json(groups: Collection[FindingGroup]) -> list[dict[str, Any]]:
    """Groups as the ledger keeps them."""
    return [{"kind": one.kind, "what": one.what, "count": one.count, "keys": list(one.keys)} for one in groups]


def from_json(kept: Sequence[Mapping[str, Any]]) -> tuple[FindingGroup, ...]:
    """The groups that `as_json` made."""
    return tuple(FindingGroup(FindingKind(one["kind"]), one["what"], one["count"], tuple(one["keys"])) for one in kept)
