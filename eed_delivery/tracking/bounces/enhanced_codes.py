"""Enhanced status codes (RFC 3463 and IANA's registry of later ones), and what they say about the address.

A code's class says whether the server gave this email up (5) or not yet (4). Whether mailing the address again is
pointless is another question. A full mailbox, a size limit or a spam filter answers 5.y.z too, and the person is there.
So three meanings, of which only `DEAD` counts as a hard bounce.
https://www.iana.org/assignments/smtp-enhanced-status-codes/
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from eed_delivery.events import DeliveryOutcome

# In running text: not within an IP address, a date or a program's version. qmail writes (#5.1.1), Exchange #5.1.1.
FIND = re.compile(r"(?<![\d.])([245])\.([0-7])\.(\d{1,3})(?!\d|\.\d)", re.ASCII)
_CODE = re.compile(r"([245])\.(\d{1,3})\.(\d{1,3})", re.ASCII)


class Meaning(StrEnum):
    """What a failure says about the address."""

    DEAD = "dead"  # the address does not exist, or is another person's: mailing it again is pointless
    NOT_NOW = "not_now"  # the mailbox, the system or the way to it, at this time
    REFUSED = "refused"  # for good, but this email (its content, size, sender): the address may be well


@dataclass(frozen=True, slots=True)
class Cause:
    """Why an email bounced. `vague` means that the code is a catch-all in practice, and the text knows better."""

    meaning: Meaning
    sub_type: str
    vague: bool = False

    @property
    def outcome(self) -> DeliveryOutcome:
        return DeliveryOutcome.HARD_BOUNCED if self.meaning is Meaning.DEAD else DeliveryOutcome.SOFT_BOUNCED


def _dead(sub_type: str) -> Cause:
    return Cause(Meaning.DEAD, sub_type)


def _not_now(sub_type: str, *, vague: bool = False) -> Cause:
    return Cause(Meaning.NOT_NOW, sub_type, vague)


def _refused(sub_type: str, *, vague: bool = False) -> Cause:
    return Cause(Meaning.REFUSED, sub_type, vague)


_MS = "https://learn.microsoft.com/troubleshoot/exchange/email-delivery/ndr/non-delivery-reports-in-exchange-online"

_RULES: tuple[tuple[str, Cause, str], ...] = (
    # subject.detail, what 5.subject.detail says, where that is written
    ("0.0", _refused("unknown", vague=True), "RFC 3463, 3.1: only the class is known"),
    ("1.0", _refused("address", vague=True), "RFC 3463, 3.2: something about the address, even the sender's"),
    ("1.1", _dead("no_mailbox"), "RFC 3463, 3.2: the mailbox does not exist"),
    ("1.2", _dead("no_domain"), "RFC 3463, 3.2: the system does not exist or takes no mail"),
    ("1.3", _dead("bad_address"), "RFC 3463, 3.2: the address is not one"),
    ("1.4", _refused("ambiguous"), "RFC 3463, 3.2: several mailboxes fit, so somebody is there"),
    ("1.5", _refused("unknown", vague=True), "RFC 3463, 3.2: the address is valid; in a failure it says nothing"),
    ("1.6", _dead("moved"), "RFC 3463, 3.2: moved, no forwarding address"),
    ("1.7", _refused("sender"), "RFC 3463, 3.2: the sender's address is not one"),
    ("1.8", _refused("sender"), "RFC 3463, 3.2: the sender's system does not exist"),
    ("1.9", _refused("system"), "RFC 3886, 3.3.4: relayed to a system that does not speak this"),
    ("1.10", _dead("no_domain"), "RFC 7505, 4.2: null MX; Exchange Online: recipient not found, " + _MS),
    ("1.90", _not_now("rate"), "Exchange Online: our recipients of the day are used up, " + _MS),
    ("2.0", _refused("mailbox", vague=True), "RFC 3463, 3.3: the mailbox exists"),
    ("2.1", _dead("disabled"), "RFC 3463, 3.3: disabled, for good where the class is 5"),
    ("2.2", _not_now("full"), "RFC 3463, 3.3: full; the owner can empty it"),
    ("2.3", _refused("too_large"), "RFC 3463, 3.3: too long for this mailbox"),
    ("2.4", _refused("list"), "RFC 3463, 3.3: a mailing list that cannot be expanded"),
    ("2.121", _not_now("rate"), "Exchange Online: the recipient's limit by the hour for one sender, " + _MS),
    ("2.122", _not_now("rate"), "Exchange Online: the recipient's limit by the hour, " + _MS),
    ("3.0", _refused("system", vague=True), "RFC 3463, 3.4"),
    ("3.1", _not_now("system"), "RFC 3463, 3.4: the system's disk is full"),
    ("3.2", _not_now("system", vague=True), "RFC 3463, 3.4: the system takes no mail; with 521 at no time (RFC 7504)"),
    ("3.3", _refused("system"), "RFC 3463, 3.4: the system lacks a feature that we asked for"),
    ("3.4", _refused("too_large"), "RFC 3463, 3.4: too big for the system"),
    ("3.5", _not_now("system"), "RFC 3463, 3.4: the system is set up wrongly"),
    ("4.0", _not_now("network", vague=True), "RFC 3463, 3.5"),
    ("4.1", _not_now("network", vague=True), "RFC 3463, 3.5: no answer; Exchange Online: no such recipient, " + _MS),
    ("4.2", _not_now("network"), "RFC 3463, 3.5: the connection broke"),
    ("4.3", _not_now("network"), "RFC 3463, 3.5: a directory (DNS) did not answer"),
    ("4.4", _not_now("network", vague=True), "RFC 3463, 3.5: no route; Postfix: no such domain (smtp_addr.c)"),
    ("4.5", _not_now("network"), "RFC 3463, 3.5: congestion"),
    ("4.6", _not_now("loop"), "RFC 3463, 3.5: a routing loop"),
    ("4.7", _not_now("expired"), "RFC 3463, 3.5: it waited too long"),
    ("4.14", _not_now("loop"), "Exchange Online: hop count exceeded, " + _MS),
    ("4.310", _dead("no_domain"), "Exchange Online: the domain does not exist in the DNS, " + _MS),
    ("5.0", _refused("protocol", vague=True), "RFC 3463, 3.6; Outlook.com: mailbox unavailable"),
    ("7.0", _refused("policy", vague=True), "RFC 3463, 3.8; some say it of no such user"),
    (
        "7.1",
        _refused("policy", vague=True),
        "RFC 3463, 3.8: not authorised; a filter's usual word",
    ),
    ("7.2", _refused("list"), "RFC 3463, 3.8: we may not write to this list"),
    ("7.16", _refused("too_large"), "RFC 6710, 9.2: too long for its priority"),
    ("7.17", _dead("owner_changed"), "RFC 7293, 14: the mailbox is another person's now"),
    ("7.18", _dead("owner_changed"), "RFC 7293, 14: the domain is another one's now"),
    ("7.20", _refused("authentication"), "RFC 7372, 3.1: no passing DKIM signature"),
    ("7.21", _refused("authentication"), "RFC 7372, 3.1: no acceptable DKIM signature"),
    ("7.22", _refused("authentication"), "RFC 7372, 3.1: no DKIM signature of the author's domain"),
    ("7.23", _refused("authentication"), "RFC 7372, 3.2: SPF failed"),
    ("7.24", _refused("authentication"), "RFC 7372, 3.2: SPF could not be evaluated"),
    ("7.25", _refused("authentication"), "RFC 7372, 3.3: our address has no matching name"),
    ("7.26", _refused("authentication"), "RFC 7372, 3.4: several of these failed"),
    (
        "7.27",
        _refused("sender", vague=True),
        "RFC 7505, 4.2: null MX of the sender; Sendmail: of the recipient",
    ),
    ("7.28", _not_now("rate"), "IANA: mail flood detected"),
    ("7.29", _refused("authentication"), "RFC 8617, 10.4: ARC failed"),
    ("7.30", _refused("security"), "RFC 8689, 5: REQUIRETLS is wanted"),
)

TABLE = {code: cause for code, cause, _source in _RULES}
SOURCES = {code: source for code, _cause, source in _RULES}
BY_SUBJECT = {
    # RFC 3463, section 2, for details that are in no table. Never dead: no address is suppressed for an unknown word.
    "1": _refused("address", vague=True),
    "2": _refused("mailbox", vague=True),
    "3": _not_now("system"),
    "4": _not_now("network"),
    "5": _refused("protocol"),
    "6": _refused("content"),
    "7": _refused("policy", vague=True),
}
_BY_CLASS = {"4": _not_now("unknown", vague=True), "5": _refused("unknown", vague=True)}


def cause_of(code: str) -> Cause | None:
    """What `class.subject.detail` says of a failure. None where it says nothing of one (class 2, or no such code)."""
    found = _CODE.fullmatch(code)
    if found is None or found[1] == "2":
        return None
    kind, subject, detail = found[1], str(int(found[2])), str(int(found[3]))
    cause = TABLE.get(f"{subject}.{detail}") or BY_SUBJECT.get(subject) or _BY_CLASS[kind]
    if kind == "4" and cause.meaning is not Meaning.NOT_NOW:
        return Cause(Meaning.NOT_NOW, cause.sub_type, cause.vague)  # RFC 3463, 2: later may be well
    return cause
