"""What mail servers and mailboxes send back to an email's own address, as events.

Only recipients of the email know that address, and any of them may write to it. So a message here can say anything
about that one email, and nothing about another. Whom it concerns is read from the envelope alone. Complaints
that come to another address (`parse_complaint`) must hold a signature of ours for that.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from itertools import islice

from eed_delivery.events import DeliveryOutcome, EventKind, TrackingEvent
from eed_delivery.tracking.bounces.auto_replies import is_auto_reply
from eed_delivery.tracking.bounces.delivery_reports import (
    CONTENT_TYPES,
    Action,
    RecipientReport,
    gravest,
    read_delivery_report,
)
from eed_delivery.tracking.bounces.diagnosis import Diagnosis
from eed_delivery.tracking.bounces.feedback_reports import NO_COMPLAINTS, feedback_type, reported_email
from eed_delivery.tracking.bounces.mime_parts import Mail, take_apart
from eed_delivery.tracking.bounces.plain import PlainBounce, read_plain_bounce, sends_reports, words_of
from eed_delivery.tracking.bounces.verp import Verp
from eed_delivery.untrusted import clean, mask_addresses

MAX_BYTES = 1_000_000
MAX_MESSAGES, MAX_DEPTH = 2, 2
"""Messages within a message that are looked into, and how deep."""
DETAIL_SOURCE = 2000
"""Characters that a detail is made from: more than remain, because cleaning and masking make it shorter."""


class BounceVerdict(StrEnum):
    """What a message to a bounce address is. The last three bring no event."""

    BOUNCE = "bounce"
    DELAY = "delay"
    DELIVERY = "delivery"
    COMPLAINT = "complaint"
    AUTO_REPLY = "auto_reply"
    NOT_UNDERSTOOD = "not_understood"
    NOT_OURS = "not_ours"


@dataclass(frozen=True, slots=True)
class BounceReading:
    """What the message is, and the event it brings, if any."""

    verdict: BounceVerdict
    event: TrackingEvent | None = None


@dataclass(frozen=True, slots=True)
class _Finding:
    """An event but for whom it concerns."""

    verdict: BounceVerdict
    outcome: DeliveryOutcome | None
    sub_type: str
    text: str
    code: int | None = None
    enhanced: str | None = None


_KINDS = {
    BounceVerdict.BOUNCE: EventKind.BOUNCE,
    BounceVerdict.DELAY: EventKind.DELAY,
    BounceVerdict.DELIVERY: EventKind.DELIVERY,
    BounceVerdict.COMPLAINT: EventKind.COMPLAINT,
}
_VERDICTS = {Action.FAILED: BounceVerdict.BOUNCE, Action.DELAYED: BounceVerdict.DELAY}


def parse_bounce(
    raw: bytes, sent_to: str, verp: Verp, received_at: datetime, max_bytes: int = MAX_BYTES
) -> BounceReading:
    """Reads what came for `sent_to`, the envelope's recipient. `received_at` is in UTC.

    Never raises, for any `raw`, and takes bounded time. What is beyond `max_bytes` is not read.
    """
    ours = verp.read(sent_to)
    if ours is None:
        return BounceReading(BounceVerdict.NOT_OURS)
    mail = take_apart(raw, max_bytes)
    finding = _find(mail)
    if finding is None:
        return BounceReading(BounceVerdict.AUTO_REPLY if is_auto_reply(mail) else BounceVerdict.NOT_UNDERSTOOD)
    return BounceReading(finding.verdict, _event(finding, ours, mail, received_at))


def parse_complaint(
    raw: bytes, _sent_to: str, verp: Verp, received_at: datetime, max_bytes: int = MAX_BYTES
) -> BounceReading:
    """Reads what came to the address that is registered for complaints. `received_at` is in UTC.

    A provider sends its reports there, and not to the email's own address. So whom one concerns is read from what it
    holds of our email, by our signatures alone. Only a recipient of the email can complain about it. Never
    raises, and takes bounded time.
    """
    mail = take_apart(raw, max_bytes)
    kind = feedback_type(mail)
    if kind is None:
        return BounceReading(BounceVerdict.NOT_UNDERSTOOD)
    ours = reported_email(mail, verp)
    if ours is None:
        return BounceReading(BounceVerdict.NOT_OURS)
    finding = _complaint(kind, words_of(mail))
    return BounceReading(finding.verdict, _event(finding, ours, mail, received_at))


def _event(finding: _Finding, ours: tuple[int, int], mail: Mail, received_at: datetime) -> TrackingEvent:
    email_id, gen = ours
    kind = _KINDS[finding.verdict]
    return TrackingEvent(
        event_id=_event_id(email_id, gen, kind, mail),
        kind=kind,
        occurred_at=received_at,
        email_id=email_id,
        gen=gen,
        outcome=finding.outcome,
        sub_type=finding.sub_type,
        code=finding.code,
        enhanced=finding.enhanced,
        detail=_detail(finding.text),
    )


def _complaint(kind: str, text: str) -> _Finding:
    outcome = None if kind in NO_COMPLAINTS else DeliveryOutcome.COMPLAINED
    return _Finding(BounceVerdict.COMPLAINT, outcome, kind, text)


def _find(mail: Mail) -> _Finding | None:
    """The standards first. Auto-replies come last (in our caller), because Exim marks its bounces as such."""
    mail = _report_within(mail)
    words = words_of(mail)
    if reports := read_delivery_report(mail, words):
        return _from_reports(reports)
    if (kind := feedback_type(mail)) is not None:
        return _complaint(kind, words)
    bounce = read_plain_bounce(mail, words)
    return None if bounce is None else _from_words(bounce)


def _report_within(mail: Mail, depth: int = MAX_DEPTH) -> Mail:
    """The report itself, where a gateway has sent it on as a message within its own (message/rfc822).

    Only where a mail system wrote the outer message. A person who forwards a bounce reports another person's.
    """
    if depth == 0 or next(mail.of_type(*CONTENT_TYPES), None) is not None or not sends_reports(mail):
        return mail
    for part in islice(mail.of_type("message/rfc822"), MAX_MESSAGES):
        inner = _report_within(take_apart(part.content(MAX_BYTES), MAX_BYTES), depth - 1)
        if next(inner.of_type(*CONTENT_TYPES), None) is not None:
            return inner
    return mail


def _from_reports(reports: list[RecipientReport]) -> _Finding:
    report = gravest(reports)
    verdict = _VERDICTS.get(report.action, BounceVerdict.DELIVERY)
    if verdict is BounceVerdict.DELIVERY:
        # Relayed or expanded (RFC 3464, 2.3.3): on its way to where no server will report to us
        outcome = DeliveryOutcome.DELIVERED if report.action is Action.DELIVERED else None
        return _Finding(verdict, outcome, "" if outcome else str(report.action), report.text)
    arrived = any(other.action not in _VERDICTS for other in reports)
    return _failure(verdict, report.diagnosis, report.text, alive=arrived)


def _from_words(bounce: PlainBounce) -> _Finding:
    verdict = BounceVerdict.DELAY if bounce.delayed else BounceVerdict.BOUNCE
    return _failure(verdict, bounce.diagnosis, bounce.text, alive=False)


def _failure(verdict: BounceVerdict, diagnosis: Diagnosis, text: str, *, alive: bool) -> _Finding:
    """`alive` means that the email reached another mailbox behind the same address, so the address is not dead."""
    outcome: DeliveryOutcome | None = DeliveryOutcome.SOFT_BOUNCED if alive else diagnosis.cause.outcome
    if verdict is BounceVerdict.DELAY:
        outcome = None
    return _Finding(verdict, outcome, diagnosis.cause.sub_type, text, diagnosis.code, diagnosis.enhanced)


def _event_id(email_id: int, gen: int, kind: EventKind, mail: Mail) -> str:
    """The same for a message that comes twice, by any way. It is its Message-ID, or else its body."""
    name = mail.fields.get("message-id").encode("utf-8", "replace") or sha256(mail.body).digest()
    return "mail-" + sha256(f"{email_id}.{gen}.{kind}.".encode("ascii") + name).hexdigest()[:40]


def _detail(text: str) -> str:
    """For people, one line of at most 500 characters, without addresses."""
    cut = text[:DETAIL_SOURCE]
    if len(text) > DETAIL_SOURCE:
        cut = cut[: max(cut.rfind(" "), cut.rfind("\n")) + 1]  # no half address, which masking would not see
    return clean(mask_addresses(cut))
