"""Bounces in no standard form: qmail, older Exim and Exchange, Yahoo, and other mailer-daemons."""

import re
from dataclasses import dataclass

from eed_delivery.tracking.bounces import words as words_for
from eed_delivery.tracking.bounces.auto_replies import is_auto_reply, is_away
from eed_delivery.tracking.bounces.diagnosis import Diagnosis, diagnose_words
from eed_delivery.tracking.bounces.mime_parts import Fields, Mail, header_of
from eed_delivery.transports.replies.form import normal_form

MAX_WORDS = 8000
"""Characters of the text that are read."""
OPENING = 1500
MAX_SUBJECT = 300
QUOTED_WORDS = 3
"""Words that our own subject must have to be taken out of a report's: `Account` alone may be a part of the reason."""

# Where the copy of our own email begins: its text must not be read as a reason.
_COPY = re.compile(
    r"^(?:> ?)?(?:-{2,} ?(?:below this line is a copy|enclosed (?:are|is)|this is a copy of|the body of the message"
    r"|original message|returned (?:message|mail)|forwarded message"
    r"|message (?:header|text|body)|unsent message|undelivered message)"
    r"|-{5,} ?(?:original|copy of)|(?:return-path|received|dkim-signature|message-id|mime-version):"
    r"|original message (?:headers|follows)|your message (?:follows|reads)"
    r"|\s{0,8}(?:below is a copy of the original|message headers follow|the original message follows)"
    r"|(?:the )?first \d{1,4} lines of your|-{2,} ?header of the|-{2,} ?attachment is a copy|old message:"
    r"|here is a copy of the first|-{2,} ?(?:mensaje|message|messaggio|mensagem) original"
    r"|-{2,} ?\*{0,3} ?original (?:mail|message)|-{2,} ?urspr[üu]ngliche|urspr[üu]ngliche nachricht)",
    re.IGNORECASE | re.MULTILINE,
)
# A line of a report that quotes our own subject, whatever the report's language.
_QUOTED_SUBJECT = re.compile(
    r"^[ \t>*-]{0,12}(?:subject|betreff|objet|sujet|asunto|oggetto|assunto|onderwerp|temat|konu|тема"
    r"|件名|主题|主旨|標題|标题|[äa]mne|emne|aihe|p[řr]edm[ěe]t|t[áa]rgy)[ \t]{0,4}[:：=].{0,1000}$",
    re.IGNORECASE | re.MULTILINE,
)
_FROM = re.compile(
    r"mailer[ -]?daemon|post_?master|mail ?delivery|mail-?daemon|mdaemon|system ?administrator"
    r"|mail (?:system|subsystem)|mailsystem|mailserver|\bbounces?\b[^@]{0,60}@",
    re.IGNORECASE,
)
_DAEMON = re.compile(r"mailer[ -]?daemon|mdaemon|mail delivery (?:sub)?system", re.IGNORECASE)
_FORWARDED = re.compile(r"\s*\[?(?:fwd?|wg|tr|rv|i|enc|vs|vb|pd|ynt|ilt|re|aw|sv|转发|転送)\s?[:：]", re.IGNORECASE)
"""A person sent it on, or answered."""
_NO_SENDER = re.compile(r"\s*<\s*>\s*")


@dataclass(frozen=True, slots=True)
class PlainBounce:
    """A failure (or a delay, where it is `delayed`) that was found in words."""

    delayed: bool
    diagnosis: Diagnosis
    text: str


def words_of(mail: Mail) -> str:
    """What the message says to people, up to the copy of our email, and without our own subject."""
    part = next(mail.of_type("text/plain"), None) or next(mail.of_type("text/html"), None)
    if part is None:
        return ""
    text = part.text()[: 2 * MAX_WORDS].lstrip()
    copy = _COPY.search(text)
    text = text[: copy.start() if copy else MAX_WORDS][:MAX_WORDS]
    text = _QUOTED_SUBJECT.sub("", text)
    ours = original_subject(mail)
    return text.replace(ours, "") if ours else text


def original_subject(mail: Mail) -> str:
    """The subject of our own email, where the message has a copy. Empty without one, or for a word or two."""
    part = next(mail.of_type("message/rfc822", "text/rfc822-headers", "message/rfc822-headers", "message/global"), None)
    subject = header_of(part.content()).decoded("subject").strip()[:MAX_SUBJECT] if part else ""
    return subject if len(subject.split()) >= QUOTED_WORDS else ""


def from_a_machine(fields: Fields) -> bool:
    """Whether the sender is what mail systems call themselves. A postmaster may be a person, too."""
    return bool(_FROM.search(fields.decoded("from")) or _from_nobody(fields))


def sends_reports(mail: Mail) -> bool:
    """Whether a mail system wrote it, by its sender, by the kind that it says it is, or by its subject."""
    if from_a_machine(mail.fields) or mail.report_type == "delivery-status":
        return True
    subject = mail.fields.decoded("subject")[:MAX_SUBJECT]
    return not _FORWARDED.match(subject) and _says_failure(subject)


def read_plain_bounce(mail: Mail, words: str) -> PlainBounce | None:
    """None if it is not recognized as a bounce."""
    subject, form = normal_form(_own_subject(mail)), normal_form(words)
    diagnosis = diagnose_words("", words)
    if not (_is_rejecting_receipt(mail, subject, form) or _is_bounce(mail, subject, form, diagnosis)):
        return None
    if not _names_a_code(diagnosis) and words_for.ARRIVED.in_form(f"{subject} {form[:OPENING]}"):
        return None
    return PlainBounce(_delayed(subject, form, diagnosis), diagnosis, words)


def _own_subject(mail: Mail) -> str:
    """The report's subject without ours. Mail systems write theirs, a colon, and ours."""
    subject = mail.fields.decoded("subject")[:MAX_SUBJECT]
    ours = original_subject(mail)
    if ours:
        subject = subject.replace(ours, "")
    head, colon, _ = subject.partition(":")
    form = normal_form(head)
    says_itself = words_for.FAILURE_SUBJECTS.in_form(form) or words_for.DELAY_SUBJECTS.in_form(form)
    return head if colon and says_itself else subject


def _delayed(subject: str, form: str, diagnosis: Diagnosis) -> bool:
    if words_for.FAILED_FOR_GOOD.in_form(form):
        return False
    if words_for.DELAYS.in_form(form):
        return True
    gave_up = (diagnosis.enhanced or "")[:1] == "5" or (diagnosis.code or 0) >= 500
    return not gave_up and words_for.DELAY_SUBJECTS.in_form(subject)


def _is_bounce(mail: Mail, subject: str, form: str, diagnosis: Diagnosis) -> bool:
    """By its form, or else by who wrote it and what about."""
    if mail.report_type == "disposition-notification":
        return False
    if "x-failed-recipients" in mail.fields:  # Exim and Gmail write that into nothing but bounces
        return True
    if mail.report_type == "delivery-status":
        return True  # without a status that could be read, or we should not be here
    fails, opening = words_for.FAILURE_SUBJECTS.in_form(subject), form[:OPENING]
    if words_for.OPENINGS.in_form(opening):
        # "I have left, your message could not be delivered": a person's words, where no mail system wrote them
        return fails or from_a_machine(mail.fields) or not is_auto_reply(mail)
    says_so = fails or words_for.UNDELIVERED.in_form(opening)
    waits = words_for.DELAY_SUBJECTS.in_form(subject) or words_for.DELAYS.in_form(opening)
    if _from_a_daemon(mail.fields):  # no person has that name: an operator is to see it, in whatever language it is
        return says_so or not is_away(mail.fields)
    if from_a_machine(mail.fields):
        return says_so or waits or (_names_a_code(diagnosis) and not is_auto_reply(mail))
    return fails and words_for.UNDELIVERED.in_form(opening)


def _is_rejecting_receipt(mail: Mail, subject: str, form: str) -> bool:
    """A receipt (RFC 8098) by which a mailbox's rule, or its full disk, rejects the email (RFC 5429, 2.1.1)."""
    part = next(mail.of_type("message/disposition-notification"), None)
    if mail.report_type != "disposition-notification" or part is None:
        return False
    disposition = header_of(part.content()).get("disposition").lower()
    if "automatic-action" not in disposition or "displayed" in disposition:
        return False
    rejects = "reject" in mail.fields.get("auto-submitted").lower() or words_for.FAILURE_SUBJECTS.in_form(subject)
    return rejects or words_for.REJECTED_BY_RULE.in_form(form[:OPENING])


def _says_failure(subject: str) -> bool:
    return words_for.FAILURE_SUBJECTS.search(subject)


def _names_a_code(diagnosis: Diagnosis) -> bool:
    return diagnosis.code is not None or diagnosis.enhanced is not None


def _from_nobody(fields: Fields) -> bool:
    return bool(_NO_SENDER.fullmatch(fields.get("from")))


def _from_a_daemon(fields: Fields) -> bool:
    return bool(_DAEMON.search(fields.decoded("from"))) or _from_nobody(fields)
