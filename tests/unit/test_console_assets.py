"""What the pages bring with them: a library of others, unchanged, and nothing inline."""

import hashlib
import re
from pathlib import Path

import pytest

import eed_delivery.console

ROOT = Path(eed_delivery.console.__file__).parent
HTMX = "2.0.11"
"""From npm: `npm pack htmx.org@2.0.11`, dist/htmx.min.js. 4.x has other attributes."""
SHA256 = "d6fdc75f204e6bdefa99b69bf1e6d4ac69b8a364f77929f45c13476b4000f717"
TEMPLATES = sorted((ROOT / "templates").glob("*.html"))


def test_htmx_is_the_file_of_its_release() -> None:
    content = (ROOT / "assets" / f"htmx-{HTMX}.min.js").read_bytes()
    assert hashlib.sha256(content).hexdigest() == SHA256
    assert f'version:"{HTMX}"'.encode() in content
    assert "Zero-Clause BSD" in (ROOT / "assets/htmx-LICENSE.txt").read_text("utf-8")
    assert f"htmx-{HTMX}.min.js" in (ROOT / "templates/frame.html").read_text("utf-8")


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.stem)
def test_a_template_has_nothing_that_the_policy_forbids(template: Path) -> None:
    """No inline script or style, no handler, nothing of another host, no filter that needs eval."""
    text = template.read_text("utf-8")
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:|hx-on|hx-vals=.js:|\|safe\b", text)
    assert not re.search(r"<script(?![^>]*\ssrc=)", text)
    assert not re.search(r"(?:src|href|action)=\"(?:https?:)?//", text)
    assert not re.search(r"hx-trigger=\"[^\"]*\[", text)
