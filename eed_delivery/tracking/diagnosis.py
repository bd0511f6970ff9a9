"""Why an email bounced, from a status code and the words that came with it."""

import re
from dataclasses import dataclass

from eed_delivery.tracking.enhanced_codes import FIND, Cause, Meaning, cause_of

MAX_TEXT = 4000
"""Characters that are looked at: the reason stands at the beginning."""

# RFC 5321, 4.2.2 and 4.2.3; RFC 3463's class is its first digit. Not the end of a longer number or an IP address.
_BASIC = re.compile(r"(?<![\w.-])(421|45[0-5]|50[0-4]|52[13]|53[0-58]|55[0-6]|571)(?!\w|\.\d)", re.ASCII)
_BASIC_CAUSES = {
    452: Cause(Meaning.NOT_NOW, "system", vague=True),
    # RFC 5321, 4.2.2: "mailbox not found, no access, or command rejected for policy reasons": the text must say which
    550: Cause(Meaning.REFUSED, "unknown", vague=True),
    551: Cause(Meaning.REFUSED, "moved", vague=True),
    552: Cause(Meaning.NOT_NOW, "full", vague=True),
    553: Cause(Meaning.REFUSED, "address", vague=True),
    554: Cause(Meaning.REFUSED, "unknown", vague=True),
    556: Cause(Meaning.DEAD, "no_domain"),  # RFC 7504: the domain accepts no mail
}
_LATER = Cause(Meaning.NOT_NOW, "unknown", vague=True)
_NO_MORE = Cause(Meaning.REFUSED, "unknown", vague=True)


def _words(*phrases: str) -> re.Pattern[str]:
    return re.compile("|".join(phrases), re.IGNORECASE)


# In this order: what speaks for a living person before what speaks for a dead address. Servers' own words, as seen in
# Postfix, Exim, qmail, sendmail, Exchange, Domino, Gmail, Yahoo, Outlook.com, GMX, mail.ru, QQ and Proofpoint.
_PHRASES: tuple[tuple[Cause, re.Pattern[str]], ...] = (
    (
        Cause(Meaning.REFUSED, "sender"),
        _words(
            r"sender (?:address )?(?:rejected|denied|verif|unknown|not)",
            r"sender.{0,20}(?:does not exist|blocked|black)",
            r"(?:invalid|unknown|bad) sender",
            r"mail from.{0,20}(?:rejected|denied)",
        ),
    ),
    (
        Cause(Meaning.NOT_NOW, "full"),
        _words(
            r"(?:mail)?box(?: for user)?(?: is| has been)? (?:almost )?full",
            r"(?:over|exceed\w*|out of|beyond)[^.\n]{0,30}(?:quota|storage|disk space)",
            r"(?:quota|storage|mailbox size limit)[^.\n]{0,20}(?:exceed|full|reached)",
            r"insufficient (?:disk|system|mailbox) (?:space|storage)",
            r"not enough (?:disk )?space",
            r"inbox is full|full mailbox",
            r"reached[^.\n]{0,30}quota",
        ),
    ),
    (
        Cause(Meaning.NOT_NOW, "rate"),
        _words(
            r"at a rate that",
            r"too (?:quickly|many (?:messages|mails|emails|connections))",
            r"rate limit",
            r"throttl",
            r"gr[ae]y-?list",
        ),
    ),
    (
        Cause(Meaning.DEAD, "no_domain"),
        _words(
            r"(?:host or )?domain (?:name )?(?:not found|does ?n[o']t exist|is not valid)",
            r"(?:unknown|no such|unrouteable|unroutable) (?:mail )?domain",
            r"couldn't find any host",
            r"name service error[^\n]{0,120}(?:host|domain) not found",
            r"nxdomain",
            r"domain[^\n]{0,80}does not accept mail",
            r"host unknown",
        ),
    ),
    (
        Cause(Meaning.DEAD, "disabled"),
        _words(
            r"(?:account|mailbox|user|e-?mail)[^.\n]{0,50}"
            r"(?:is|has been|been|was) (?:disabled|deactivated|suspended|closed|terminated|inactive|discontinued)",
            r"(?:disabled|inactive|deactivated|suspended|closed) (?:user|account|mailbox|recipient)",
            r"no longer (?:active|in use|valid|employed|with us|available|works?)",
        ),
    ),
    (
        Cause(Meaning.DEAD, "no_mailbox"),
        _words(
            r"(?:user|recipient|mailbox|account|(?<!ip )address)(?: \S{1,64})?(?: is| was)?"
            r" (?:unknown|invalid|not (?:found|known|registered))",
            r"(?:unknown|no such|invalid|bad|non-?existent|nonexisting|undeliverable) "
            r"(?:local |virtual |destination |final |e-?mail |smtp )?(?:user|recipient|mailbox|address|account|person)",
            r"(?:no|not a|isn't a|is not a) (?:valid |known |local )?(?:mailbox|user|recipient)",
            r"(?:user|recipient|(?<!ip )address|account|mailbox)[^.\n]{0,40}"
            r"(?:does ?n[o']t|doesnt|did not|not) (?:exist|found|have an?)",
            r"does(?: not|n't) have an? [^.\n]{0,60}account",
            r"mailbox[^.\n]{0,40}unavailable",
            r"unrouteable address",
            r"invalid final delivery userid",
            r"not listed in (?:domino|public)",
            r"recipientnotfound",
            r"recipient address rejected: (?:access denied|undeliverable|unknown|invalid)",
            r"e-?mail account does not exist",
            r"no mailbox here by that name",
            r"(?:address|recipient)[^.\n]{0,30}couldn't be found",
            r"empf(?:ä|ae)nger[^.\n]{0,30}(?:unbekannt|nicht gefunden)",
            r"destinataire[^.\n]{0,30}(?:inconnu|introuvable)",
        ),
    ),
    (
        Cause(Meaning.REFUSED, "too_large"),
        _words(
            r"(?:message|mail|e-?mail|size)[^.\n]{0,40}(?:too (?:large|big)|exceed)",
            r"message size",
            r"size limit",
        ),
    ),
    (
        Cause(Meaning.REFUSED, "content"),
        _words(r"virus", r"malware", r"attachment", r"content (?:rejected|policy|filter)", r"phish"),
    ),
    (
        Cause(Meaning.REFUSED, "authentication"),
        _words(r"\bdmarc\b", r"\bspf\b", r"\bdkim\b", r"unauthenticated", r"reverse dns|rdns|ptr record"),
    ),
    (
        Cause(Meaning.REFUSED, "policy"),
        _words(
            r"spam",
            r"\bblock",
            r"black-?list",
            r"block-?list",
            r"reputation",
            r"\bpolicy",
            r"\brbl\b|\bdnsbl\b",
            r"access denied",
            r"not (?:authori[sz]ed|permitted|allowed|accepted)",
            r"relaying|relay (?:access|not|denied)|unable to relay",
            r"unsolicited",
        ),
    ),
    (
        Cause(Meaning.NOT_NOW, "network"),
        _words(
            r"timed? ?out",
            r"connection (?:refused|reset|dropped|lost)",
            r"(?:host|network) (?:is )?unreachable",
            r"no route to host",
            r"try again",
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Why, with the codes it was read from. `spoken`: something was there to read, it is not a mere default."""

    cause: Cause
    code: int | None
    enhanced: str | None
    spoken: bool


def diagnose(status: str, text: str) -> Diagnosis:
    """From a Status (`5.1.1`, or empty) and the words of a server. Where both name a code, the more telling one."""
    text = " ".join(text[:MAX_TEXT].split())  # a phrase may be folded
    enhanced = _telling(_first_failure(status), _first_failure(text))
    basic = _BASIC.search(text)
    code = int(basic[1]) if basic else None
    by_code = _by_code(enhanced, code)
    by_words = _by_words(text)
    spoken = by_code is not None or by_words is not None
    return Diagnosis(_cause(by_code, by_words, _permanent(enhanced, code)), code, enhanced, spoken)


def _first_failure(text: str) -> str | None:
    return next((found[0] for found in FIND.finditer(text) if found[1] != "2"), None)


def _telling(status: str | None, said: str | None) -> str | None:
    """The report's own code, unless it is a catch-all and the server's words have a better one, and no graver one."""
    if status is None or said is None:
        return status or said
    cause = cause_of(status)
    return said if said[0] <= status[0] and (cause is None or cause.vague) else status


def _by_code(enhanced: str | None, code: int | None) -> Cause | None:
    if enhanced is not None:
        return cause_of(enhanced)
    if code is None:
        return None
    return _BASIC_CAUSES.get(code) or (_LATER if code < 500 else _NO_MORE)


def _by_words(text: str) -> Cause | None:
    return next((cause for cause, phrases in _PHRASES if phrases.search(text)), None)


def _permanent(enhanced: str | None, code: int | None) -> bool:
    """Whether the server gave up. Where no code tells, the words stand alone, and nobody says "later"."""
    if enhanced is not None:
        return enhanced[0] == "5"
    return code is None or code >= 500


def _cause(by_code: Cause | None, by_words: Cause | None, permanent: bool) -> Cause:
    """A code that means something is believed, but an address is dead only where the words do not gainsay it."""
    if by_code is None:
        return by_words or _NO_MORE
    if by_words is None or not (by_code.vague or by_code.meaning is Meaning.DEAD):
        return by_code
    if by_code.meaning is Meaning.DEAD and by_words.meaning is Meaning.DEAD:
        return by_code
    if not permanent and by_words.meaning is not Meaning.NOT_NOW:
        return Cause(Meaning.NOT_NOW, by_words.sub_type)
    return by_words
