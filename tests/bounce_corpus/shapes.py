"""The shapes that mail systems give a bounce: each a function from what the server said to a whole message."""

# ruff: noqa: E501 - what a server says stands on one line

import base64
import quopri
from collections.abc import Callable
from email.header import Header

from tests.bounce_corpus.answers import RECIPIENT, Refusal

OURS = """\
Return-Path: <b+7.1.aaaaaaaaaaaaaaaa@returns.bank.example>
Received: from mail.bank.example (HELO bank.example) by mx.example.net; Mon, 23 Nov 2026 04:59:59 +0000
DKIM-Signature: v=1; a=rsa-sha256; d=bank.example; s=a; h=from; bh=x; b=y
From: Bank <statements@bank.example>
To: Anna <{recipient}>
Subject: {subject}
Message-ID: <7.1@mail.bank.example>

Dear Anna, your mailbox is full of news: user unknown, 550 5.1.1, blocked using a blacklist. Try again later.
"""
SUBJECTS = (
    *("Your statement for November", "Retard de paiement", "Zahlung verzögert", "Your delivery is delayed"),
    *("User unknown: what now?", "Mailbox full of offers", "Out of office cover for your account", "Spam? Not from us"),
)
"""Of our own emails. Each bounce quotes one, and none may decide."""


def mail(head: str, body: str) -> bytes:
    """A message without MIME parts."""
    return f"{head.strip()}\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\n{body.strip()}\n".encode()


def header(text: str) -> str:
    """A field's value, with an encoded word where it needs one."""
    return text if text.isascii() else Header(text, "utf-8", maxlinelen=400).encode()


def ours(subject: str) -> str:
    return OURS.format(recipient=RECIPIENT, subject=header(subject))


def report(
    head: str,
    words: str,
    groups: str,
    subject: str,
    *,
    kind: str = "text/plain; charset=utf-8",
    copy: str = "message/rfc822",
) -> bytes:
    """A delivery status notification (RFC 3464)."""
    return f"""\
{head.strip()}
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="=_report"

This is a message in MIME format.

--=_report
Content-Type: {kind}

{words.strip()}

--=_report
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.net
Arrival-Date: Mon, 23 Nov 2026 04:59:59 +0000

{groups.strip()}

--=_report
Content-Type: {copy}

{ours(subject)}
--=_report--
""".encode()


def group(refusal: Refusal, action: str = "failed", more: str = "") -> str:
    return (
        f"Final-Recipient: rfc822; {RECIPIENT}\nAction: {action}\nStatus: {refusal.status}\n"
        f"Remote-MTA: dns; mx.customer.example\nDiagnostic-Code: smtp; {refusal.said}\n{more}"
    )


def postfix(r: Refusal, s: str) -> bytes:
    words = f"""\
This is the mail system at host mx.example.net.

I'm sorry to have to inform you that your message could not
be delivered to one or more recipients. It's attached below.

<{RECIPIENT}>: host mx.customer.example[192.0.2.2] said:
    {r.said} (in reply to RCPT TO command)"""
    head = "Return-Path: <>\nFrom: MAILER-DAEMON@mx.example.net (Mail Delivery System)\nSubject: Undelivered Mail Returned to Sender\nAuto-Submitted: auto-replied"
    return report(head, words, group(r), s)


def sendmail(r: Refusal, s: str) -> bytes:
    words = f"""\
The original message was received at Mon, 23 Nov 2026 05:00:00 GMT
from mail.bank.example [192.0.2.1]

   ----- The following addresses had permanent fatal errors -----
<{RECIPIENT}>
    (reason: {r.said})

   ----- Transcript of session follows -----
... while talking to mx.customer.example.:
>>> RCPT To:<{RECIPIENT}>
<<< {r.said}"""
    head = "From: Mail Delivery Subsystem <MAILER-DAEMON@mx.example.net>\nSubject: Returned mail: see transcript for details\nAuto-Submitted: auto-generated (failure)"
    return report(head, words, group(r), s, copy="text/rfc822-headers")


def exim(r: Refusal, s: str) -> bytes:
    head = f"X-Failed-Recipients: {RECIPIENT}\nAuto-Submitted: auto-replied\nFrom: Mail Delivery System <Mailer-Daemon@mx.example.net>\nSubject: Mail delivery failed: returning message to sender"
    return mail(
        head,
        f"""\
This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  {RECIPIENT}
    host mx.customer.example [192.0.2.2]
    SMTP error from remote mail server after RCPT TO:<{RECIPIENT}>:
    {r.said}

------ This is a copy of the message, including all the headers. ------

{ours(s)}""",
    )


def qmail(r: Refusal, s: str) -> bytes:
    return mail(
        "From: MAILER-DAEMON@mx.example.net\nSubject: failure notice",
        f"""\
Hi. This is the qmail-send program at mx.example.net.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<{RECIPIENT}>:
192.0.2.2 does not like recipient.
Remote host said: {r.said}
Giving up on 192.0.2.2.

--- Below this line is a copy of the message.

{ours(s)}""",
    )


def exchange_plain(r: Refusal, s: str) -> bytes:
    return mail(
        f"From: System Administrator <postmaster@customer.example>\nSubject: {header('Undeliverable: ' + s)}",
        f"""\
Your message did not reach some or all of the intended recipients.

      Subject:  {s}
      Sent:     11/23/2026 5:00 AM

The following recipient(s) could not be reached:

      {RECIPIENT} on 11/23/2026 5:00 AM
            There was a SMTP communication problem with the recipient's email server.
            <mx.example.net #{r.status} smtp;{r.said}>""",
    )


def exchange(r: Refusal, s: str) -> bytes:
    words = f"<html><body><p><b>Delivery has failed to these recipients or distribution lists:</b></p><p>{RECIPIENT}</p><p>Subject: {s}</p><p>Diagnostic information for administrators:</p><p>#{r.status} {r.said.replace('<', '&lt;')} ##</p></body></html>"
    head = f"From: Microsoft Exchange <postmaster@customer.example>\nSubject: {header('Undeliverable: ' + s)}\nX-MS-Exchange-Message-Is-Ndr:"
    return report(head, words, group(r, more="X-Display-Name: Anna Muster\n"), s, kind="text/html; charset=utf-8")


def gmail(r: Refusal, s: str) -> bytes:
    words = f"""\
** Address not found **

Your message wasn't delivered to {RECIPIENT}.

The response was:

{r.said}"""
    head = f"From: Mail Delivery Subsystem <mailer-daemon@mail.example.net>\nSubject: Delivery Status Notification (Failure)\nX-Failed-Recipients: {RECIPIENT}\nAuto-Submitted: auto-replied"
    return report(head, words.replace("** Address not found **\n\n", ""), group(r), s)


def old_gmail(r: Refusal, s: str) -> bytes:
    return mail(
        f"From: Mail Delivery Subsystem <mailer-daemon@mail.example.net>\nSubject: Delivery Status Notification (Failure)\nX-Failed-Recipients: {RECIPIENT}",
        f"""\
Delivery to the following recipient failed permanently:

     {RECIPIENT}

Technical details of permanent failure:
We tried to deliver your message, but it was rejected by the server for the recipient domain customer.example by mx.customer.example. [192.0.2.2].

The error that the other server returned was:
{r.said}

----- Original message -----

{ours(s)}""",
    )


def yahoo(r: Refusal, s: str) -> bytes:
    return mail(
        "From: MAILER-DAEMON@mail.example.net\nSubject: Failure Notice",
        f"""\
Sorry, we were unable to deliver your message to the following address.

<{RECIPIENT}>:
Remote host said: {r.said} [RCPT_TO]

--- Below this line is a copy of the message.

{ours(s)}""",
    )


def cisco(r: Refusal, s: str) -> bytes:
    """The appliance's own words stand before the server's."""
    code, _, rest = r.said.partition(" ")
    said = (
        f"5.1.0 - Unknown address error {code}-'{rest}' (delivery attempts: 0)"
        if code.isdigit()
        else f"5.1.2 - Bad destination host '{r.said}' (delivery attempts: 0)"
    )
    words = f"The following message to <{RECIPIENT}> was undeliverable.\nThe reason for the problem:\n{said}"
    head = (
        "From: Mail Delivery System <MAILER-DAEMON@gate.example.net>\nSubject: Delivery Status Notification (Failure)"
    )
    diagnostic = Refusal(r.hard, "5.0.0", said)
    return report(head, words, group(diagnostic), s)


def domino(r: Refusal, s: str) -> bytes:
    words = f"Your message\n\n  Subject: {s}\n\nwas not delivered to:\n\n  {RECIPIENT}\n\nbecause:\n\n  {r.said}"
    return report(
        "From: Postmaster <postmaster@customer.example>\nSubject: DELIVERY FAILURE: see below", words, group(r), s
    )


def courier(r: Refusal, s: str) -> bytes:
    words = f"This is a delivery status notification from mx.example.net,\nrunning the Courier mail server.\n\nUNDELIVERABLE MAIL\n\nYour message to the following recipients cannot be delivered:\n\n<{RECIPIENT}>:\n    mx.customer.example [192.0.2.2]:\n<<< {r.said}"
    return report(
        'From: "Courier mail server at mx.example.net" <@>\nSubject: NOTICE: mail delivery status.', words, group(r), s
    )


def powermta(r: Refusal, s: str) -> bytes:
    words = f"This message was created automatically by the mail delivery system.\n\nIt was not possible to deliver your message to one or more recipients.\n\n<{RECIPIENT}>: {r.said}"
    return report(
        "From: Mail Delivery System <mailer-daemon@mx.example.net>\nSubject: Delivery Status Notification (Failure)",
        words,
        group(r, more="X-PowerMTA-VirtualMTA: a\n"),
        s,
    )


def mdaemon(r: Refusal, s: str) -> bytes:
    return mail(
        "From: MDaemon at mx.example.net <MDaemon@mx.example.net>\nSubject: Permanent Delivery Failure",
        f"""\
The attached message had PERMANENT fatal delivery errors.

The following addresses did NOT receive a copy of your message:

> {RECIPIENT}

--- Session Transcript ---
 RCPT To:<{RECIPIENT}>
 {r.said}
 QUIT
--- End Transcript ---""",
    )


def interscan(r: Refusal, s: str) -> bytes:
    return mail(
        "From: postmaster@gate.example.net\nSubject: Mail delivery problem",
        f"****** Message from the mail gateway ******\n\nSent <<< RCPT TO:<{RECIPIENT}>\nReceived >>> {r.said}\n\nUnable to deliver message to <{RECIPIENT}>.",
    )


def sun(r: Refusal, s: str) -> bytes:
    words = f"This report relates to a message you sent with the following header fields:\n\n  Message-id: <7.1@mail.bank.example>\n  From: Bank <statements@bank.example>\n  Subject: {s}\n\nYour message cannot be delivered to the following recipients:\n\n  Recipient address: {RECIPIENT}\n  Reason: Remote SMTP server has rejected address\n  Diagnostic code: smtp;{r.said}"
    return report(
        "From: Internet Mail Delivery <postmaster@mx.example.net>\nSubject: Delivery Notification: Delivery has failed",
        words,
        group(r),
        s,
    )


def opensmtpd(r: Refusal, s: str) -> bytes:
    return mail(
        "From: Mailer Daemon <MAILER-DAEMON@mx.example.net>\nSubject: Delivery status notification: error",
        f"    Hi!\n\n    This is the MAILER-DAEMON, please DO NOT REPLY to this email.\n\n    An error has occurred while attempting to deliver a message for\n    the following list of recipients:\n\n{RECIPIENT}: {r.said}\n\n    Below is a copy of the original message:\n\n{ours(s)}",
    )


def dragonfly(r: Refusal, s: str) -> bytes:
    return mail(
        "From: MAILER-DAEMON <>\nSubject: Mail delivery failed",
        f"This is the DragonFly Mail Agent at mx.example.net.\n\nThere was an error delivering your mail to <{RECIPIENT}>.\n\nmx.customer.example [192.0.2.2] did not like our RCPT TO:\n{r.said}\n\nMessage headers follow.\n\n{ours(s)}",
    )


def james(r: Refusal, s: str) -> bytes:
    return mail(
        f"From: postmaster@mx.example.net\nSubject: {header('Re: ' + s)}",
        f"Error: the mail could not be delivered\n\nError message below:\n{r.said}\n\nMessage details:\n  Subject: {s}\n  RCPT TO: {RECIPIENT}",
    )


def russian_exim(r: Refusal, s: str) -> bytes:
    return mail(
        f"X-Failed-Recipients: {RECIPIENT}\nFrom: Mail Delivery System <mailer-daemon@mx.example.net>\nSubject: Mail failure.",
        f"Это письмо создано автоматически сервером, отвечать на него не нужно.\n\nК сожалению, Ваше письмо не может быть доставлено одному или нескольким получателям:\n\n{RECIPIENT}\n\nSMTP error from remote mail server after RCPT TO:\n{r.said}\n\n----- Original message -----\n{ours(s)}",
    )


def zoho(r: Refusal, s: str) -> bytes:
    return mail(
        f"From: mailer-daemon@mail.example.net\nSubject: {header('Undelivered Mail Returned to Sender')}",
        f"This message was created automatically by mail delivery software.\nA message that you sent could not be delivered to one or more of its recipients.\n\n{RECIPIENT}, ERROR CODE: {r.said}",
    )


def smartermail(r: Refusal, s: str) -> bytes:
    return mail(
        "From: System Administrator <postmaster@mx.example.net>\nSubject: Delivery Failure",
        f"Could not deliver message to the following recipient(s):\n\nFailed Recipient: {RECIPIENT}\nReason: Remote host said: {r.said}\n\n   -- The header and top 20 lines of the message follows --\n\n{ours(s)}",
    )


def gateway_wrapped(r: Refusal, s: str) -> bytes:
    """A gateway that checks the report, and sends it on within a message of its own."""
    inner = postfix(r, s).decode()
    return f"""\
From: postmaster@gate.example.net
Subject: Delivery Status Notification (Failure)
MIME-Version: 1.0
Content-Type: multipart/mixed; report-type=delivery-status; boundary="outer"

--outer
Content-Type: message/rfc822
Content-Disposition: attachment; filename=original.eml

{inner}
--outer
Content-Type: text/plain

This e-mail is confidential.
--outer--
""".encode()


def bare_group(r: Refusal, s: str) -> bytes:
    """Neither Action nor Status."""
    fields = f"Final-Recipient: rfc822; {RECIPIENT}\nDiagnostic-Code: smtp; {r.said}\n"
    return report("From: MAILER-DAEMON@mx.example.net\nSubject: Undelivered", "Delivery failed.", fields, s)


def supplementary(r: Refusal, s: str) -> bytes:
    fields = f"Final-Recipient: rfc822; {RECIPIENT}\nAction: failed\nStatus: 5.0.0\nX-Supplementary-Info: < #{r.status} smtp;{r.said}>\n"
    return report(
        "From: postmaster@customer.example\nSubject: Delivery Status Notification (Failure)",
        "Delivery to the following recipients failed.",
        fields,
        s,
    )


def vague_report(r: Refusal, s: str) -> bytes:
    """The fields say nothing, and the words for people do."""
    fields = f"Final-Recipient: rfc822; {RECIPIENT}\nAction: failed\nStatus: 5.0.0\n"
    words = f"The following message could not be delivered.\n\n<{RECIPIENT}>:\n    {r.said}"
    return report("From: MAILER-DAEMON@mx.example.net\nSubject: Returned mail", words, fields, s)


def vague_diagnostic(r: Refusal, s: str) -> bytes:
    vague = Refusal(r.hard, "5.0.0", "550 failed")
    words = f"Your message could not be delivered.\n\n<{RECIPIENT}>:\n    {r.said}"
    return report("From: postmaster@customer.example\nSubject: Undeliverable mail", words, group(vague), s)


def lost_boundary(r: Refusal, s: str) -> bytes:
    return postfix(r, s).replace(b'boundary="=_report"', b'boundary="=_another"')


def quoted_printable(r: Refusal, s: str) -> bytes:
    head, _, body = exim(r, s).partition(b"\n\n")
    return head + b"\nContent-Transfer-Encoding: quoted-printable\n\n" + quopri.encodestring(body)


def in_base64(r: Refusal, s: str) -> bytes:
    head, _, body = qmail(r, s).partition(b"\n\n")
    return head + b"\nContent-Transfer-Encoding: base64\n\n" + base64.encodebytes(body)


def crlf(r: Refusal, s: str) -> bytes:
    return sendmail(r, s).replace(b"\n", b"\r\n")


SHAPES: tuple[Callable[[Refusal, str], bytes], ...] = (
    *(
        postfix,
        sendmail,
        exim,
        qmail,
        exchange_plain,
        exchange,
        gmail,
        old_gmail,
        yahoo,
        cisco,
        domino,
        courier,
        powermta,
    ),
    *(
        mdaemon,
        interscan,
        sun,
        opensmtpd,
        dragonfly,
        james,
        russian_exim,
        zoho,
        smartermail,
        gateway_wrapped,
        bare_group,
    ),
    *(supplementary, vague_report, vague_diagnostic, lost_boundary, quoted_printable, in_base64, crlf),
)
