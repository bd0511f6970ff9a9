"""Complaints by mail, as ARF (RFC 5965), which Yahoo and most providers send, and as Microsoft's older form (JMRP)."""

import re
from itertools import islice

from eed_delivery.tracking.bounces.mime_parts import Mail, field_groups, header_of
from eed_delivery.tracking.bounces.verp import Verp

CONTENT_TYPE = "message/feedback-report"
COPIES = ("message/rfc822", "text/rfc822-headers", "message/rfc822-headers", "message/global", "text/plain")
"""What a report may hold our email in; Microsoft's older form has all of it in the text."""
MAX_LOOKED_AT = 6
NO_COMPLAINTS = frozenset({"not-spam", "auth-failure"})
"""Reports that say nothing against us: taken back (RFC 5965, 3.4), and SPF or DKIM failures (RFC 6591)."""
_KNOWN = NO_COMPLAINTS | {"abuse", "fraud", "virus", "other"}
_WORD = re.compile(r"[a-z-]+")
_JMRP = re.compile(r"complaint about message from [\d.]", re.IGNORECASE)
_JMRP_FROM = re.compile(r"staff@hotmail\.com", re.IGNORECASE)


def feedback_type(mail: Mail) -> str | None:
    """The kind of complaint in SES's words (abuse, auth-failure, fraud, not-spam, other, virus). None if it is none."""
    part = next(mail.of_type(CONTENT_TYPE), None)
    if part is not None:
        groups = field_groups(part.content(), 1)
        return _kind(groups[0].get("feedback-type")) if groups else "other"
    if mail.report_type == "feedback-report":
        return "other"  # cut off before its second part
    return "abuse" if _is_jmrp(mail) else None


def reported_email(mail: Mail, verp: Verp) -> tuple[int, int] | None:
    """The email that the report is about, by a signature of ours. None if there is none in it.

    Looked for in Original-Mail-From (RFC 5965, 3.2) and the rest of the report, then in the copy of our email. There it
    may be in its Return-Path, Received and other fields, and in its Message-ID, which providers that hide addresses
    leave.
    """
    for part in islice(mail.of_type(CONTENT_TYPE, *COPIES), MAX_LOOKED_AT):
        content = part.content()
        ours = verp.find(content.decode("ascii", "replace")) or verp.read_message_id(
            header_of(content).get("message-id")
        )
        if ours is not None:
            return ours
    return None


def _kind(value: str) -> str:
    found = _WORD.match(value.strip().lower())
    # RFC 5965, 7.3: an unknown kind is to be taken as "other"
    return found[0] if found is not None and found[0] in _KNOWN else "other"


def _is_jmrp(mail: Mail) -> bool:
    return bool(_JMRP.match(mail.fields.get("subject")) and _JMRP_FROM.search(mail.fields.get("from")))
