"""Answers that a machine or a rule gave on behalf of a person: out of office, a receipt, a challenge. No bounces."""

import re
import unicodedata

from eed_delivery.tracking.mime_parts import Fields, Mail

_SAYS_SO = (
    # field, what its value holds, where that is written
    ("auto-submitted", re.compile(r"auto-(?:replied|generated|notified)", re.IGNORECASE)),  # RFC 3834, 5
    ("precedence", re.compile(r"auto_?reply|bulk|junk", re.IGNORECASE)),  # vacation(1) and its many children
    ("x-auto-response-suppress", re.compile(r"all|oof|autoreply", re.IGNORECASE)),  # [MS-OXCMAIL] 2.1.3.2.20: Exchange
    ("delivered-to", re.compile(r"autoresponder", re.IGNORECASE)),
    ("return-path", re.compile(r"auto-?(?:reply|responder)", re.IGNORECASE)),
    ("x-mailer", re.compile(r"vacation|autoresponder|auto-?reply", re.IGNORECASE)),
)
_MARKS = (
    *("x-autoreply", "x-autorespond", "x-autoreply-from", "x-auto-reply-from", "x-mail-autoreply", "x-ms-exchange-oof"),
    *("x-vacation", "x-vacation-reply", "x-out-of-office", "x-cron-env", "x-facebook-notify"),
    # Challenge and response: TMDA, Boxbe, Spam Arrest, ASK
    *("x-tmda-fingerprint", "x-tmda-confirm-done", "x-boxbe-message-id", "x-spamarrest-info", "x-ask-action"),
)
# The last resort, for what bears no mark at all: a subject that begins so, in the languages that bring most mail.
_SUBJECT = re.compile(
    r"(?:re|aw|fwd?|sv|antw|r|ref)?\s?:?\s?\[?"
    r"(?:out of (?:the )?office|automatic reply|auto(?:mated)?[- ]?(?:reply|response)"
    r"|vacation (?:reply|response)|on vacation"
    r"|i am (?:away|out of)|away from (?:the |my )?office|thank you for (?:your (?:e-?mail|message)|contacting)"
    r"|ooo\b|read:|please confirm (?:your|that)|confirm your message|message (?:received|awaiting confirmation)"
    r"|abwesen|automatische (?:antwort|r[üu]ckmeldung)|autom\. antwort|nicht im b[üu]ro|gelesen:|eingangsbest[äa]tigung"
    r"|r[ée]ponse automatique|absen(?:ce|t) du bureau|absence|en cong[ée]|accus[ée] de r[ée]ception"
    r"|respuesta autom[áa]tica|fuera de (?:la )?oficina|ausencia"
    r"|risposta automatica|fuori (?:ufficio|sede)|assenza"
    r"|resposta autom[áa]tica|fora do escrit[óo]rio|aus[êe]ncia"
    r"|automatisch(?:e)? antwoord|afwezig|niet op kantoor"
    r"|autosvar|automatisk? svar|fr[åa]nvaro|frav[æa]r|automaattinen|poissa"
    r"|automatyczna odpowied[źz]|odpowied[źz] automatyczna|poza biurem|nieobecno"
    r"|automatick[áa] odpov[ěe]|mimo kancel|automatikus v[áa]lasz|r[ăa]spuns automat"
    r"|αυτ[όο]ματη απ[άα]ντηση|автоответ|автоматический ответ|вне офиса|автоматична"
    r"|otomatik yan[ıi]t|ofis d[ıi][şs][ıi]nda|מענה אוטומטי|تلقائي|رد تلقائي"
    r"|自動(?:応答|返信|回覆)|不在(?:通知|連絡)|自动(?:回复|答复)|자동 ?(?:회신|응답)|부재 ?중)",
    re.IGNORECASE,
)


def is_auto_reply(mail: Mail) -> bool:
    """Whether it is such an answer. Bounces bear the same marks, so ask for them first."""
    if mail.report_type == "disposition-notification":  # RFC 8098: a receipt
        return True
    return _bears_a_mark(mail.fields) or is_away(mail.fields)


def is_away(fields: Fields) -> bool:
    """Whether the subject says that somebody is away, in words that mail programs put there."""
    return bool(_SUBJECT.match(_subject(fields)))


def _bears_a_mark(fields: Fields) -> bool:
    return any(mark in fields for mark in _MARKS) or any(says.search(fields.get(name)) for name, says in _SAYS_SO)


def _subject(fields: Fields) -> str:
    return unicodedata.normalize("NFC", fields.decoded("subject")[:300]).strip()
