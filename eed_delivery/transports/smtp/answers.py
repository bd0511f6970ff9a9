"""Whom an SMTP server's refusal concerns, and what follows from it (docs/design.md#the-answers-table).

Three things are examined, in this order:

- the phase: before RCPT no recipient has been named, so what is refused there is never theirs (RFC 5321, 3.3)
- the code: RFC 5321, 4.2.2, and RFC 3463's classes: x.2.z is the mailbox, x.3.z the system, x.4.z the way to it
- the words, by `reply_rules`, because servers use the codes alone for nearly everything

What is left is this recipient's for good only where code or words speak of a recipient, or after DATA of the content.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from eed_delivery.errors import DeliveryFailure, InfrastructureFailure, PermanentFailure, Throttled, TransientFailure
from eed_delivery.model import Concerns
from eed_delivery.transports.replies.rules import Concern, one_of, rule_for, spoken_of


class Phase(StrEnum):
    """Where in a transaction an answer came. It is also the word in our messages."""

    RSET = "RSET"
    MAIL = "MAIL FROM"
    RCPT = "RCPT TO"
    DATA = "DATA"
    CONTENT = "the content"
    DOT = "the final dot"
    NOOP = "NOOP"


AUTH_CODES = frozenset({530, 534, 535, 538})
"""RFC 4954, section 6: authentication required, too weak, failed, needs encryption. Ours to put right, at
any step."""

BEFORE_RCPT = frozenset({Phase.RSET, Phase.MAIL, Phase.NOOP})

# Exchange Online: the recipient takes mail from its own organisation only. It reads as if we had to log in.
# https://learn.microsoft.com/exchange/mail-flow-best-practices/non-delivery-reports-in-exchange-online/
_CLOSED_TO_STRANGERS = frozenset({"5.7.12", "5.7.13", "5.7.124", "5.7.133", "5.7.134", "5.7.135", "5.7.136"})
_SENDERS_DOMAIN = frozenset({"1.7", "1.8"})
"""RFC 3463, 3.2: the sender's address, or its system."""
_ADDRESS, _MAILBOX, _SYSTEM, _NETWORK, _PROTOCOL, _POLICY = "1.", "2.", "3.", "4.", "5.", "7."
_CONTENT = "6."
_TOO_LARGE = "3.4"
_UNDEFINED = "0.0"
_OWNER_CHANGED = frozenset({"7.17", "7.18"})
"""RFC 7293, 14."""
_NOBODY_THERE = frozenset({"1.1", "1.2", "1.3", "1.6", "1.10"})
"""RFC 3463, 3.2; RFC 7505: the recipient's address, and not the sender's."""
_SURELY_OURS = frozenset({"sender", "relay", "rate", "authentication", "blocklist"})
"""Rules that no mailbox's code gainsays."""
_THEIRS_BY_CODE = _OWNER_CHANGED | {_TOO_LARGE}
_OF_CONTENT = frozenset({"content", "spam"})
_TRANSACTION, _NO_MAIL_HERE, _DELIVERY_POLICY = 554, 521, 571
"""Said of anything: RFC 5321, 4.2.2; RFC 7504; and Exchange's "delivery not authorized"."""

_SAYS_DAILY = one_of(r"\bdaily\b|\bper day\b|\b24 hours?\b|\bquota\b")
_SAYS_RECIPIENTS = one_of(
    r"\brecipient's\b",
    r"\b(?:user|recipient|mailbox) has (?:exceeded|reached) (?:their|his|its|the)\b",
    r"\b(?:user|recipient|mailbox) (?:\w+ ){0,6}(?:receiving|receives) ",
)
_SAYS_RATE = one_of(r"\brate\b|\bquota\b|\bflood|\blimit")
_SAYS_ERRORS = one_of(r"\btoo many errors")
_SAYS_SENDER_REJECTED = one_of(
    r"\bfrom:? (?:domain|address)\b|\bsender rejected|\bdomain of sender|\bsender (?:domain|@)"
)
_SAYS_UNAVAILABLE = one_of(r"\bservice (?:is |temporarily |currently )*unavailable")
_SAYS_RIGHTS = one_of(
    r"\bnot authori[sz]ed to perform",
    r"\baccount (?:is |has been )?(?:suspended|disabled|paused)",
    r"\bsending (?:is )?(?:currently )?(?:paused|suspended|disabled)",
)
_SAYS_CONTENT = one_of(
    r"\bspam (?:contents?|patterns?)\b|\bbecause it contains\b|\bblocking urls?\b",
    r"\bblocked due to (?:\w+ )?(?:security|content|virus|attachment)",
    r"\b(?:its|your|message|the|spam) content\b",
    r"\bcontent (?:in|of) (?:the|your|this) (?:message|e-?mail)",
    r"\burls? (?:\w+ )?(?:in|of)\b|\b(?:listed|blacklisted|bad|malicious) urls?\b",
)
_SAYS_ADDRESS = one_of(
    r"@|\b(?:mail)?address(?:es)?\b|\brcpt\b|\b(?:user)?accounts?\b|\bdeliver(?:y|ed|able)?\b|\broute\b|\bcallout\b",
    r"\badress\w*|\bempf(?:a|ae)nger\w*|\bpostf(?:a|ae)ch\w*|\bdestin\w*|\busuario|\butente|\bindirizz|\bdirecci|\benderec",
    r"адрес|ящик|получател|пользовател|宛先|アドレス|用户|用戶|收件人|邮箱|郵箱",
)
_SAYS_MESSAGE = one_of(
    r"""(?:^|[ "'(])(?:messages?|e-?mails?|mails?|content|attachments?|urls?|links?|virus)(?:$|[ ,.;:"')])""",
    r"письм|сообщени|邮件|郵件|メール",
)
_SAYS_BUSY = one_of(
    r"\b(?:server|system|service|host|~) (?:is )?(?:too |temporarily |currently )?(?:busy|overloaded)",
    r"\bload (?:average )?(?:is )?too high",
)
_SAYS_MAILBOX = one_of(r"\b(?:mail ?box|inbox|recipient|user|over ?quota)\b|@")
_SAYS_TLS = one_of(r"\btls\b|\bcertificate")
_SAYS_OURS = one_of(
    r"\bfor customer\b|\brelay (?:sending )?limit|\bsubmission",
    r"\bsend ?as ?denied|\bsend (?:as|on behalf)\b",
)
_SAYS_URL_LIST = one_of(r"\b(?:surbl|uribl|ivmuri)\b")
_SAYS_CHECKED = one_of(r"\b(?:dmarc|spf|dkim)\b|\bauthentication (?:level|requirement)")
_SAYS_LIST = one_of(
    r"\bcountry\b|\bmail from ~|\bfrom (?:your|this) (?:location|ip|host|server|network)\b",
    r"\blisting in|\bspamhaus|\bblack ?list|\bblock ?list|\bdnsbl|\brbl\b",
)


@dataclass(frozen=True, slots=True)
class Judgement:
    """The class of a refusal, and whom it concerns."""

    kind: type[DeliveryFailure]
    concerns: Concerns


_THEIRS = Judgement(PermanentFailure, Concerns.RECIPIENT)
_THEIRS_FOR_NOW = Judgement(TransientFailure, Concerns.RECIPIENT)
_EVERYBODYS = Judgement(InfrastructureFailure, Concerns.EVERYBODY)
_NOT_THEIRS = Judgement(InfrastructureFailure, Concerns.OTHERS)
_RATE = Judgement(Throttled, Concerns.EVERYBODY)
_SOMEBODYS_RATE = Judgement(Throttled, Concerns.OTHERS)
"""After RCPT a relay may pass on what one destination says of its rate."""
_JOBS = Judgement(PermanentFailure, Concerns.JOB)


@dataclass(frozen=True, slots=True)
class Refused:
    """A refusal, taken apart for the rules below."""

    code: int
    enhanced: str | None
    text: str
    phase: Phase

    @property
    def for_good(self) -> bool:
        return self.code >= 500

    @property
    def detail(self) -> str:
        """Subject and detail of the enhanced code, such as "1.1". "" where there is none."""
        return (self.enhanced or "")[2:]

    @property
    def theirs(self) -> Judgement:
        """As this recipient's or content's, for good or for now."""
        return _THEIRS if self.for_good else _THEIRS_FOR_NOW

    @property
    def rule(self) -> str:
        """The name of the words' rule, or ""."""
        rule = rule_for(self.text)
        return rule.name if rule else ""

    @property
    def concern(self) -> Concern | None:
        """Whom the words are about."""
        rule = rule_for(self.text)
        return rule.concern if rule else None

    def says(self, phrases: Callable[[str], bool]) -> bool:
        return phrases(self.text)


def judge(code: int, enhanced: str | None, text: str, phase: Phase) -> Judgement:
    """What an answer means that is not the one hoped for at `phase`.

    An answer that is neither a yes nor a no (3yz, or 2yz to DATA) is a fault of the server, and concerns all emails.
    """
    if code in AUTH_CODES or code < 400:
        return _EVERYBODYS
    refused = Refused(code, enhanced, text, phase)
    return _before_rcpt(refused) if phase in BEFORE_RCPT else _after_rcpt(refused)


def _before_rcpt(refused: Refused) -> Judgement:
    rule, detail = refused.rule, refused.detail
    if rule == "too_large" or detail == "3.4":  # RFC 1870, 6.1: SIZE is declared with MAIL
        return refused.theirs
    if refused.for_good:
        senders = detail in _SENDERS_DOMAIN or refused.says(_SAYS_SENDER_REJECTED.search)
        return _JOBS if senders and rule == "sender" else _EVERYBODYS
    ours = refused.says(_SAYS_DAILY.search) or refused.says(_SAYS_ERRORS.search)
    return _RATE if rule == "rate" and not ours else _EVERYBODYS


def _after_rcpt(refused: Refused) -> Judgement:
    code, detail = refused.code, refused.detail
    if code == 454 and refused.says(_SAYS_TLS.search):  # RFC 3207, 4
        return _EVERYBODYS
    if code == 454 and not refused.says(_SAYS_DAILY.search) and refused.rule != "relay":
        return _RATE  # Amazon SES: https://docs.aws.amazon.com/ses/latest/dg/manage-sending-quotas-errors.html
    if code == 421:  # RFC 5321, 3.8: the server closes the connection, whoever the recipient is
        return _SOMEBODYS_RATE if refused.rule == "rate" else _NOT_THEIRS
    if refused.enhanced in _CLOSED_TO_STRANGERS or (detail.startswith(_MAILBOX) and not _is_about_us(refused)):
        return refused.theirs
    if refused.says(_SAYS_RIGHTS.search) and refused.concern is not Concern.ADDRESS:
        return _NOT_THEIRS
    if detail in _SENDERS_DOMAIN and (
        refused.concern is not Concern.ADDRESS or spoken_of(refused.text) is Concern.SENDER
    ):
        return _of_sender(refused)
    if code == 503 or detail == "5.1":
        return refused.theirs if refused.concern is Concern.ADDRESS else _NOT_THEIRS
    return _by_words(refused)


def _is_about_us(refused: Refused) -> bool:
    """Where a mailbox's code is used for what is ours (AOL: "521 5.2.1 Your IP has been temporarily blocked"), or for
    how much comes (Exchange Online: 5.2.122)."""
    return refused.rule in _SURELY_OURS or refused.says(_SAYS_OURS.search)


def _by_words(refused: Refused) -> Judgement:
    rule = refused.rule
    if rule in _BY_RULE:
        return _BY_RULE[rule](refused)
    if refused.for_good:
        return refused.theirs if _is_theirs_for_good(refused) else _NOT_THEIRS
    if refused.concern is None and refused.says(_SAYS_BUSY.search):
        return _NOT_THEIRS
    if refused.phase is Phase.RCPT and refused.rule in _OF_CONTENT:
        return _NOT_THEIRS  # nobody has seen the content: it is about what came from us before
    if refused.detail.startswith(_POLICY) and refused.says(_SAYS_RATE.search):
        return _SOMEBODYS_RATE
    if refused.concern is Concern.DOMAIN and refused.detail.startswith(_POLICY) and refused.phase is Phase.RCPT:
        return _THEIRS_FOR_NOW  # Exchange Online's "4.7.0 … PRX2": the server that has this mailbox
    not_theirs = refused.concern is Concern.DOMAIN or refused.detail.startswith((_SYSTEM, _NETWORK))
    return _NOT_THEIRS if not_theirs or _is_local_error(refused) else refused.theirs


def _is_theirs_for_good(refused: Refused) -> bool:
    """Whether a 5yz may fail this one email. What is wrongly failed is lost, and what is wrongly kept is tried for some
    hours more. So words or code must speak of the recipient or of the content."""
    if refused.concern in (Concern.ADDRESS, Concern.MAILBOX):
        return True
    if refused.concern is Concern.CONTENT:  # before DATA no server has seen it, unless a relay repeats another's answer
        return refused.phase is not Phase.RCPT or refused.says(_SAYS_MESSAGE.search)
    if refused.concern is Concern.DOMAIN:
        return refused.rule == "loop" or (refused.detail in _NOBODY_THERE and refused.rule != "system")
    if refused.detail in _NOBODY_THERE:  # the words that are left say less
        return True
    if (subject := spoken_of(refused.text)) is not None:
        return subject is Concern.MAILBOX
    return _is_theirs_by_code(refused)


def _is_theirs_by_code(refused: Refused) -> bool:
    """The same where the words say next to nothing."""
    if refused.detail in _THEIRS_BY_CODE or refused.detail.startswith((_ADDRESS, _MAILBOX, _CONTENT)):
        return True
    if refused.detail.startswith((_SYSTEM, _NETWORK)):
        return False
    if refused.phase is not Phase.RCPT:  # a filter has read the content, as a rule
        return True
    if refused.rule == "policy" or refused.detail.startswith((_PROTOCOL, _POLICY)):
        return False
    if refused.code in (_TRANSACTION, _NO_MAIL_HERE, _DELIVERY_POLICY):
        return False
    return refused.detail == _UNDEFINED or refused.says(_SAYS_ADDRESS.search)


def _is_local_error(refused: Refused) -> bool:
    """RFC 5321, 4.2.2: 451 is a local error in processing, 452 insufficient system storage. At RCPT both are mostly
    greylisting and full mailboxes, as the words or a code say. After it every 4yz is taken for such an error, unless
    the words know better."""
    if refused.concern is not None and refused.rule != "policy":
        return False
    if spoken_of(refused.text) is Concern.SOURCE:
        return True
    if refused.rule == "policy":
        return False
    return refused.phase is not Phase.RCPT or (refused.code == 451 and refused.detail in ("", _UNDEFINED))


def _of_rate(refused: Refused) -> Judgement:
    """A limit that is used up for the day is no matter of speed, and a 5yz does not go away by going slower."""
    if refused.says(_SAYS_RECIPIENTS.search):
        return _THEIRS_FOR_NOW
    if refused.for_good or refused.says(_SAYS_DAILY.search):
        return _NOT_THEIRS
    return _SOMEBODYS_RATE


def _of_source(refused: Refused) -> Judgement:
    # RFC 5321, 4.2.2: 552 is about size, or about what the message is.
    about_content = refused.code == 552 or refused.says(_SAYS_CONTENT.search)
    if refused.phase is not Phase.RCPT and refused.says(_SAYS_URL_LIST.search):
        return refused.theirs
    return refused.theirs if about_content else _NOT_THEIRS


def _of_sender(refused: Refused) -> Judgement:
    if refused.says(_SAYS_LIST.search) or refused.says(_SAYS_CHECKED.search):
        return _NOT_THEIRS
    if not refused.for_good and refused.detail.startswith(_SYSTEM):
        return _NOT_THEIRS
    return Judgement(refused.theirs.kind, Concerns.JOB)


def _of_now(refused: Refused) -> Judgement:
    """ "Try again later" alone. Greylisting says it of one recipient (rspamd: `451 4.7.1 Try again later`)."""
    if refused.for_good:  # it contradicts itself: what may pass is not for good
        of_mailbox = refused.detail.startswith((_ADDRESS, _MAILBOX)) or refused.says(_SAYS_MAILBOX.search)
        return _THEIRS_FOR_NOW if of_mailbox else _NOT_THEIRS
    if refused.says(_SAYS_BUSY.search):
        return _NOT_THEIRS
    if refused.says(_SAYS_UNAVAILABLE.search):
        return _SOMEBODYS_RATE
    own_trouble = refused.detail.startswith((_SYSTEM, _NETWORK)) or refused.phase is not Phase.RCPT
    return _NOT_THEIRS if own_trouble else _THEIRS_FOR_NOW


def _of_full(refused: Refused) -> Judgement:
    """A full disk where the message is written is the server's (qmail: "qq write error or disk full"). A quota that a
    policy code speaks of is our own (Gmail: "550 5.7.1 Email quota exceeded"), unless a mailbox is named."""
    if refused.detail.startswith(_POLICY) and not refused.says(_SAYS_MAILBOX.search):
        return _NOT_THEIRS
    return _NOT_THEIRS if not refused.for_good and refused.phase is not Phase.RCPT else refused.theirs


_BY_RULE: dict[str, Callable[[Refused], Judgement]] = {
    "rate": _of_rate,
    "relay": _of_source,
    "blocklist": _of_source,
    "authentication": _of_source,
    "sender": _of_sender,
    "temporary": _of_now,
    "greylisting": _of_now,
    "full": _of_full,
}
