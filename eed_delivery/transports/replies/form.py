"""Refusals in a normal form, and phrases that are looked for in it.

Patterns are RE2's (https://github.com/google/re2/wiki/Syntax), so they take linear time for any text.
"""

import unicodedata
from functools import cache
from typing import Protocol

MAX_CHARS = 8000
"""Characters of a text that are read."""


class BytesPattern(Protocol):
    """What is used of RE2's compiled expressions, which have no types of their own."""

    def search(self, text: bytes) -> object | None: ...

    def sub(self, replacement: bytes, text: bytes) -> bytes: ...


class Phrases:
    """Patterns as in `rule.Rule.phrases`, one of which is to be found."""

    def __init__(self, patterns: tuple[str, ...]) -> None:
        self._patterns = patterns

    def in_form(self, words: str) -> bool:
        """Whether `words`, which is in normal form already, has one of them."""
        return alternatives(self._patterns).search(words.encode("utf-8", "replace")) is not None

    def search(self, text: str) -> bool:
        """The same for a text as it came."""
        return self.in_form(normal_form(text))


def one_of(*patterns: str) -> Phrases:
    """The patterns, to be compiled when they are first asked for."""
    return Phrases(patterns)


def normal_form(text: str) -> str:
    """`text` on one line as the patterns expect it, and as two answers of one kind can be compared.

    In small letters without accents (Latin script only), whole words in place of contractions. `@` stands for an
    address, `~` for a host or an IP address. A blocklist's name stays, because the name is what it says.
    """
    text = unicodedata.normalize("NFKC", text[:MAX_CHARS]).translate(_LETTERS).lower()
    line = " ".join(text.replace("\u0307", "").split()).encode("utf-8", "replace")
    for pattern, replacement in _rewriting():
        line = pattern.sub(replacement, line)
    return " ".join(line.decode("utf-8", "replace").split())


def _plain(character: str) -> str:
    """The letter without its accents. Unchanged where that is no Latin letter."""
    first = unicodedata.normalize("NFKD", character)[0]
    return first if first.isascii() else character


_LETTERS: dict[int, str] = {
    **{code: _plain(chr(code)) for first, beyond in ((0xC0, 0x250), (0x1E00, 0x1F00)) for code in range(first, beyond)},
    **{
        ord(one): other
        for one, other in zip("ßæœøđłŁıёЁ", ("ss", "ae", "oe", "o", "d", "l", "l", "i", "е", "Е"), strict=True)
    },
    **dict.fromkeys(map(ord, "\u2018\u2019`\u00b4"), "'"),
    **dict.fromkeys(map(ord, "\u201c\u201d"), '"'),
    **dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u2060\ufeff"), ""),
}
_LISTS = (
    r"spamhaus|spamcop|sorbs|barracudacentral|senderscore|abuseat|uceprotect|mailspike|invaluement|spamrl|hostkarma"
    r"|junkemailfilter|surbl|uribl|dnsbl|blacklist|blocklist|blackholes|\brbl\b|\b[sxcp]bl\b"
)
_EDGE = r"[<>()\[\]\"',;: ]"
_REWRITING = (
    # what is looked for, and what stands in its place; in this order
    (
        r"[<(\[\"']{0,3}(?:mailto:|rfc822;)?[^\s<>()\[\]\",;:'@]+@[^\s<>()\[\]\",;:'@]*[^\s<>()\[\]\",;:'@.][>)\]\"']{0,3}",
        r"@",
    ),
    (r"\b(resolver|storedrv|smtpsend|queue)\.([a-z]+)\.?([a-z]*)", r"\1 \2 \3"),  # Exchange's names are no hosts'
    (r"[\[(]?\b[0-9]{1,3}(?:\.[0-9]{1,3}){3}\b[\])]?|\[ipv6:[0-9a-f:.]+\]", r"~"),
    (r"(https?://)?([a-z0-9_-]+\.)*[a-z0-9-]*(" + _LISTS + r")[a-z0-9-]*(\.[a-z0-9-]+)+", r" \3 "),
    (r"(^|" + _EDGE + r")[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.[a-z]{2,24}\.?(\[|" + _EDGE + r"|$)", r"\1~\2"),
    (r"\bip address(?:es)?\b", r"ip"),
    (
        r"\b(?:sender(?:'s)?|originator|originating|return|reply[- ]?to|mail from|from|your) (?:e-?mail )?address\b",
        r"sender",
    ),
    (r"\bcan't\b|\bcan not\b", r"cannot"),
    (r"n't\b", r" not"),
    (r"\bwo not\b", r"will not"),
)


@cache
def _rewriting() -> tuple[tuple[BytesPattern, bytes], ...]:
    return tuple((_compile(pattern), replacement.encode()) for pattern, replacement in _REWRITING)


@cache
def alternatives(patterns: tuple[str, ...]) -> BytesPattern:
    return _compile("|".join(f"(?:{pattern})" for pattern in patterns))


def _compile(pattern: str) -> BytesPattern:
    import re2  # 10 ms, which a process that only sends need not spend

    compiled: BytesPattern = re2.compile(pattern)
    return compiled
