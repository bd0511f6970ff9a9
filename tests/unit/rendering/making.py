"""Jobs, emails and renderers for the tests, and a reader of messages: the standard library's parser, not our code."""

from datetime import UTC, datetime
from email import message_from_bytes, message_from_string, policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import parseaddr
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from hypothesis import strategies as st

from eed_delivery.config import RenderingSettings
from eed_delivery.model import AttachmentRef, Email, Job, Rendered
from eed_delivery.rendering.attachments import AttachmentStore
from eed_delivery.rendering.renderer import Renderer

NOON = datetime(2026, 1, 2, 12, 0, 0, tzinfo=UTC)

words = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]) | st.sampled_from("=?_<>@\"\\,;:()%' äßЖ中😀ع"),
    max_size=150,
)
"""Text in any script that a header can hold, with what headers are made of thrown in."""
any_text = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("\r\n\t =.-äЖ中😀"), max_size=2000)


def settings(**changes: Any) -> RenderingSettings:
    return RenderingSettings(**{"message_id_domain": "mail.bank.example", **changes})


@lru_cache(maxsize=8)
def plain_renderer(root: Path | None) -> Renderer:
    """One renderer for all examples of a property test: making one takes longer than a message. Files may be empty."""
    return renderer(root, allow_empty_attachments=True)


def renderer(root: Path | None = None, **changes: Any) -> Renderer:
    made = settings(**changes)
    store = AttachmentStore(root, None, (), made.max_attachment_bytes, made.allow_empty_attachments)
    return Renderer(made, store, lambda: NOON)


def job(**changes: Any) -> Job:
    values: dict[str, Any] = {
        "job_id": 3,
        "key": "3",
        "revision": 0,
        "sender": "Bank <statements@bank.example>",
        "subject": "Statement",
        "html_template": "<p>Hello</p>",
        "text_template": "Hello",
    }
    return Job(**{**values, **changes})


def email(**changes: Any) -> Email:
    values: dict[str, Any] = {
        "email_id": 7,
        "job_id": 3,
        "key": "7",
        "gen": 2,
        "token": 1,
        "attempts": 0,
        "recipient": "anna@customers.example",
    }
    return Email(**{**values, **changes})


def rendered(the_job: Job, the_email: Email, root: Path | None = None, **changes: Any) -> Rendered:
    maker = renderer(root, **changes) if changes else plain_renderer(root)
    return maker.render(maker.compile(the_job), the_email)


def read(message: Rendered) -> EmailMessage:
    """The message as a modern mail client's parser sees it; no defect may be left."""
    if message.needs_smtputf8:
        parsed = message_from_string(message.content.decode(), policy=policy.default)
    else:
        assert message.content.isascii()
        parsed = message_from_bytes(message.content, policy=policy.default)
    for part in parsed.walk():
        assert not part.defects
    return cast(EmailMessage, parsed)


def decoded(message: Rendered, name: str) -> str:
    """A header's text by RFC 2047, with the library's older decoder.

    The parser of Python 3.11 leaves a blank between two encoded words of a name (RFC 2047, section 6.2, forbids it).
    """
    raw = message_from_bytes(message.content).get_all(name) or []
    assert len(raw) == 1
    return str(make_header(decode_header(raw[0].replace("\r\n", ""))))


def name_in(message: Rendered, header: str) -> str:
    """The display name in an address header."""
    raw = message_from_bytes(message.content)[header].replace("\r\n", "")
    phrase, address = parseaddr(raw)
    assert "@" in address
    return str(make_header(decode_header(phrase)))


def header_names(message: Rendered) -> list[str]:
    """The header block's names, found in the raw bytes, line by line."""
    head = message.content.split(b"\r\n\r\n")[0]
    assert b"\r" not in head.replace(b"\r\n", b"")
    assert b"\n" not in head.replace(b"\r\n", b"")
    return [line.split(b":")[0].decode() for line in head.split(b"\r\n") if line[:1] not in b" \t"]


def attachment(location: str, **changes: Any) -> AttachmentRef:
    return AttachmentRef(location, **changes)
