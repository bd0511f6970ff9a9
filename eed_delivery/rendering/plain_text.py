"""The text part of an email that has only an HTML template."""

from inscriptis import get_text
from inscriptis.css_profiles import CSS_PROFILES
from inscriptis.model.config import ParserConfig
from lxml.etree import LxmlError  # type: ignore[import-untyped]

from eed_delivery.errors import RenderError

_CONFIG = ParserConfig(css=CSS_PROFILES["relaxed"].copy(), display_links=True)  # a link without its target is useless


def text_of(html: str) -> str | None:
    """`html` as text, tables and lists laid out, links as [words](address); None when there is nothing to read."""
    try:
        text = get_text(html, _CONFIG)
    except (LxmlError, ValueError, LookupError, RuntimeError, AttributeError, TypeError) as error:
        words = f"no text part can be made from the HTML ({type(error).__name__}); give the job a text template"
        raise RenderError(words) from error
    lines = [line.rstrip() for line in text.strip("\r\n").splitlines()]
    return "\n".join(lines) if any(lines) else None
