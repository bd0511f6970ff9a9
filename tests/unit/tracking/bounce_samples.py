"""What comes back to a bounce address, written after the forms in use; every person and host is made up."""

# ruff: noqa: E501 - what a server says stands on one line

from dataclasses import dataclass

from eed_delivery.events import DeliveryOutcome
from eed_delivery.tracking.bounces.parsing import BounceVerdict

HARD, SOFT = DeliveryOutcome.HARD_BOUNCED, DeliveryOutcome.SOFT_BOUNCED
COMPLAINED, DELIVERED = DeliveryOutcome.COMPLAINED, DeliveryOutcome.DELIVERED


@dataclass(frozen=True)
class Sample:
    """A message, and what is to be read from it."""

    name: str
    raw: bytes
    verdict: BounceVerdict
    outcome: DeliveryOutcome | None = None
    sub_type: str = ""
    code: int | None = None
    enhanced: str | None = None


ORIGINAL = """\
Return-Path: <b+7.1.aaaaaaaaaaaaaaaa@bounces.bank.example>
From: Bank <service@bank.example>
To: Anna <anna@example.com>
Subject: Your mailbox is full of news: user unknown, blocked as spam
Message-ID: <7@bank.example>

The account does not exist. 550 5.1.1 User unknown
"""


def dsn(
    groups: str, words: str = "This is the mail system at host mx.example.net.", kind: str = "delivery-status"
) -> bytes:
    """A report as Postfix writes it, with these groups about recipients."""
    return f"""\
Return-Path: <>
Received: by mx.example.net (Postfix) id 4CX1; Mon, 23 Nov 2026 05:00:00 +0000
Date: Mon, 23 Nov 2026 05:00:00 +0000
From: MAILER-DAEMON@mx.example.net (Mail Delivery System)
Subject: Undelivered Mail Returned to Sender
To: b+7.1.aaaaaaaaaaaaaaaa@bounces.bank.example
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type={kind};
\tboundary="4CX1.1795/mx.example.net"
Message-Id: <20261123050000.4CX1@mx.example.net>

This is a MIME-encapsulated message.

--4CX1.1795/mx.example.net
Content-Description: Notification
Content-Type: text/plain; charset=us-ascii

{words}

--4CX1.1795/mx.example.net
Content-Description: Delivery report
Content-Type: message/{kind}

Reporting-MTA: dns; mx.example.net
X-Postfix-Queue-ID: 4CX1
Arrival-Date: Mon, 23 Nov 2026 04:59:59 +0000

{groups}
--4CX1.1795/mx.example.net
Content-Description: Undelivered Message
Content-Type: message/rfc822

{ORIGINAL}
--4CX1.1795/mx.example.net--
""".encode()


def group(
    status: str, diagnostic: str = "", action: str = "failed", recipient: str = "rfc822; anna@example.com"
) -> str:
    lines = [f"Final-Recipient: {recipient}", f"Original-Recipient: {recipient}", f"Action: {action}"]
    lines += [f"Status: {status}"] if status else []
    lines += [f"Diagnostic-Code: {diagnostic}"] if diagnostic else []
    return "\n".join(lines) + "\n"


def arf(fields: str) -> bytes:
    return f"""\
From: <feedback@arf.mail.example.net>
Date: Mon, 23 Nov 2026 05:00:00 +0000
Subject: FW: Your statement
To: <b+7.1.aaaaaaaaaaaaaaaa@bounces.bank.example>
Message-ID: <arf-1@mail.example.net>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report;
      boundary="part1_13d.2e68ed54_boundary"

--part1_13d.2e68ed54_boundary
Content-Type: text/plain; charset="US-ASCII"
Content-Transfer-Encoding: 7bit

This is an email abuse report for an email message from bank.example
received from IP 192.0.2.1 on Mon, 23 Nov 2026 04:00:00 +0000.

--part1_13d.2e68ed54_boundary
Content-Type: message/feedback-report

{fields}
--part1_13d.2e68ed54_boundary
Content-Type: message/rfc822
Content-Disposition: inline

{ORIGINAL}
--part1_13d.2e68ed54_boundary--
""".encode()


def note(head: str, body: str) -> bytes:
    """A plain message: its header and its text."""
    return f"Message-ID: <note-1@example.com>\nTo: b@bounces.bank.example\n{head.strip()}\n\n{body.strip()}\n".encode()


QMAIL = "From: MAILER-DAEMON@example.com\nSubject: failure notice"
QMAIL_TEXT = (
    """\
Hi. This is the qmail-send program at example.com.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<anna@example.com>:
{}

--- Below this line is a copy of the message.

"""
    + ORIGINAL
)
EXIM = """\
X-Failed-Recipients: anna@example.com
Auto-Submitted: auto-replied
From: Mail Delivery System <Mailer-Daemon@mx.example.org>
Subject: Mail delivery failed: returning message to sender"""
EXIM_TEXT = (
    """\
This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  anna@example.com
    {}

------ This is a copy of the message, including all the headers. ------

"""
    + ORIGINAL
)

_BOUNCE, _DELAY, _DELIVERY = BounceVerdict.BOUNCE, BounceVerdict.DELAY, BounceVerdict.DELIVERY
_COMPLAINT, _AUTO, _UNKNOWN = BounceVerdict.COMPLAINT, BounceVerdict.AUTO_REPLY, BounceVerdict.NOT_UNDERSTOOD

REPORTS = (
    Sample(
        "postfix: no such user",
        dsn(
            group(
                "5.1.1", "smtp; 550 5.1.1 <anna@example.com>: Recipient address\n    rejected: User unknown in virtual"
            )
        ),
        *(_BOUNCE, HARD, "no_mailbox", 550, "5.1.1"),
    ),
    Sample(
        "postfix: no such domain",
        dsn(
            group(
                "5.4.4",
                "X-Postfix; Host or domain name not found. Name service error\n    for name=nosuch.example type=AAAA: Host not found",
            )
        ),
        *(_BOUNCE, HARD, "no_domain", None, "5.4.4"),
    ),
    Sample(
        "null MX",
        dsn(group("5.1.10", "X-Postfix; Domain example.com does not accept mail (nullMX)")),
        _BOUNCE,
        HARD,
        "no_domain",
        None,
        "5.1.10",
    ),
    Sample(
        "gmail: full",
        dsn(group("5.2.2", "smtp; 552-5.2.2 The recipient's inbox is out of storage space and inactive.")),
        _BOUNCE,
        SOFT,
        "full",
        552,
        "5.2.2",
    ),
    Sample(
        "gmail: no such account",
        dsn(
            group(
                "5.1.1",
                "smtp; 550-5.1.1 The email account that you tried to reach does not exist. Please try 550-5.1.1 double-checking the recipient's email address for typos or 550 5.1.1 unnecessary spaces. gsmtp",
            )
        ),
        _BOUNCE,
        HARD,
        "no_mailbox",
        550,
        "5.1.1",
    ),
    Sample(
        "gmail: disabled",
        dsn(group("5.2.1", "smtp; 550 5.2.1 The email account that you tried to reach is disabled.")),
        _BOUNCE,
        HARD,
        "disabled",
        550,
        "5.2.1",
    ),
    Sample(
        "gmail: busy mailbox",
        dsn(
            group(
                "5.2.1",
                "smtp; 550-5.2.1 The user you are trying to contact is receiving mail at a rate that prevents additional messages",
            )
        ),
        _BOUNCE,
        SOFT,
        "rate",
        550,
        "5.2.1",
    ),
    Sample(
        "gmail: unauthenticated",
        dsn(group("5.7.26", "smtp; 550-5.7.26 This mail is unauthenticated")),
        _BOUNCE,
        SOFT,
        "authentication",
        550,
        "5.7.26",
    ),
    Sample(
        "exchange online: not found",
        dsn(
            group(
                "5.1.10", "smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup"
            )
        ),
        _BOUNCE,
        HARD,
        "no_domain",
        550,
        "5.1.10",
    ),
    Sample(
        "exchange online: edge blocking",
        dsn(group("5.4.1", "smtp;550 5.4.1 Recipient address rejected: Access denied. [AM1.example]")),
        _BOUNCE,
        HARD,
        "no_mailbox",
        550,
        "5.4.1",
    ),
    Sample(
        "outlook.com: unavailable",
        dsn(group("5.5.0", "smtp;550 5.5.0 Requested action not taken: mailbox unavailable (S2017062302).")),
        _BOUNCE,
        HARD,
        "no_mailbox",
        550,
        "5.5.0",
    ),
    Sample(
        "spam filter",
        dsn(group("5.7.1", "smtp; 554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using rbl.example")),
        _BOUNCE,
        SOFT,
        "policy",
        554,
        "5.7.1",
    ),
    Sample(
        "too large",
        dsn(group("5.3.4", "smtp; 552 5.3.4 Message size exceeds fixed limit")),
        _BOUNCE,
        SOFT,
        "too_large",
        552,
        "5.3.4",
    ),
    Sample(
        "content", dsn(group("5.6.0", "smtp; 550 5.6.0 Invalid header found")), _BOUNCE, SOFT, "content", 550, "5.6.0"
    ),
    Sample(
        "our own sender is refused",
        dsn(group("5.1.0", "smtp; 550 5.1.0 Sender address rejected: Domain not found")),
        _BOUNCE,
        SOFT,
        "sender",
        550,
        "5.1.0",
    ),
    Sample(
        "says no mailbox, means spam",
        dsn(group("5.1.1", "smtp; 550 5.1.1 Message blocked as spam")),
        _BOUNCE,
        SOFT,
        "policy",
        550,
        "5.1.1",
    ),
    Sample(
        "a catch-all status, the words know",
        dsn(group("5.0.0", "smtp; 550 5.1.1 unknown user")),
        _BOUNCE,
        HARD,
        "no_mailbox",
        550,
        "5.1.1",
    ),
    Sample(
        "a catch-all status, the people's part knows",
        dsn(group("5.0.0"), "Delivery failed.\n<anna@example.com>: user unknown"),
        _BOUNCE,
        HARD,
        "no_mailbox",
        None,
        "5.0.0",
    ),
    Sample("nobody says why", dsn(group("5.0.0"), "Sorry."), _BOUNCE, SOFT, "unknown", None, "5.0.0"),
    Sample(
        "expired",
        dsn(group("4.4.1", "X-Postfix; connect to mx.example.com[192.0.2.9]:25: Connection timed out")),
        _BOUNCE,
        SOFT,
        "network",
        None,
        "4.4.1",
    ),
    Sample(
        "expired, no such user for now",
        dsn(group("4.1.1", "smtp; 450 4.1.1 User unknown")),
        _BOUNCE,
        SOFT,
        "no_mailbox",
        450,
        "4.1.1",
    ),
    Sample(
        "delayed",
        dsn(group("4.4.1", "X-Postfix; connect: Connection refused", "delayed")),
        _DELAY,
        None,
        "network",
        None,
        "4.4.1",
    ),
    Sample("delivered", dsn(group("2.1.5", "smtp; 250 OK", "delivered")), _DELIVERY, DELIVERED),
    Sample("relayed", dsn(group("2.0.0", "smtp; 250 2.0.0 Ok: queued as 4CX2", "relayed")), _DELIVERY, None, "relayed"),
    Sample("expanded", dsn(group("2.0.0", "", "expanded (to multi-recipient alias)")), _DELIVERY, None, "expanded"),
    Sample(
        "an alias for two, one has left",
        dsn(group("5.1.1", "smtp; 550 5.1.1 User unknown") + "\n" + group("2.1.5", "", "delivered")),
        _BOUNCE,
        SOFT,
        "no_mailbox",
        550,
        "5.1.1",
    ),
    Sample(
        "an alias for two, one is full",
        dsn(group("5.1.1", "smtp; 550 5.1.1 User unknown") + "\n" + group("5.2.2", "smtp; 552 5.2.2 over quota")),
        _BOUNCE,
        SOFT,
        "full",
        552,
        "5.2.2",
    ),
    Sample(
        "an alias for two, both have left",
        dsn(group("5.1.1") + "\n" + group("5.1.1")),
        _BOUNCE,
        HARD,
        "no_mailbox",
        None,
        "5.1.1",
    ),
    Sample(
        "no action, no status but words",
        dsn("Final-Recipient: rfc822; anna@example.com\nStatus: 5.1.1 (bad destination mailbox address)\n"),
        _BOUNCE,
        HARD,
        "no_mailbox",
        None,
        "5.1.1",
    ),
    Sample(
        "action without status", dsn(group("", "smtp; 550 No such user here")), _BOUNCE, HARD, "no_mailbox", 550, None
    ),
    Sample(
        "beyond ASCII (RFC 6533)",
        dsn(
            group("5.1.1", "smtp; 550 5.1.1 Empfänger ännä@exämple.com unbekannt", recipient="utf-8; änna@exämple.com"),
            kind="global-delivery-status",
        ),
        *(_BOUNCE, HARD, "no_mailbox", 550, "5.1.1"),
    ),
    Sample("with CRLF", dsn(group("5.1.1")).replace(b"\n", b"\r\n"), _BOUNCE, HARD, "no_mailbox", None, "5.1.1"),
    Sample(
        "through a pipe",
        b"From MAILER-DAEMON Mon Nov 23 05:00:00 2026\n" + dsn(group("5.1.1")),
        _BOUNCE,
        HARD,
        "no_mailbox",
        None,
        "5.1.1",
    ),
    Sample(
        "cut off after the status",
        dsn(group("5.1.1")).partition(b"--4CX1.1795/mx.example.net\nContent-Description: Undel")[0],
        _BOUNCE,
        HARD,
        "no_mailbox",
        None,
        "5.1.1",
    ),
    Sample(
        "within multipart/mixed, the status in base64",
        b"""\
From: postmaster@example.com
Message-ID: <mixed@example.com>
Content-Type: multipart/mixed; boundary=outer

--outer
Content-Type: multipart/report; report-type="delivery-status"; boundary=inner

--inner
Content-Type: text/html; charset=utf-8

<html><body><p>Delivery has failed to these recipients</p></body></html>
--inner
Content-Type: message/delivery-status
Content-Transfer-Encoding: base64

UmVwb3J0aW5nLU1UQTogZG5zOyBhLmV4YW1wbGUKCkFjdGlvbjogZmFpbGVkClN0YXR1czogNS4xLjYK
--inner--
--outer
Content-Type: text/plain

-- the footer of some gateway
--outer--
""",
        *(_BOUNCE, HARD, "moved", None, "5.1.6"),
    ),
    Sample(
        "a report without a recipient's group",
        dsn("", "…").replace(b"MAILER-DAEMON@mx.example.net (Mail Delivery System)", b"mx@example.net"),
        _BOUNCE,
        SOFT,
        "unknown",
    ),
    Sample(
        "a reason in the status' comment",
        dsn(group("5.0.0 (recipient reached disk quota)")),
        _BOUNCE,
        SOFT,
        "full",
        None,
        "5.0.0",
    ),
)
COMPLAINTS = (
    Sample(
        "arf: abuse",
        arf("Feedback-Type: abuse\nUser-Agent: SomeGenerator/1.0\nVersion: 1\n"),
        _COMPLAINT,
        COMPLAINED,
        "abuse",
    ),
    Sample("arf: fraud, in capitals", arf("Version: 1\nFEEDBACK-TYPE: Fraud\n"), _COMPLAINT, COMPLAINED, "fraud"),
    Sample(
        "arf: a kind of their own", arf("Feedback-Type: opt-out-list\nVersion: 0.1\n"), _COMPLAINT, COMPLAINED, "other"
    ),
    Sample("arf: empty", arf(""), _COMPLAINT, COMPLAINED, "other"),
    Sample("arf: taken back", arf("Feedback-Type: not-spam\nVersion: 1\n"), _COMPLAINT, None, "not-spam"),
    Sample(
        "arf: dkim failed",
        arf("Feedback-Type: auth-failure\nAuth-Failure: signature\n"),
        _COMPLAINT,
        None,
        "auth-failure",
    ),
    Sample(
        "jmrp",
        note("From: staff@hotmail.com\nSubject: complaint about message from 192.0.2.1", "see the attachment"),
        _COMPLAINT,
        COMPLAINED,
        "abuse",
    ),
)
OTHERS = (
    Sample(
        "qmail: no mailbox",
        note(QMAIL, QMAIL_TEXT.format("Sorry, no mailbox here by that name. (#5.1.1)")),
        _BOUNCE,
        HARD,
        "no_mailbox",
        None,
        "5.1.1",
    ),
    Sample(
        "qmail: no host",
        note(QMAIL, QMAIL_TEXT.format("Sorry, I couldn't find any host named nosuch.example. (#5.1.2)")),
        _BOUNCE,
        HARD,
        "no_domain",
        None,
        "5.1.2",
    ),
    Sample(
        "qmail: full",
        note(
            QMAIL,
            QMAIL_TEXT.format("192.0.2.5 failed after I sent the message.\nRemote host said: 552 Mailbox is full"),
        ),
        _BOUNCE,
        SOFT,
        "full",
        552,
        None,
    ),
    Sample("qmail: no reason", note(QMAIL, QMAIL_TEXT.format("")), _BOUNCE, SOFT, "unknown"),
    Sample("exim: unroutable", note(EXIM, EXIM_TEXT.format("Unrouteable address")), _BOUNCE, HARD, "no_mailbox"),
    Sample(
        "exim: the remote says",
        note(
            EXIM,
            EXIM_TEXT.format(
                "host mx.example.com [192.0.2.7]\n    SMTP error from remote mail server after RCPT TO:<anna@example.com>:\n    550 5.1.1 User unknown"
            ),
        ),
        _BOUNCE,
        HARD,
        "no_mailbox",
        550,
        "5.1.1",
    ),
    Sample(
        "exim: spam",
        note(
            EXIM,
            EXIM_TEXT.format(
                "SMTP error from remote mail server after end of data:\n    554 rejected due to spam content"
            ),
        ),
        _BOUNCE,
        SOFT,
        "policy",
        554,
    ),
    Sample(
        "exim: delayed",
        note(
            EXIM.replace(
                "Mail delivery failed: returning message to sender", "Warning: message 1kXyZ delayed 24 hours"
            ),
            "This message was created automatically by mail delivery software.\nA message that you sent has not yet been delivered to one or more of its\nrecipients after more than 24 hours on the queue on mx.example.org.\n\nNo action is required on your part.",
        ),
        *(_DELAY, None, "unknown"),
    ),
    Sample(
        "exchange 2003",
        note(
            "From: System Administrator <postmaster@corp.example>\nSubject: Undeliverable: Your statement",
            "Your message did not reach some or all of the intended recipients.\n\n      Subject:  Your statement\n\nThe following recipient(s) could not be reached:\n\n      anna@corp.example on 11/23/2026 5:00 AM\n            The e-mail account does not exist at the organization this message was sent to.\n            <mail.corp.example #5.1.1>",
        ),
        *(_BOUNCE, HARD, "no_mailbox", None, "5.1.1"),
    ),
    Sample(
        "domino",
        note(
            "From: Postmaster <postmaster@corp.example>\nSubject: DELIVERY FAILURE: User anna not listed in Domino Directory",
            "Your message\n  Subject: x\nwas not delivered to: anna@corp.example\nbecause: User anna (anna@corp.example) not listed in Domino Directory",
        ),
        *(_BOUNCE, HARD, "no_mailbox"),
    ),
    Sample(
        "yahoo",
        note(
            "From: MAILER-DAEMON@yahoo.example\nSubject: Failure Notice",
            "Sorry, we were unable to deliver your message to the following address.\n\n<anna@yahoo.example>:\n554: delivery error: dd This user doesn't have a yahoo.example account (anna@yahoo.example) [0] - mta1001",
        ),
        *(_BOUNCE, HARD, "no_mailbox", 554),
    ),
    Sample(
        "sendmail",
        note(
            "From: Mail Delivery Subsystem <MAILER-DAEMON@example.com>\nSubject: Returned mail: see transcript for details",
            "The original message was received at Mon, 23 Nov 2026 05:00:00 GMT\nfrom bank.example [192.0.2.1]\n\n   ----- The following addresses had permanent fatal errors -----\n<anna@example.com>\n    (reason: 550 5.2.1 <anna@example.com>... Mailbox disabled for this recipient)\n\n   ----- Transcript of session follows -----\n... while talking to mx.example.com.:\n>>> RCPT To:<anna@example.com>",
        ),
        *(_BOUNCE, HARD, "disabled", 550, "5.2.1"),
    ),
    Sample(
        "exim in its owner's words",
        note("X-Failed-Recipients: anna@example.com\nFrom: robot@example.com\nSubject: Sorry", "anna: user unknown"),
        _BOUNCE,
        HARD,
        "no_mailbox",
    ),
    Sample(
        "somebody's daemon",
        note(
            "From: postmaster@example.com\nSubject: =?utf-8?Q?Unzustellbar=3A_Ihr_Kontoauszug?=",
            "<anna@example.com>: Empfänger unbekannt",
        ),
        _BOUNCE,
        HARD,
        "no_mailbox",
    ),
    Sample(
        "html only",
        note(
            "From: postmaster@example.com\nSubject: Undeliverable: x\nContent-Type: text/html; charset=iso-8859-1",
            "<html><body><b>anna</b>: 550 <i>mailbox</i> full</body></html>",
        ),
        _BOUNCE,
        SOFT,
        "full",
        550,
    ),
    Sample(
        "a daemon of few words",
        note(
            "From: postmaster@example.com\nSubject: Undeliverable Mail\nPrecedence: bulk",
            "Delivery failed 20 attempts.",
        ),
        _BOUNCE,
        SOFT,
        "unknown",
    ),
    Sample(
        "a daemon with a subject of its own",
        note("From: MAILER-DAEMON@example.com\nSubject: Processing", "anna: user unknown"),
        _BOUNCE,
        HARD,
        "no_mailbox",
    ),
    Sample(
        "delayed by a full mailbox",
        note(
            "From: postmaster@example.com\nSubject: Mail Delivery Warning",
            "Delivery of email to this address has been postponed due to a full mailbox.",
        ),
        _DELAY,
        None,
        "full",
    ),
    Sample(
        "a bulk robot's own form",
        note(
            "From: <admin@example.com>\nSubject: Non-Delivery: x\nPrecedence: bulk",
            "The email below could not be delivered to the following user",
        ),
        _BOUNCE,
        SOFT,
        "unknown",
    ),
)
NO_BOUNCES = (
    Sample(
        "a postmaster on holiday",
        note(
            "From: postmaster@example.com\nSubject: I am away\nAuto-Submitted: auto-replied",
            "My mailbox is full of mail.",
        ),
        _AUTO,
    ),
    Sample(
        "RFC 3834",
        note(
            "From: anna@example.com\nSubject: Your statement\nAuto-Submitted: auto-replied (vacation)",
            "I am away. 550 5.1.1 user unknown",
        ),
        _AUTO,
    ),
    Sample(
        "exchange's out of office",
        note(
            "From: anna@corp.example\nSubject: Automatic reply: Your statement\nAuto-Submitted: auto-generated\nX-Auto-Response-Suppress: All",
            "I am out of office.",
        ),
        _AUTO,
    ),
    Sample(
        "vacation(1)",
        note(
            "From: anna@example.com\nSubject: Re: Your statement\nPrecedence: bulk",
            "I will not be reading my mail for a while.",
        ),
        _AUTO,
    ),
    Sample(
        "left, by a rule",
        note(
            "From: anna@example.com\nSubject: Gone\nX-Autoreply: yes",
            "I have left the company; your message could not be delivered to me. User unknown.",
        ),
        _AUTO,
    ),
    Sample(
        "a challenge",
        note(
            "From: anna@example.com\nSubject: Please confirm your message\nX-TMDA-Fingerprint: abc",
            "Reply to this to be let in.",
        ),
        _AUTO,
    ),
    Sample(
        "a receipt",
        note(
            'From: anna@example.com\nSubject: x\nContent-Type: multipart/report; report-type=disposition-notification; boundary="b"',
            "--b\nContent-Type: text/plain\n\nRead.\n--b\nContent-Type: message/disposition-notification\n\nDisposition: manual-action/MDN-sent-manually; displayed\n--b--",
        ),
        _AUTO,
    ),
    *(
        Sample(f"only the subject: {subject}", note(f"From: anna@example.com\nSubject: {subject}", "…"), _AUTO)
        for subject in (
            *(
                "Out of Office: Your statement",
                "AutoReply: hello",
                "Abwesenheitsnotiz: Ihr Auszug",
                "Automatische Antwort: x",
            ),
            *(
                "=?utf-8?B?UsOpcG9uc2UgYXV0b21hdGlxdWUgOiB4?=",
                "Réponse automatique : x",
                "Respuesta automática: x",
                "Fuera de la oficina",
            ),
            *(
                "Risposta automatica: x",
                "Resposta automática: x",
                "Automatisch antwoord: x",
                "Autosvar: x",
                "Frånvaro: x",
            ),
            *(
                "Automatyczna odpowiedź: x",
                "Automatická odpověď: x",
                "Автоответ: x",
                "Otomatik yanıt: x",
                "自動返信: x",
                "自动回复: x",
                "자동 회신: x",
            ),
        )
    ),
    Sample(
        "a person",
        note(
            "From: anna@example.com\nSubject: Re: Your statement", "Thank you. My colleague says his mailbox is full."
        ),
        _UNKNOWN,
    ),
    Sample(
        "a person who forwards a bounce",
        note(
            "From: anna@example.com\nSubject: Fwd: Undeliverable\nContent-Type: multipart/mixed; boundary=b",
            "--b\n\nWhat is this?\n--b\nContent-Type: message/rfc822\n\n" + dsn(group("5.1.1")).decode() + "\n--b--",
        ),
        _UNKNOWN,
    ),
    Sample("nothing", b"", _UNKNOWN),
    Sample("a header only", b"Subject: x", _UNKNOWN),
    Sample("no text", b"\x00\xff\xfe" * 500, _UNKNOWN),
)
SAMPLES = REPORTS + COMPLAINTS + OTHERS + NO_BOUNCES
