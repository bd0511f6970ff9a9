"""The corpus: each shape with a share of the answers, and what is no plain failure."""

# ruff: noqa: E501 - what a mail says stands on one line

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle

from tests.bounce_corpus.answers import DEAD, FOREIGN, NOT_DEAD, RECIPIENT, Refusal
from tests.bounce_corpus.shapes import SHAPES, SUBJECTS, gateway_wrapped, group, header, mail, ours, report

EACH = 8
"""Answers of either kind, dead and not, that each shape is given."""
HARD, SOFT, DELAY, DELIVERED, COMPLAINT, AUTO, NONE = (
    "hard",
    "soft",
    "delay",
    "delivered",
    "complaint",
    "auto",
    "none",
)
DAEMON = "From: MAILER-DAEMON@mx.example.net"


@dataclass(frozen=True)
class Mail:
    """A message, and what it is to be taken for."""

    name: str
    raw: bytes
    wanted: str


def corpus() -> list[Mail]:
    """All of it, in one order."""
    return [
        *_failures(),
        *_in_other_languages(),
        *_delays(),
        *_deliveries(),
        *_rejections(),
        *_complaints(),
        *_no_bounces(),
    ]


def _failures() -> Iterator[Mail]:
    subjects, dead, alive = cycle(SUBJECTS), cycle(DEAD), cycle(NOT_DEAD)
    for shape in SHAPES:
        for refusals in (dead, alive):
            for _ in range(EACH):
                refusal = next(refusals)
                name = f"{shape.__name__}: {refusal.status} {refusal.said[:60]}"
                yield Mail(name, shape(refusal, next(subjects)), HARD if refusal.hard else SOFT)


_FOREIGN_SUBJECTS = {
    "de": "Unzustellbar",
    "fr": "Échec de remise",
    "es": "No se puede entregar",
    "it": "Impossibile recapitare",
    "pt": "Mensagem não entregue",
    "nl": "Onbestelbaar",
    "pl": "Nie dostarczono",
    "tr": "Teslim edilemedi",
    "ru": "Не доставлено",
    "ja": "配信不能",
    "zh": "退信",
    "sv": "Kunde inte levereras",
    "hu": "Kézbesíthetetlen",
}


def _in_other_languages() -> Iterator[Mail]:
    subjects = cycle(SUBJECTS)
    for language, hard, said, word in FOREIGN:
        wanted, ours_is = HARD if hard else SOFT, next(subjects)
        body = f"{said}\n\n{word}: {ours_is}\n\n<{RECIPIENT}>"
        subject = header(f"{_FOREIGN_SUBJECTS[language]}: {ours_is}")
        yield Mail(f"{language}, a daemon: {said}", mail(f"{DAEMON}\nSubject: {subject}", body), wanted)
        yield Mail(
            f"{language}, a postmaster: {said}",
            mail(f"From: postmaster@customer.example\nSubject: {subject}", body),
            wanted,
        )
        fields = (
            f"Final-Recipient: rfc822; {RECIPIENT}\nAction: failed\nStatus: 5.0.0\nDiagnostic-Code: smtp; 550 {said}\n"
        )
        yield Mail(f"{language}, a report: {said}", report(f"{DAEMON}\nSubject: x", "", fields, ours_is), wanted)


def _delays() -> Iterator[Mail]:
    waiting = Refusal(False, "4.4.1", "connect to mx.customer.example[192.0.2.2]:25: Connection timed out")
    for number, words in enumerate(("Your message has not yet been delivered.", "It will be retried for 3 days.")):
        raw = report(
            f"{DAEMON}\nSubject: Delayed Mail (still being retried)", words, group(waiting, "delayed"), SUBJECTS[number]
        )
        yield Mail(f"a report of a delay: {words}", raw, DELAY)
    no_action = f"Final-Recipient: rfc822; {RECIPIENT}\nStatus: 4.4.7\n"
    yield Mail("a delay without action", report(f"{DAEMON}\nSubject: x", "Waiting.", no_action, SUBJECTS[0]), DELAY)
    for subject, words in (
        (
            "Warning: could not send message for past 4 hours",
            "THIS IS A WARNING MESSAGE ONLY. YOU DO NOT NEED TO RESEND YOUR MESSAGE.",
        ),
        (
            "Warning: message 1abc delayed 24 hours",
            "This message was created automatically by mail delivery software.\nA message that you sent has not yet been delivered to one or more of its recipients.",
        ),
        (
            "Delivery Status Notification (Delay)",
            "Delivery to the following recipient has been delayed:\n\nMessage will be retried for 2 more day(s)",
        ),
        ("Delivery delayed: Your statement", "Your message is delayed. We will keep trying for 2 days."),
        ("Zustellung verzögert: Ihr Auszug", "Ihre Nachricht wurde noch nicht zugestellt."),
        ("Livraison retardée", "Votre message n'a pas encore été remis."),
        ("Entrega retrasada", "El mensaje aún no se ha entregado."),
        ("Consegna ritardata", "Il messaggio non è ancora stato consegnato."),
        ("Vertraagd: uw bericht", "Het bericht is nog niet bezorgd."),
    ):
        yield Mail(
            f"a delay in words: {subject}",
            mail(f"{DAEMON}\nSubject: {header(subject)}", f"{words}\n\n{RECIPIENT}"),
            DELAY,
        )


def _deliveries() -> Iterator[Mail]:
    for action in ("delivered", "relayed", "expanded"):
        done = Refusal(False, "2.1.5", "250 2.1.5 OK")
        yield Mail(
            f"{action}",
            report(f"{DAEMON}\nSubject: Successful Mail Delivery Report", "Done.", group(done, action), SUBJECTS[0]),
            DELIVERED,
        )
    both = (
        group(Refusal(True, "5.1.1", "550 5.1.1 User unknown"))
        + "\n"
        + group(Refusal(False, "2.1.5", "250 OK"), "delivered")
    )
    yield Mail(
        "an alias for two, one has left", report(f"{DAEMON}\nSubject: Undelivered", "Partly.", both, SUBJECTS[0]), SOFT
    )
    said = "Your message was successfully delivered to the destination(s) listed below."
    yield Mail("good news in words", mail(f"{DAEMON}\nSubject: Successful Mail Delivery Report", said), NONE)


def _receipt(head: str, words: str, disposition: str) -> bytes:
    return f"""\
{head}
MIME-Version: 1.0
Content-Type: multipart/report; report-type=disposition-notification; boundary=b

--b
Content-Type: text/plain; charset=utf-8

{words}
--b
Content-Type: message/disposition-notification

Final-Recipient: rfc822; {RECIPIENT}
Disposition: {disposition}

--b--
""".encode()


def _rejections() -> Iterator[Mail]:
    by_rule = "automatic-action/MDN-sent-automatically; deleted"
    sieve = "From: Mail Delivery Subsystem <postmaster@customer.example>\nSubject: Rejected: Statement\nAuto-Submitted: auto-replied (rejected)"
    automatically = f"Your message to <{RECIPIENT}> was automatically rejected:\n"
    yield Mail(
        "a full disk's receipt",
        _receipt(sieve, automatically + "Quota exceeded (mailbox for user is full)", by_rule),
        SOFT,
    )
    yield Mail("a rule's receipt", _receipt(sieve, automatically + "I want no mail from you.", by_rule), SOFT)
    yield Mail("a rule's receipt: nobody", _receipt(sieve, automatically + "550 5.1.1 User unknown", by_rule), HARD)
    cyrus = f"From: {RECIPIENT}\nSubject: Automatically rejected mail\nAuto-Submitted: auto-replied (rejected)"
    yield Mail(
        "cyrus",
        _receipt(cyrus, "Your message was automatically rejected by Sieve, a mail filtering language.", by_rule),
        SOFT,
    )
    for reason, wanted in (("Mailbox full", SOFT), ("User unknown", HARD), ("Mailbox disabled", HARD), ("Spam", SOFT)):
        body = f"This message is to inform you that an email you sent was rejected.\nreject reason: {reason}\ntarget mail address: {RECIPIENT}"
        head = "From: postmaster@hoster.example\nSubject: email bounce notification\nAuto-Submitted: auto-replied"
        yield Mail(f"a hoster's notice: {reason}", mail(head, body), wanted)
    german = "From: noreply@hoster.example\nSubject: E-Mail-Zustellung fehlgeschlagen\nAuto-Submitted: auto-replied"
    yield Mail(
        "a German hoster's notice",
        mail(german, f"Ihre E-Mail an {RECIPIENT} konnte nicht zugestellt werden.\nGrund: Postfach voll"),
        SOFT,
    )
    plain = "From: mail@hoster.example\nSubject: Mail delivery failed\nAuto-Submitted: auto-generated"
    yield Mail(
        "a hoster's plain words",
        mail(plain, f"Your email could not be delivered: the mailbox of {RECIPIENT} is full."),
        SOFT,
    )
    twice = gateway_wrapped(Refusal(True, "5.1.1", "550 5.1.1 User unknown"), SUBJECTS[0]).decode()
    outer = f"From: scan@gate.example\nSubject: Undeliverable\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=two\n\n--two\nContent-Type: message/rfc822\n\n{twice}\n--two--\n"
    yield Mail("two gateways", outer.encode(), HARD)
    yield Mail("an unknown tongue", mail(f"{DAEMON}\nSubject: Ilmoitus", "Tuntematon syy."), SOFT)
    yield Mail("a daemon that says nothing", mail(f"{DAEMON}\nSubject: x", ""), SOFT)
    yield Mail("from nobody", mail("From: <>\nSubject: failure notice", f"{RECIPIENT}\n550 5.1.1 User unknown"), HARD)


def _complaints() -> Iterator[Mail]:
    for kind in ("abuse", "fraud", "virus", "other", "auth-failure", "not-spam"):
        yield Mail(
            f"arf: {kind}",
            f"""\
From: feedback@arf.example.net
Subject: FW: {header(SUBJECTS[0])}
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary=b

--b
Content-Type: text/plain

This is an email abuse report.
--b
Content-Type: message/feedback-report

Feedback-Type: {kind}
User-Agent: SomeGenerator/1.0
Version: 1
--b
Content-Type: message/rfc822

{ours(SUBJECTS[0])}
--b--
""".encode(),
            COMPLAINT,
        )


def _no_bounces() -> Iterator[Mail]:
    person = f"From: Anna Muster <{RECIPIENT}>"
    for subject in (
        *("Out of office: Your statement", "Automatic reply: x", "Abwesenheitsnotiz: x", "Réponse automatique : x"),
        *("Respuesta automática: x", "Risposta automatica: x", "Resposta automática: x", "Automatisch antwoord: x"),
        *(
            "Automatyczna odpowiedź: x",
            "Otomatik yanıt: x",
            "Автоответ: x",
            "自動返信: x",
            "自动回复: x",
            "Autosvar: x",
        ),
        *("Automātiska atbilde: x", "Automaattinen vastaus: x", "Automatikus válasz: x", "Automatická odpověď: x"),
    ):
        yield Mail(f"away: {subject}", mail(f"{person}\nSubject: {header(subject)}", "I am back on Monday."), AUTO)
    for mark in (
        "Auto-Submitted: auto-replied (vacation)",
        "X-Autoreply: yes",
        "Precedence: auto_reply",
        "X-Auto-Response-Suppress: All",
    ):
        body = "I have left the company. Your message could not be delivered: user unknown, 550 5.1.1."
        yield Mail(f"left: {mark}", mail(f"{person}\nSubject: Gone\n{mark}", body), AUTO)
    yield Mail(
        "a postmaster on holiday",
        mail(
            "From: postmaster@customer.example\nSubject: I am away\nAuto-Submitted: auto-replied", "My mailbox is full."
        ),
        AUTO,
    )
    read = "manual-action/MDN-sent-manually; displayed"
    yield Mail("a receipt", _receipt(f"{person}\nSubject: Read: Your statement", "Your message was read.", read), AUTO)
    deleted = "automatic-action/MDN-sent-automatically; deleted"
    yield Mail(
        "deleted unread",
        _receipt(
            f"{person}\nSubject: Not read: Your statement", "Your message was deleted without being read.", deleted
        ),
        AUTO,
    )
    for text in (
        "Thank you!",
        "My colleague says that his mailbox is full.",
        "Please unsubscribe me.",
        "Which account does not exist?",
    ):
        yield Mail(f"a person: {text}", mail(f"{person}\nSubject: Re: Your statement", text), NONE)
    forwarded = f"{person}\nSubject: Fwd: Undeliverable\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=f\n\n--f\n\nWhat is this?\n--f\nContent-Type: message/rfc822\n\n"
    inner = report(
        f"{DAEMON}\nSubject: Undelivered", "x", group(Refusal(True, "5.1.1", "550 5.1.1 x")), SUBJECTS[0]
    ).decode()
    for word in ("Fwd: ", "WG: ", "TR : ", "RV: "):
        raw = f"{forwarded}{inner}\n--f--\n".replace("Fwd: ", word, 1).encode()
        yield Mail(f"a person who forwards a bounce: {word}", raw, NONE)
    question = "Dear bank, could you please stop?"
    yield Mail(
        "a postmaster who is a person", mail("From: postmaster@customer.example\nSubject: Question", question), NONE
    )
