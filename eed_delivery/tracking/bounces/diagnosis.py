"""Why an email bounced, from a status code and the words that came with it."""

import re
from dataclasses import dataclass

from eed_delivery.tracking.bounces.enhanced_codes import FIND, Cause, Meaning, cause_of
from eed_delivery.transports.replies.rules import Concern, Rule, rule_for

MAX_TEXT = 4000
"""Characters that are read, because the reason is at the beginning."""

MAX_PARAGRAPHS = 20
# RFC 5321, 4.2.2 and 4.2.3; RFC 3463's class is its first digit. Not the end of a longer number or an IP address.
_BASIC = re.compile(r"(?<![\w.-])(421|45[0-5]|50[0-4]|52[13]|53[0-58]|55[0-6]|571)(?!\w|\.\d)", re.ASCII)
_NO_DOMAIN = Cause(Meaning.DEAD, "no_domain")
_BASIC_CAUSES = {
    452: Cause(Meaning.NOT_NOW, "system", vague=True),
    521: _NO_DOMAIN,  # RFC 7504: the host accepts no mail
    # RFC 5321, 4.2.2: "mailbox not found, no access, or command rejected for policy reasons": the text must say which
    550: Cause(Meaning.REFUSED, "unknown", vague=True),
    551: Cause(Meaning.REFUSED, "moved", vague=True),
    552: Cause(Meaning.NOT_NOW, "full", vague=True),
    553: Cause(Meaning.REFUSED, "address", vague=True),
    554: Cause(Meaning.REFUSED, "unknown", vague=True),
    556: _NO_DOMAIN,  # RFC 7504: the domain accepts no mail
}
_LATER = Cause(Meaning.NOT_NOW, "unknown", vague=True)
_NO_MORE = Cause(Meaning.REFUSED, "unknown", vague=True)
# Details that go with 521 and 556, and say less than these do. Not x.7.z: some servers say 521 to a blocked host.
_BESIDE_NO_DOMAIN = re.compile(r"5\.(?:0\.0|1\.0|3\.[02]|4\.[0-4]|5\.[0-4])")

# Cisco's appliances write their own words before the server's: `5.1.0 - Unknown address error 550-'5.7.1 Blocked'
# (delivery attempts: 0)`. What is between the quotes is the answer, and the words before it say only at which step.
_QUOTED_BY_CISCO = re.compile(
    r"\d\.\d\.\d{1,3} - [A-Za-z][A-Za-z ()]{2,60}? ([245]\d\d)-?\s?['\"](.{1,4000})", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Why, with the codes it was read from.

    `spoken` means that something was there to read, and it is not a mere default.
    """

    cause: Cause
    code: int | None
    enhanced: str | None
    spoken: bool

    @property
    def vague(self) -> bool:
        """Whether neither code nor words say what it was. Another text may know better."""
        return self.cause.vague


def diagnose(status: str, text: str) -> Diagnosis:
    """From a Status (`5.1.1`, or empty) and the words of a server. Where both name a code, the more telling one."""
    text = " ".join(_server_words(text[:MAX_TEXT]).split())  # a phrase may be folded
    enhanced = _telling(_first_failure(status), _first_failure(text))
    basic = _BASIC.search(text)
    code = int(basic[1]) if basic else None
    by_code = _by_code(enhanced, code)
    rule = rule_for(text)
    spoken = by_code is not None or rule is not None
    return Diagnosis(_cause(by_code, rule, enhanced, _permanent(enhanced, code)), code, enhanced, spoken)


def diagnose_words(status: str, words: str) -> Diagnosis:
    """The same from a text for people, by a paragraph with a server's answer, if there is one that says enough.

    Where several do, one that speaks for a living address. The others may be about whom it forwards to.
    """
    paragraphs = re.split(r"\n[ \t]{0,80}\n", words, maxsplit=MAX_PARAGRAPHS)[:MAX_PARAGRAPHS]
    answers = [diagnose(status, one) for one in paragraphs if _first_failure(one) or _BASIC.search(one)]
    telling = [answer for answer in answers if not answer.vague]
    alive = (answer for answer in telling if answer.cause.meaning is not Meaning.DEAD)
    return next(alive, None) or (telling[0] if telling else diagnose(status, words))


def _server_words(text: str) -> str:
    """The server's own words, where a gateway has put others before them."""
    quoted = _QUOTED_BY_CISCO.search(text)
    return f"{quoted[1]} {quoted[2]}" if quoted else text


def _first_failure(text: str) -> str | None:
    return next((found[0] for found in FIND.finditer(text) if found[1] != "2"), None)


def _telling(status: str | None, said: str | None) -> str | None:
    """The report's own code, unless it is a catch-all and the server's words have a better one, and no graver one."""
    if status is None or said is None:
        return status or said
    cause = cause_of(status)
    return said if said[0] <= status[0] and (cause is None or cause.vague) else status


def _by_code(enhanced: str | None, code: int | None) -> Cause | None:
    basic = _BASIC_CAUSES.get(code) if code is not None else None
    if enhanced is not None and not (basic is _NO_DOMAIN and _BESIDE_NO_DOMAIN.fullmatch(enhanced)):
        return cause_of(enhanced)
    if code is None:
        return None
    return basic or (_LATER if code < 500 else _NO_MORE)


def _permanent(enhanced: str | None, code: int | None) -> bool:
    """Whether the server gave up, so that neither of its codes says "later". Without codes, the words decide."""
    return (enhanced is None or enhanced[0] == "5") and (code is None or code >= 500)


def _cause(by_code: Cause | None, rule: Rule | None, enhanced: str | None, permanent: bool) -> Cause:
    cause = _permanent_cause(by_code, rule, enhanced)
    if permanent or cause.meaning is Meaning.NOT_NOW:
        return cause
    return Cause(Meaning.NOT_NOW, cause.sub_type, cause.vague)  # RFC 3463, 2: later may be well


def _permanent_cause(by_code: Cause | None, rule: Rule | None, enhanced: str | None) -> Cause:
    """A code that means something is believed, but an address is dead only where the words do not gainsay it."""
    if rule is None:
        return by_code or _NO_MORE
    by_words = _said(rule)
    if by_code is None:
        return by_words
    if by_words.meaning is not Meaning.DEAD:
        return by_words if by_code.vague or by_code.meaning is Meaning.DEAD else by_code
    if not by_code.vague or (not rule.sure and _speaks_of_policy(enhanced)):
        return by_code
    return by_words


def _said(rule: Rule) -> Cause:
    sub_type = rule.sub_type or rule.name
    if rule.concern is Concern.ADDRESS:
        return Cause(Meaning.DEAD, sub_type)
    return Cause(Meaning.NOT_NOW if rule.later else Meaning.REFUSED, sub_type)


def _speaks_of_policy(enhanced: str | None) -> bool:
    return enhanced is not None and enhanced[2:4] == "7."
