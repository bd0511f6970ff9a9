"""A sample as it goes to a tester: marked as one, and with nothing left in its header that leads to the customer."""

import re
import secrets
from collections.abc import Iterator
from datetime import datetime
from email import policy
from email.parser import BytesHeaderParser
from email.utils import format_datetime, parseaddr

from eed_delivery.model import Rendered

MARK = "[SAMPLE]"
HEADER = "X-Eed-Delivery-Sample"
_LEFT_OUT = frozenset(
    {"to", "cc", "bcc", "date", "message-id", "return-path", "list-unsubscribe", "list-unsubscribe-post", "subject"}
)
_NEXT_FIELD = re.compile(rb"\r\n(?![ \t])")


def as_sample(content: bytes, to: str, operation: str, now: datetime) -> Rendered:
    """The message for `to`. Its body has the bytes that were rehearsed.

    Its envelope sender is the address of its From, so that a bounce counts against no email. `now` has a zone.
    """
    head, _, body = content.partition(b"\r\n\r\n")
    given = BytesHeaderParser(policy=policy.SMTP).parsebytes(head + b"\r\n\r\n")
    sender = parseaddr(str(given["From"] or ""))[1]
    domain = str(given["Message-ID"] or "").rpartition("@")[2].rstrip("> ") or sender.rpartition("@")[2]
    message_id = f"<sample.{secrets.token_hex(16)}@{domain}>"
    subject = next((value for name, value in _fields(head) if name == b"subject"), b"")
    marked = [
        b"Subject: " + MARK.encode() + b"\r\n " + subject.strip() if subject.strip() else b"Subject: " + MARK.encode(),
        b"To: " + to.encode(),
        b"Date: " + format_datetime(now).encode(),
        b"Message-ID: " + message_id.encode(),
        HEADER.encode() + b": " + operation.encode(),
    ]
    kept = [
        field
        for field in _NEXT_FIELD.split(head)
        if field.partition(b":")[0].strip().lower().decode("ascii", "replace") not in _LEFT_OUT
    ]
    header = b"\r\n".join([*marked, *kept])
    return Rendered(
        email_id=0,
        gen=0,
        envelope_sender=sender,
        recipient=to,
        message_id=message_id,
        content=header + b"\r\n\r\n" + body,
        needs_smtputf8=not header.isascii(),
    )


def _fields(head: bytes) -> Iterator[tuple[bytes, bytes]]:
    for field in _NEXT_FIELD.split(head):
        name, _, value = field.partition(b":")
        yield name.strip().lower(), value
