"""What a reader would stumble over in a rendered email: leftover placeholders, a greeting without a name, odd links."""

import html as entities
import re
from collections.abc import Collection, Iterator
from functools import lru_cache
from urllib.parse import urlsplit

from eed_delivery.rehearsal.findings import EmailFinding, FindingKind

_ALWAYS = re.compile(
    r"\{\{|\}\}|\{%|%\}|(?<![\w%])%(?:\(\w{1,40}\))?[sd]\b|\$\{\w{1,40}\}|\[\[\w{1,40}\]\]|«\w{0,40}_\w{0,40}»"
    r"|\b(?:TODO|FIXME)\b|\b[Ll]orem ipsum\b"
)
_IN_MARKUP = re.compile(r"\{\{|\{%|(?<![\w%])%(?:\(\w{1,40}\))?s\b|\$\{\w{1,40}\}")
"""In the HTML itself, where }} and %} are also of style sheets."""
_VALUES = re.compile(r"(?<![\w.-])(?:None|null|NULL|NaN|nan|undefined)(?![\w-])")
"""What programs print for a value that is not there. A word that the template itself says is no such value."""
_NEEDS_NAME = "dear|sehr geehrte[rs]?|liebe[rs]?|ch[eè]re?|estimad[oa]|gentile|car[oa]|geachte|beste|szanown[ya]"
_MAY_HAVE_NAME = "hello|hi|hallo|guten (?:tag|morgen|abend)|bonjour|hola|ciao|good (?:morning|afternoon|evening)"
_NO_NAME = re.compile(
    rf"(?im)^[ \t]*(?:(?:{_NEEDS_NAME})(?: (?:mr|mrs|ms|herr|frau|m|mme)\.?)?[ \t]*|(?:{_MAY_HAVE_NAME})[ \t]+)[,!:]"
)
_HREF = re.compile(r"""<a\b[^<>]{0,2000}?\bhref\s*=\s*(?:"([^"]*)"|'([^']*)')""", re.IGNORECASE)
_IN_TEXT = re.compile(r"\bhttps?://[^\s<>\"')\]]+", re.IGNORECASE)
_UNSEEN = re.compile(r"<(style|head|script)\b|<!--", re.IGNORECASE)
_UNSEEN_ENDS = {
    name: re.compile(rf"</{name}\s*+>" if name else "-->", re.IGNORECASE) for name in ("style", "head", "script", "")
}
_TAG = re.compile(r"<[^<>]*+>")
_NOT_WEB = frozenset({"mailto", "tel", "sms"})
_WORD_LENGTH = 40


class TextChecks:
    """Checks of the emails of one job. `literals` is what its templates say by themselves."""

    def __init__(self, literals: str, known_hosts: Collection[str], own_text: bool) -> None:
        """Without `known_hosts`, links may go to any host. `own_text`: the job has a text template beside its HTML."""
        self._literals = frozenset(_VALUES.findall(literals))
        self._link = lru_cache(maxsize=4096)(_LinkCheck(known_hosts).what)
        self._own_text = own_text

    def of(self, subject: str, html: str | None, text: str | None) -> list[EmailFinding]:
        """What is found in one email, each once."""
        found: dict[EmailFinding, None] = {}
        bodies = [text or ""]
        if html is not None and self._own_text:
            bodies.append(visible_words(html))
        for where, words in (("subject", subject), *(("text", body) for body in bodies)):
            found.update(dict.fromkeys(self._placeholders(where, words)))
            if where == "text" and (greeting := _NO_NAME.search(words)):
                found[EmailFinding(FindingKind.EMPTY_GREETING, _shown(greeting[0]))] = None
        if html is not None:
            found.update(dict.fromkeys(_left("html", _IN_MARKUP.findall(html))))
        found.update(dict.fromkeys(self._links(html, text)))
        return list(found)

    def _placeholders(self, where: str, words: str) -> Iterator[EmailFinding]:
        yield from _left(where, _ALWAYS.findall(words))
        yield from _left(where, [word for word in _VALUES.findall(words) if word not in self._literals])

    def _links(self, html: str | None, text: str | None) -> Iterator[EmailFinding]:
        if html is None:
            links = _IN_TEXT.findall(text or "")
        else:
            links = [double or single for double, single in _HREF.findall(html)]
        for link in links:
            if what := self._link(link):
                yield EmailFinding(FindingKind.LINK, what)


class _LinkCheck:
    def __init__(self, known_hosts: Collection[str]) -> None:
        self._hosts = frozenset(host.lower() for host in known_hosts)

    def what(self, link: str) -> str:
        """What is wrong with a link. "": nothing."""
        link = entities.unescape(link).strip()
        if link.startswith("#") and len(link) > 1:
            return ""
        try:
            parts = urlsplit(link)
            host = (parts.hostname or "").lower()
        except ValueError:
            return f"a link is none: {_shown(link)}"
        if parts.scheme in _NOT_WEB:
            return ""
        if not link or link == "#" or not parts.scheme:
            return "a link leads nowhere"
        if parts.scheme != "https":
            return f"a link is {_shown(parts.scheme)} and not https: {_shown(host)}"
        if self._hosts and not self._is_known(host):
            return f"a link goes to a host that is not known: {_shown(host)}"
        return ""

    def _is_known(self, host: str) -> bool:
        return any(host == known or (known.startswith(".") and host.endswith(known)) for known in self._hosts)


def visible_words(html: str) -> str:
    """Roughly what a reader sees, with an end of line for each tag."""
    return entities.unescape(_TAG.sub("\n", _without_unseen(html)))


def _without_unseen(html: str) -> str:
    """Without styles, scripts, the head and comments. One that does not end hides the rest. In linear time."""
    shown, at = [], 0
    while (opens := _UNSEEN.search(html, at)) is not None:
        shown.append(html[at : opens.start()])
        ends = _UNSEEN_ENDS[(opens[1] or "").lower()].search(html, opens.end())
        at = len(html) if ends is None else ends.end()
    return " ".join([*shown, html[at:]])


def _left(where: str, words: Collection[str]) -> Iterator[EmailFinding]:
    for word in words:
        yield EmailFinding(FindingKind.PLACEHOLDER, f"{_shown(word)} is left in the {where}")


def _shown(words: str) -> str:
    return " ".join(words.split())[:_WORD_LENGTH]
