"""Which differences are accepted. An accepted one is counted by the name of its rule, and never hidden."""

import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AcceptedDifference:
    """A rule: differences of `field` whose description has `pattern`. `by` accepted it, for `reason`."""

    name: str
    field: str
    pattern: str
    by: str
    reason: str


class AcceptedDifferences:
    """Rules, compiled. The first one that fits counts."""

    def __init__(self, rules: Sequence[AcceptedDifference] = ()) -> None:
        self.rules = tuple(rules)
        self._compiled = [(rule, re.compile(rule.pattern)) for rule in rules]

    def of(self, field: str, what: str) -> AcceptedDifference | None:
        """The rule that accepts a difference."""
        for rule, pattern in self._compiled:
            if rule.field == field and pattern.search(what):
                return rule
        return None
