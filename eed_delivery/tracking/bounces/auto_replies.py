"""Answers that a machine or a rule gave on behalf of a person, such as out of office, a receipt or a challenge.

No bounces.
"""

# ruff: noqa: E501 - a phrase stands on one line

import re

from eed_delivery.tracking.bounces.mime_parts import Fields, Mail
from eed_delivery.transports.replies.form import one_of

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
# The last resort, for what bears no mark at all, in the languages that bring most mail: as `normal_form` has them.
_AWAY = (
    r"out[ -]of[ -](?:the[ -])?office|automatic reply|auto(?:mated|matic)?[- ]?(?:reply|response|responder)|on vacation|on annual leave"
    r"|vacation (?:reply|response|message)|away from (?:the |my )?(?:office|desk)|i am (?:currently )?(?:away|out of|on leave|on holiday)",
    r"abwesen(?:d|heit)\w*|automatische (?:antwort|ruckmeldung|rueckmeldung)|autom\. antwort|nicht im b(?:u|ue)ro|im urlaub|au(?:ss|s)er haus",
    r"reponse automatique|absen(?:ce|te?) (?:du|de) bureau|message d'absence|en conge",
    r"respuesta automatica|fuera de (?:la )?oficina|de vacaciones|aviso de ausencia",
    r"risposta automatica|fuori (?:ufficio|sede)|assente dall'ufficio|in ferie",
    r"resposta automatica|fora do escritorio|ausente do escritorio|ausencia temporaria|de ferias",
    r"automatisch(?:e)? antwoord|afwezig\w*|niet op kantoor|buiten kantoor",
    r"autosvar|automatis[kt]\w* svar|franvaro\w*|fravaer\w*|ude af kontoret|ikke pa kontoret|inte pa kontoret",
    r"automaattinen vastaus|poissaolo\w*|olen poissa|automaatvastus|kontorist valjas",
    r"automatyczna odpowiedz|odpowiedz automatyczna|poza biurem|nieobecnos\w*",
    r"automaticka odpoved|mimo kancelar\w*|nepritomnos\w*|automatikus valasz|hazon kivul",
    r"raspuns automat|automatski odgovor|samodejni odgovor|izvan ureda|odsutnos\w*|automatiska atbilde|automatinis atsakymas|arpus biroja",
    r"αυτοματη απαντηση|αυτόματη απάντηση|εκτος γραφειου",
    r"автоответ|автоматический ответ|автоматична відповідь|вне офиса|нет на месте|в отпуске|автоматичен отговор",
    r"otomatik (?:yanit|cevap)|ofis disinda\w*",
    r"מענה אוטומטי|תגובה אוטומטית|رد تلقائي|تلقائي|خارج المكتب",
    r"自動(?:応答|返信|回覆|回复)|不在(?:通知|連絡|のお知らせ)|自动(?:回复|答复)|外出(?:通知|自动)|자동 ?(?:회신|응답)|부재 ?중",
    r"tra loi tu dong|balasan otomatis|ตอบกลับอัตโนมัติ|स्वचालित",
)
# Said by people in passing as well: only where a subject begins so.
_BEGINS_SO = (
    r"thank you for (?:your (?:e-?mail|message)|contacting)|ooo\b|read:|please confirm (?:your|that)|confirm your message",
    r"message (?:received|awaiting confirmation)|gelesen:|eingangsbestatigung|accuse de reception|absence|ausencia|assenza|poissa|automaattinen",
)
_SAYS_AWAY = one_of(*_AWAY)
_AWAY_SUBJECT = one_of(
    *(rf"^(?:(?:re|aw|fwd?|sv|antw|r|ref)?\s?:?\s?)\W{{0,2}}(?:{words})" for words in (*_AWAY, *_BEGINS_SO))
)
MAX_SUBJECT = 300


def is_auto_reply(mail: Mail) -> bool:
    """Whether it is such an answer. Bounces bear the same marks, so ask for them first."""
    if mail.report_type == "disposition-notification":  # RFC 8098: a receipt
        return True
    return _bears_a_mark(mail.fields) or is_away(mail.fields)


def is_away(fields: Fields) -> bool:
    """Whether the subject says that the person is away, in words that mail programs put there."""
    return _AWAY_SUBJECT.search(fields.decoded("subject")[:MAX_SUBJECT])


def says_away(text: str) -> bool:
    """Whether a text says so anywhere."""
    return _SAYS_AWAY.search(text)


def _bears_a_mark(fields: Fields) -> bool:
    return any(mark in fields for mark in _MARKS) or any(says.search(fields.get(name)) for name, says in _SAYS_SO)
