"""Delivery status notifications (RFC 3464, and RFC 6533 for addresses beyond ASCII), and what each recipient's group
says.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from eed_delivery.tracking.bounces.diagnosis import Diagnosis, diagnose, diagnose_words
from eed_delivery.tracking.bounces.enhanced_codes import FIND, Meaning
from eed_delivery.tracking.bounces.mime_parts import Fields, Mail, field_groups

CONTENT_TYPES = ("message/delivery-status", "message/global-delivery-status")
MAX_GROUPS = 20
"""An email has one recipient; a forwarding address may reach some more."""
_WORD = re.compile(r"[a-z]+")
_DIAGNOSTIC_TYPE = re.compile(r"[\w-]{1,40}\s{0,10};\s{0,10}", re.ASCII)  # RFC 3464, 2.3.6: "smtp; 550 …"


class Action(StrEnum):
    """RFC 3464, 2.3.3, the gravest first."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    RELAYED = "relayed"
    EXPANDED = "expanded"


@dataclass(frozen=True, slots=True)
class RecipientReport:
    """What became of the email at one address. Which address that is we don't read. The VERP address decides."""

    action: Action
    diagnosis: Diagnosis
    text: str


def read_delivery_report(mail: Mail, words: str) -> list[RecipientReport]:
    """The groups about recipients. None if it is no such report. `words` is what the report says to people, for the
    groups that say too little themselves."""
    part = next(mail.of_type(*CONTENT_TYPES), None)
    if part is None:
        return []
    reports = (_report(group, words) for group in field_groups(part.content(), MAX_GROUPS))
    return [report for report in reports if report is not None]


def gravest(reports: Sequence[RecipientReport]) -> RecipientReport:
    """The report that decides for the email.

    It is chosen by action, then one with a living address rather than a dead one.

    An address that forwards to three people, one of whom has left, is alive.
    """
    order = list(Action)
    return min(reports, key=lambda report: (order.index(report.action), report.diagnosis.cause.meaning is Meaning.DEAD))


def _report(group: Fields, words: str) -> RecipientReport | None:
    status, text = group.get("status"), _said(group)
    action = _action(group, status, text)
    if action is None:
        return None  # the group about the message as a whole (RFC 3464, 2.2)
    diagnosis = diagnose(status, text)
    if not diagnosis.vague:
        return RecipientReport(action, diagnosis, text)
    # The group says too little: perhaps the status has a comment, 5.0.0 (recipient reached disk quota), or the words
    # for people are plainer.
    beside = diagnose_words(status, f"{status} {text}\n\n{words}")
    if beside.vague:
        beside = diagnose(status, f"{text} {words}")
    return RecipientReport(action, diagnosis if beside.vague and text else beside, text or f"{status} {words}")


def _said(group: Fields) -> str:
    """The server's words. X-Supplementary-Info is Exchange's, for an answer of another server."""
    said = group.decoded("diagnostic-code")
    named = _DIAGNOSTIC_TYPE.match(said)
    more = group.decoded("x-supplementary-info")
    return " ".join(part for part in (said[named.end() :] if named else said, more) if part)


def _action(group: Fields, status: str, text: str) -> Action | None:
    """The field is required, and some leave it out. Then the status' class decides, or else the server's answer. A
    group that names a recipient and says no more is about a failure. It would not have come for anything else."""
    found = _WORD.match(group.get("action").strip().lower())
    if found is not None and found[0] in list(Action):
        return Action(found[0])
    code = FIND.search(status) or (FIND.search(text) if _names_a_recipient(group) else None)
    by_class = {"2": Action.DELIVERED, "4": Action.DELAYED, "5": Action.FAILED}
    if code is not None:
        return by_class[code[1]]
    return Action.FAILED if _names_a_recipient(group) else None


def _names_a_recipient(group: Fields) -> bool:
    return any(name in group for name in ("final-recipient", "original-recipient"))
