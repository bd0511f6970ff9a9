"""Texts and HTML as lines that are compared. White space, entities and the order of attributes are no difference."""

import html
import re
from html.parser import HTMLParser

_SPACES = re.compile(r"[ \t\r\f\v\u00a0\u2007\u202f\u200b\ufeff]+")
_ANY_SPACES = re.compile(r"\s+")
_URLS = frozenset({"href", "src", "action", "background", "cite"})


def text_lines(text: str) -> tuple[str, ...]:
    """The lines of a text that are not blank, each with single spaces. How it was wrapped makes no difference: lines
    of a paragraph are one."""
    paragraphs = re.split(r"\n[ \t]*\n", text.replace("\r\n", "\n").replace("\r", "\n"))
    joined = (_SPACES.sub(" ", paragraph.replace("\n", " ")).strip() for paragraph in paragraphs)
    return tuple(line for line in joined if line)


def html_lines(text: str) -> tuple[str, ...]:
    """Tags and words of HTML in their order, a tag with sorted attributes, and words with single spaces."""
    reader = _Lines()
    reader.feed(text.replace("\x00", ""))
    reader.close()
    reader.end_words()
    return tuple(reader.lines)


class _Lines(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.lines: list[str] = []
        self._words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.end_words()
        given = sorted((name, _attribute(name, value)) for name, value in attrs)
        self.lines.append(f"<{' '.join([tag, *(f'{name}={value!r}' for name, value in given)])}>")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        self.end_words()
        if tag not in ("p", "li", "td", "th", "tr", "tbody", "br", "img", "hr", "meta", "html", "body"):
            self.lines.append(f"</{tag}>")  # the others' ends may be left out

    def handle_data(self, data: str) -> None:
        self._words.append(data)

    def end_words(self) -> None:
        """Words that are complete are a line."""
        words = _ANY_SPACES.sub(" ", "".join(self._words).replace("\u00a0", " ")).strip()
        self._words = []
        if words:
            self.lines.append(words)


def _attribute(name: str, value: str | None) -> str:
    """A value as it is compared. A style's spaces are no difference, nor is a link's entity."""
    found = html.unescape(value or "") if name in _URLS else value or ""
    found = _ANY_SPACES.sub(" ", found).strip()
    if name == "style":
        return re.sub(r" ?([:;,]) ?", r"\1", found).rstrip(";")
    return found
