"""The text part of an email that has only an HTML template.

Costs four times what a text template costs. Its work is not bounded as the templates' is: a table with a very wide cell
and very many rows pads every row to that width.
"""

from inscriptis import get_text
from inscriptis.css_profiles import CSS_PROFILES
from inscriptis.model.config import ParserConfig
from inscriptis.model.css import CssParse
from inscriptis.model.html_element import HtmlElement
from lxml.etree import LxmlError  # type: ignore[import-untyped]

from eed_delivery.errors import RenderError


def _style(value: str, element: HtmlElement) -> None:
    """Of a style attribute only what hides or preserves text: margins and paddings would become blanks without end."""
    kept = [part for part in value.lower().split(";") if part.strip().startswith(("display", "white-space"))]
    CssParse.attr_style(";".join(kept), element)


def _config() -> ParserConfig:
    config = ParserConfig(css=CSS_PROFILES["relaxed"].copy(), display_links=True)  # links are useless without targets
    config.attribute_handler.attribute_mapping = {**config.attribute_handler.attribute_mapping, "style": _style}
    return config


_CONFIG = _config()


def text_of(html: str) -> str | None:
    """`html` as text, tables and lists laid out, links as [words](address); None when there is nothing to read."""
    try:
        text = get_text(html, _CONFIG)
    except (LxmlError, ValueError, LookupError, RuntimeError, AttributeError, TypeError) as error:
        words = f"no text part can be made from the HTML ({type(error).__name__}); give the job a text template"
        raise RenderError(words) from error
    lines = [line.rstrip() for line in text.strip("\r\n").splitlines()]
    return "\n".join(lines) if any(lines) else None
