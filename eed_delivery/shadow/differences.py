"""How the email that was sent differs from ours. A description has words of the job's templates, and none of a person.

Words of one recipient show as "…", and numbers as 0. So emails with the same kind of difference are one group.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum

from eed_delivery.shadow.bodies import html_lines, text_lines
from eed_delivery.shadow.messages import ComparedFile, ComparedMessage
from eed_delivery.shadow.rules import SamenessRules

WHAT_LENGTH = 300
MOST_OF_ONE = 20
"""Differences of one email. What comes behind them is one more."""
MOST_LINES = 2000
SIDE_LENGTH = 110
_LETTERS = re.compile(r"[^\W\d_]+")
_DIGITS = re.compile(r"\d+")
_TOKEN = re.compile(r"\S+")


class DifferingField(StrEnum):
    """Which part of an email differs."""

    STATUS = "status"
    COPY = "copy"  # there is none, there are several, or it cannot be read
    RECIPIENT = "recipient"
    RECIPIENT_NAME = "recipient_name"
    SENDER = "sender"
    REPLY_TO = "reply_to"
    SUBJECT = "subject"
    HEADER = "header"
    TEXT = "text"
    HTML = "html"
    ATTACHMENT = "attachment"  # missing, or one too many
    ATTACHMENT_NAME = "attachment_name"
    ATTACHMENT_HASH = "attachment_hash"
    ATTACHMENT_TYPE = "attachment_type"


F = DifferingField


@dataclass(frozen=True, slots=True)
class EmailDifference:
    """One difference. `what` is the same text for all emails of its group."""

    field: DifferingField
    what: str

    @property
    def group(self) -> str:
        """The name of its group."""
        return hashlib.sha256(f"{self.field}\0{self.what}".encode("utf-8", "surrogatepass")).hexdigest()[:12]


class KnownWords:
    """Words that a job's templates say by themselves."""

    def __init__(self, literals: str) -> None:
        self._words = frozenset(word.casefold() for word in _LETTERS.findall(literals))

    def shape(self, text: str, length: int = SIDE_LENGTH) -> str:
        """A text with all other words as "…" and each number as 0, no longer than `length`."""
        shown: list[str] = []
        for token in _TOKEN.findall(text[: length * 20]):
            letters = _LETTERS.findall(token)
            known = all(word.casefold() in self._words for word in letters)
            word = _DIGITS.sub("0", token) if known and "@" not in token else "…"
            if word != "…" or shown[-1:] != ["…"]:
                shown.append(word)
        found = " ".join(shown)
        return found if len(found) <= length else f"{found[: length - 1]}…"


def compared(
    theirs: ComparedMessage, ours: ComparedMessage, words: KnownWords, rules: SamenessRules
) -> list[EmailDifference]:
    """Each difference once. `theirs` is what the old server has sent."""
    found = dict.fromkeys(_all(theirs, ours, words, rules))
    several = list(found)
    if len(several) > MOST_OF_ONE:
        more = EmailDifference(several[MOST_OF_ONE].field, "and more differences")
        return [*several[:MOST_OF_ONE], more]
    return several


def _all(
    theirs: ComparedMessage, ours: ComparedMessage, words: KnownWords, rules: SamenessRules
) -> Iterator[EmailDifference]:
    yield from _recipients(theirs, ours)
    if theirs.recipient_name != ours.recipient_name:
        yield EmailDifference(
            F.RECIPIENT_NAME, _two("the name in To", theirs.recipient_name, ours.recipient_name, words)
        )
    if theirs.sender != ours.sender:  # both are the job's, and no person's
        yield EmailDifference(F.SENDER, _cut(f"From: old “{theirs.sender}”, new “{ours.sender}”"))
    if theirs.reply_to != ours.reply_to:
        yield EmailDifference(F.REPLY_TO, _cut(f"Reply-To: old “{theirs.reply_to}”, new “{ours.reply_to}”"))
    old, new = rules.applied("subject", theirs.subject), rules.applied("subject", ours.subject)
    if old != new:
        yield EmailDifference(F.SUBJECT, _two("subject", old, new, words))
    yield from _headers(theirs, ours, rules)
    yield from _bodies(F.TEXT, theirs.text, ours.text, words, rules)
    yield from _bodies(F.HTML, theirs.html, ours.html, words, rules)
    yield from _files(theirs.files, ours.files)


def _two(what: str, old: str, new: str, words: KnownWords) -> str:
    return _cut(f"{what}: old “{words.shape(old)}”, new “{words.shape(new)}”")


def _cut(text: str) -> str:
    return text if len(text) <= WHAT_LENGTH else f"{text[: WHAT_LENGTH - 1]}…"


def _recipients(theirs: ComparedMessage, ours: ComparedMessage) -> Iterator[EmailDifference]:
    old, new = set(theirs.recipients), set(ours.recipients)
    if not old & new:
        if old or new:
            yield EmailDifference(F.RECIPIENT, "To is another address" if old else "the copy names no recipient")
    elif old - new:
        yield EmailDifference(F.RECIPIENT, f"it went to {len(old - new)} more recipients")


def _headers(theirs: ComparedMessage, ours: ComparedMessage, rules: SamenessRules) -> Iterator[EmailDifference]:
    old = {name: value for name, value in theirs.headers if not rules.ignores(name)}
    new = {name: value for name, value in ours.headers if not rules.ignores(name)}
    for name in sorted(old.keys() | new.keys()):
        if name not in new:
            yield EmailDifference(F.HEADER, f"header {name}: only the old server has it")
        elif name not in old:
            yield EmailDifference(F.HEADER, f"header {name}: only we have it")
        elif old[name] != new[name]:
            yield EmailDifference(F.HEADER, f"header {name}: another value")


def _bodies(
    field: DifferingField, old: str | None, new: str | None, words: KnownWords, rules: SamenessRules
) -> Iterator[EmailDifference]:
    if old == new:
        return
    if old is None or new is None:
        yield EmailDifference(field, f"only the {'old server' if new is None else 'new one'} has a {field} part")
        return
    old, new = rules.applied(field, old), rules.applied(field, new)
    if old == new:
        return
    lines = html_lines if field is F.HTML else text_lines
    for before, after in _hunks(lines(old), lines(new)):
        yield EmailDifference(field, _two(str(field), " ".join(before), " ".join(after), words))


def _hunks(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[Sequence[str], Sequence[str]]]:
    """What is other between the two, place by place."""
    same = 0
    while same < min(len(old), len(new)) and old[same] == new[same]:
        same += 1
    old, new, end = old[same:], new[same:], 0
    while end < min(len(old), len(new)) and old[-1 - end] == new[-1 - end]:
        end += 1
    old, new = old[: len(old) - end], new[: len(new) - end]
    if not old and not new:
        return
    if len(old) > MOST_LINES or len(new) > MOST_LINES:
        yield old, new
        return
    for kind, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind != "equal":
            yield old[a:b], new[c:d]


def _files(old: Sequence[ComparedFile], new: Sequence[ComparedFile]) -> Iterator[EmailDifference]:
    left, right = list((Counter(old) - Counter(new)).elements()), list((Counter(new) - Counter(old)).elements())
    yield from _pairs(left, right, lambda a, b: (a.name, a.sha256) == (b.name, b.sha256), _another_type)
    yield from _pairs(left, right, lambda a, b: a.sha256 == b.sha256, _another_name)
    yield from _pairs(left, right, lambda a, b: a.name == b.name, _another_content)
    yield from _pairs(left, right, lambda a, b: _ending(a.name) == _ending(b.name), _another_file)
    for one in left:
        yield EmailDifference(F.ATTACHMENT, f"only the old server attached {_shown(one)}")
    for one in right:
        yield EmailDifference(F.ATTACHMENT, f"only we attach {_shown(one)}")


def _pairs(
    left: list[ComparedFile],
    right: list[ComparedFile],
    alike: Callable[[ComparedFile, ComparedFile], bool],
    what: Callable[[ComparedFile, ComparedFile], EmailDifference],
) -> Iterator[EmailDifference]:
    """Take out of both sides what is alike, and say what differs."""
    for one in list(left):
        other = next((two for two in right if alike(one, two)), None)
        if other is not None:
            left.remove(one)
            right.remove(other)
            yield what(one, other)


def _another_type(old: ComparedFile, new: ComparedFile) -> EmailDifference:
    return EmailDifference(F.ATTACHMENT_TYPE, f"{_shown(old)}: old {old.content_type}, new {new.content_type}")


def _another_name(old: ComparedFile, new: ComparedFile) -> EmailDifference:
    return EmailDifference(
        F.ATTACHMENT_NAME, f"the same content has another name: old {_shown(old)}, new {_shown(new)}"
    )


def _another_content(old: ComparedFile, new: ComparedFile) -> EmailDifference:
    how = "shorter" if old.size < new.size else "longer" if old.size > new.size else "of the same size"
    return EmailDifference(F.ATTACHMENT_HASH, f"{_shown(old)}: another content, the old one is {how}")


def _another_file(old: ComparedFile, _new: ComparedFile) -> EmailDifference:
    return EmailDifference(F.ATTACHMENT_HASH, f"{_shown(old)}: another name and another content")


def _shown(file: ComparedFile) -> str:
    """A file by its ending: its name may have a customer's."""
    return f"*{_ending(file.name)}" if file.name else "a file without a name"


def _ending(name: str) -> str:
    dot = name.rpartition(".")
    return f".{dot[2].lower()}" if dot[1] and len(dot[2]) <= 8 and dot[2].isalnum() else ""
