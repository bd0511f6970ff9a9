"""Complaints by mail: ARF (RFC 5965), as Yahoo and most providers send it, and Microsoft's older form (JMRP)."""

import re

from eed_delivery.tracking.mime_parts import Mail, field_groups

CONTENT_TYPE = "message/feedback-report"
NO_COMPLAINTS = frozenset({"not-spam", "auth-failure"})
"""Reports that say nothing against us: taken back (RFC 5965, 3.4), and SPF or DKIM failures (RFC 6591)."""
_KNOWN = NO_COMPLAINTS | {"abuse", "fraud", "virus", "other"}
_WORD = re.compile(r"[a-z-]+")
_JMRP = re.compile(r"complaint about message from [\d.]", re.IGNORECASE)
_JMRP_FROM = re.compile(r"staff@hotmail\.com", re.IGNORECASE)


def feedback_type(mail: Mail) -> str | None:
    """The kind of complaint in SES's words (abuse, auth-failure, fraud, not-spam, other, virus); None: it is none."""
    part = next(mail.of_type(CONTENT_TYPE), None)
    if part is not None:
        groups = field_groups(part.content(), 1)
        return _kind(groups[0].get("feedback-type")) if groups else "other"
    if mail.report_type == "feedback-report":
        return "other"  # cut off before its second part
    return "abuse" if _is_jmrp(mail) else None


def _kind(value: str) -> str:
    found = _WORD.match(value.strip().lower())
    # RFC 5965, 7.3: an unknown kind is to be taken as "other"
    return found[0] if found is not None and found[0] in _KNOWN else "other"


def _is_jmrp(mail: Mail) -> bool:
    return bool(_JMRP.match(mail.fields.get("subject")) and _JMRP_FROM.search(mail.fields.get("from")))
