"""What is made the same in both emails before they are compared. The rules are data of the configuration."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from urllib.parse import unquote

BODIES = frozenset({"text", "html"})


@dataclass(frozen=True, slots=True)
class SamenessRule:
    """`pattern` in `field` ("body": text and HTML) becomes `to`. `unquote`: what `to` gives is percent-decoded."""

    name: str
    field: str
    pattern: str
    to: str = ""
    unquote: bool = False


class SamenessRules:
    """Rules, compiled. Safe for many threads."""

    def __init__(self, rules: Sequence[SamenessRule] = (), ignored_headers: Sequence[str] = ()) -> None:
        """`ignored_headers` are names in small letters, in which * stands for anything."""
        self._rules = [(rule, re.compile(rule.pattern)) for rule in rules]
        self._plain = frozenset(name for name in ignored_headers if "*" not in name)
        self._patterns = tuple(name for name in ignored_headers if "*" in name)

    def applied(self, field: str, text: str) -> str:
        """A text of `field` after all rules for it."""
        for rule, pattern in self._rules:
            if rule.field == field or (rule.field == "body" and field in BODIES):
                text = pattern.sub(_replacement(rule), text)
        return text

    def ignores(self, header: str) -> bool:
        """Whether a header, in small letters, is left out."""
        return header in self._plain or any(fnmatchcase(header, one) for one in self._patterns)


def _replacement(rule: SamenessRule) -> Callable[[re.Match[str]], str]:
    def made(found: re.Match[str]) -> str:
        to = found.expand(rule.to)
        return unquote(to) if rule.unquote else to

    return made
