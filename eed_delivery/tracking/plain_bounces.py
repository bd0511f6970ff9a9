"""Bounces in no standard form: qmail, older Exim and Exchange, Yahoo, and whatever else a mailer-daemon writes."""

import re
from dataclasses import dataclass

from eed_delivery.tracking.auto_replies import is_auto_reply
from eed_delivery.tracking.diagnosis import Diagnosis, diagnose
from eed_delivery.tracking.mime_parts import Mail

MAX_WORDS = 8000
"""Characters of the text that are looked at."""
OPENING = 1500

# Where the copy of our own email begins: its text must not be read as a reason.
_COPY = re.compile(
    r"^(?:-{2,} ?(?:below this line is a copy|enclosed (?:are|is)|this is a copy of|the body of the message"
    r"|original message|returned (?:message|mail)|forwarded message"
    r"|message (?:header|text|body)|unsent message|undelivered message)"
    r"|-{5,} ?(?:original|copy of)|(?:return-path|received|dkim-signature|message-id|mime-version):"
    r"|original message (?:headers|follows)|your message (?:follows|reads)"
    r"|urspr[üu]ngliche nachricht)",
    re.IGNORECASE | re.MULTILINE,
)
# How they begin: https://cr.yp.to/proto/qsbmf.txt, Exim's and Postfix's templates, and what the others send.
_OPENINGS = re.compile(
    r"this is the (?:qmail-send|postfix|mail system|mail delivery|mta|mailserver) ?(?:program|system)?"
    r"|this message was created automatically by (?:the )?mail delivery (?:software|system)"
    r"|(?:your message|message sent) did not reach (?:some or all of )?(?:the intended|the following) recipient"
    r"|unable to deliver (?:your )?(?:message|mail|e-?mail) to"
    r"|delivery (?:to|of)[^\n]{0,80}(?:recipient|address|message)[^\n]{0,40}(?:failed|has failed|been delayed)"
    r"|delivery has failed to these recipients"
    r"|(?:message|mail|e-?mail)[^.\n]{0,60}could not be delivered|could not be delivered to"
    r"|(?:wasn't|was not) able to deliver|could not deliver|not delivered to|-- failed recipients"
    r"|did not reach the following|has not yet been delivered|(?:was|has been) (?:aborted|postponed)"
    r"|we (?:were|are) (?:sorry|unable|not able)[^.\n]{0,60}deliver"
    r"|the following address(?:es)? (?:had|failed)"
    r"|the original message was received at"
    r"|your message[^.\n]{0,60}(?:wasn't|was not|couldn't be|cannot be) delivered"
    r"|nachricht[^.\n]{0,60}(?:nicht zugestellt|unzustellbar)"
    r"|message[^.\n]{0,60}(?:n'a pas pu|n'a pu) [êe]tre",
    re.IGNORECASE,
)
_FROM = re.compile(
    r"mailer-?daemon|postmaster|mail ?delivery|mail-?daemon|mdaemon|system ?administrator", re.IGNORECASE
)
_DAEMON = re.compile(r"mailer-?daemon|mdaemon", re.IGNORECASE)
_SUBJECT = re.compile(
    r"undeliver|non-?delivery|not delivered|failed mail|mail failed|user unknown|unzustellbar|nicht zugestellt"
    r"|failure notice|"
    r"delivery (?:fail|status|notification|report|problem)"
    r"|returned mail|return(?:ed)? to sender|mail delivery|mail system error"
    r"|could not be delivered|rejected mail"
    r"|non (?:remis|distribu|recapitat)|[ée]chec|no (?:se puede|entregad)|impossibile|onbestelbaar|niet afgeleverd"
    r"|kunde inte levereras|ikke leveres|nie dostarczono|недостав|не доставлен|配信不能|配信できません|退信|반송",
    re.IGNORECASE,
)
_DELAY_SUBJECT = re.compile(r"delay|warning: (?:message|could not)|still being|verz[öo]gert|retard", re.IGNORECASE)
_DELAY = re.compile(
    r"has not yet been delivered|not yet been delivered|this is a warning (?:message )?only"
    r"|delivery (?:has been |is )delayed"
    r"|no action is required|do not need to resend|(?:will|is still being) (?:be )?retried"
    r"|will keep trying|will continue to|has been postponed",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class PlainBounce:
    """A failure (or a delay, where it is `delayed`) that was found in words."""

    delayed: bool
    diagnosis: Diagnosis
    text: str


def words_of(mail: Mail) -> str:
    """What the message says to people, up to the copy of our email."""
    part = next(mail.of_type("text/plain"), None) or next(mail.of_type("text/html"), None)
    if part is None:
        return ""
    text = part.text()[: 2 * MAX_WORDS].lstrip()
    copy = _COPY.search(text)
    return text[: copy.start() if copy else MAX_WORDS][:MAX_WORDS]


def read_plain_bounce(mail: Mail, words: str) -> PlainBounce | None:
    """None if it is no bounce, as far as we can tell."""
    subject = mail.fields.decoded("subject")
    diagnosis = diagnose("", words)
    if not (_has_a_known_form(mail, words) or _looks_like_one(mail, subject, diagnosis)):
        return None
    delayed = bool(_DELAY_SUBJECT.search(subject) or _DELAY.search(words))
    return PlainBounce(delayed, diagnosis, words)


def _has_a_known_form(mail: Mail, words: str) -> bool:
    if "x-failed-recipients" in mail.fields:  # Exim and Gmail write that into nothing but bounces
        return True
    if mail.report_type == "delivery-status":
        return True  # without a status that could be read, or we should not be here
    if not _OPENINGS.search(words[:OPENING]):
        return False
    # "I have left, your message could not be delivered": a person's words, where no mailer-daemon wrote them
    return not is_auto_reply(mail) or bool(
        _FROM.search(mail.fields.decoded("from")) or _SUBJECT.search(mail.fields.decoded("subject"))
    )


def _looks_like_one(mail: Mail, subject: str, diagnosis: Diagnosis) -> bool:
    """By who wrote it, and what about: a postmaster may be a person, MAILER-DAEMON is none."""
    sender = mail.fields.decoded("from")
    if _SUBJECT.search(subject):
        return bool(_FROM.search(sender))
    return diagnosis.spoken and bool(_DAEMON.search(sender))
