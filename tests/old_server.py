"""A stand-in for the delivery server that is to be replaced, and twenty mistakes that it makes on demand.

It takes jobs from the source's tables, sends their emails to nobody, and leaves what such a server leaves: statuses,
copies as .eml, and the log of its relay. Its templates are filled by code of its own, and its messages made by the
standard library, with other encodings, boundaries and tracking links than ours.
"""

import json
import os
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, formataddr
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.world import World

HOST = "old.bank.example"
SENDER = ("Bank", "statements@bank.example")
REPLY_TO = ("Service", "service@bank.example")
SUBJECT = "Statement for {{ name }}"
HTML = (
    '<html><body><p class="greeting" style="color: red; margin: 0">Dear {{ name }},</p>\n<p>Your balance is'
    ' {{ balance }} EUR &ndash; ask us.</p><a href="https://bank.example/login?a=1&amp;b=2">Log in</a></body></html>'
)
TEXT = "Dear {{ name }},\n\nyour balance is {{ balance }} EUR – ask us.\nhttps://bank.example/login\n"
TRACKED = "https://click.old.example/t?to="
SETTINGS = """
[[shadow.rules]]
name = "tracking"
field = "html"
pattern = 'https://click\\.old\\.example/t\\?to=([^"]*)'
to = '\\1'
unquote = true
"""
"""How its tracking links are told from what they lead to."""


@dataclass(frozen=True)
class OldEmail:
    """An email as it is about to send it."""

    key: int
    job: int
    recipient: str
    name: str
    values: Mapping[str, str]
    files: tuple[tuple[str, bytes], ...]
    sender: tuple[str, str] = SENDER
    reply_to: tuple[str, str] = REPLY_TO
    subject: str = SUBJECT
    html: str = HTML
    text: str = TEXT
    more_to: tuple[str, ...] = ()
    status: str = "sent"
    copies: int = 1
    logged: bool = True
    mangle: Callable[[str], str] = field(default=str)


def _mojibake(text: str) -> str:
    return text.encode("utf-8").decode("latin-1")


def _files(email: OldEmail, change: Callable[[str, bytes], tuple[str, bytes]]) -> OldEmail:
    return replace(email, files=tuple(change(*one) for one in email.files))


@dataclass(frozen=True)
class OldFault:
    """A mistake. `field` is where the comparison finds it, and `verdict` what it says."""

    name: str
    field: str
    make: Callable[[OldEmail], OldEmail]
    verdict: str = "differs"


FAULTS: tuple[OldFault, ...] = (
    OldFault("wrong attachment", "attachment_hash", lambda e: _files(e, lambda n, _: (n, b"another one's statement"))),
    OldFault(
        "swapped attachments of two recipients",
        "attachment_hash",
        lambda e: _files(e, lambda _n, _c: (f"statement-{e.key + 1}.pdf", pdf(e.key + 1))),
    ),
    OldFault("missing attachment", "attachment", lambda e: replace(e, files=())),
    OldFault("empty variable", "text", lambda e: replace(e, values={**e.values, "balance": ""})),
    OldFault("wrong encoding", "text", lambda e: replace(e, text=_mojibake(e.text))),
    OldFault("missing suppression", "status", lambda e: e, "only_old"),
    OldFault("sent twice", "copy", lambda e: replace(e, copies=2)),
    OldFault("never sent", "status", lambda e: replace(e, status="pending", copies=0, logged=False), "only_new"),
    OldFault("sent and not in the relay's log", "status", lambda e: replace(e, logged=False)),
    OldFault("wrong subject", "subject", lambda e: replace(e, subject="Invoice for {{ name }}")),
    OldFault("wrong sender", "sender", lambda e: replace(e, sender=("Bank", "no-reply@bank.example"))),
    OldFault("wrong reply-to", "reply_to", lambda e: replace(e, reply_to=("Sales", "sales@bank.example"))),
    OldFault("html differs", "html", lambda e: replace(e, html=e.html.replace("Log in", "Sign in"))),
    OldFault("text differs", "text", lambda e: replace(e, text=e.text.replace("ask us", "call us"))),
    OldFault(
        "figure of another locale",
        "text",
        lambda e: replace(e, values={**e.values, "balance": e.values["balance"].replace(",", ".")}),
    ),
    OldFault("truncated PDF", "attachment_hash", lambda e: _files(e, lambda n, c: (n, c[:-7]))),
    OldFault("renamed file", "attachment_name", lambda e: _files(e, lambda _, c: ("document.pdf", c))),
    OldFault("extra recipient", "recipient", lambda e: replace(e, more_to=("archive@bank.example",))),
    OldFault("wrong charset in a name", "recipient_name", lambda e: replace(e, name=_mojibake(e.name))),
    OldFault(
        "failed there, and can be sent",
        "status",
        lambda e: replace(e, status="failed", copies=0, logged=False),
        "only_new",
    ),
)
"""What issue 19 names."""


def pdf(key: int) -> bytes:
    """The statement of one customer."""
    return b"%PDF-1.4\n" + f"statement of customer {key}\n".encode() * 40 + b"%%EOF\n"


class OldServer:
    """The server. `faults` are by the key of an email. `before` is called before each email, and may raise."""

    def __init__(
        self, world: World, files: Path, copies: Path, log: Path, before: Callable[[int], None] = lambda _: None
    ) -> None:
        self.world = world
        self.faults: dict[int, OldFault] = {}
        self._files = files
        self._copies = copies
        self._log = log
        self.before = before
        self._thread: threading.Thread | None = None
        copies.mkdir(exist_ok=True)

    def prepare(self, count: int, job: int = 1, status: str = "preparing", filler: int = 0) -> list[int]:
        """A job with an email and a statement for each of `count` customers, each longer by `filler` bytes."""
        first, keys = job * 1_000_000, range(job * 1_000_000, job * 1_000_000 + count)
        columns = {
            "id": job, "name": f"statements {job}", "status": status, "sender": formataddr(SENDER),
            "reply_to": formataddr(REPLY_TO), "subject": SUBJECT, "html_template": HTML, "text_template": TEXT,
        }  # fmt: skip
        names = ", ".join(columns)
        self.world.execute(
            f"INSERT INTO delivery_job ({names}) VALUES ({', '.join(':' + n for n in columns)})", **columns
        )
        for key in keys:
            (self._files / f"statement-{key}.pdf").write_bytes(pdf(key) + os.urandom(filler))
        self._insert(
            "INSERT INTO delivery_email (id, job_id, recipient, recipient_name, variables, status)"
            " VALUES (:id, :job, :recipient, :name, :variables, 'pending')",
            [
                {
                    "id": key, "job": job, "recipient": f"c{key}@example.com", "name": f"Jürgen Großmann {key - first}",
                    "variables": json.dumps({"name": f"Großmann {key - first}", "balance": f"{key % 1000},50"}),
                }
                for key in keys
            ],
        )  # fmt: skip
        self._insert(
            "INSERT INTO delivery_attachment (job_id, email_id, location) VALUES (:job, :id, :location)",
            [{"job": job, "id": key, "location": f"statement-{key}.pdf"} for key in keys],
        )
        return list(keys)

    def _insert(self, statement: str, rows: list[dict[str, Any]]) -> None:
        from sqlalchemy import text

        for begin in range(0, len(rows), 1000):
            self.world.database.run(lambda c, some=rows[begin : begin + 1000]: c.execute(text(statement), some))

    def take(self, job: int) -> None:
        """Take a job: what the comparison may see, before any email is sent."""
        self.world.execute("UPDATE delivery_job SET status = 'processing' WHERE id = :id", id=job)

    def run(self, job: int) -> None:
        """Send all emails of a job that are pending, and end it."""
        self.take(job)
        for row in self.world.execute(
            "SELECT id, recipient, recipient_name, variables FROM delivery_email"
            " WHERE job_id = :job AND status = 'pending' ORDER BY id",
            job=job,
        ):
            self.before(row[0])
            self._send(self._email(job, *row))
        self.world.execute("UPDATE delivery_job SET status = 'finished' WHERE id = :id", id=job)

    def begin(self, job: int) -> None:
        """The same by the side."""
        self._thread = threading.Thread(target=self.run, args=(job,), daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Wait until it has ended."""
        if self._thread is not None:
            self._thread.join(600)
            assert not self._thread.is_alive()

    def _email(self, job: int, key: int, recipient: str, name: str, variables: Any) -> OldEmail:
        values = json.loads(variables) if isinstance(variables, str | bytes) else variables
        files = ((f"statement-{key}.pdf", (self._files / f"statement-{key}.pdf").read_bytes()),)
        email = OldEmail(key, job, recipient, name, {k: str(v) for k, v in values.items()}, files)
        fault = self.faults.get(key)
        return email if fault is None else fault.make(email)

    def _send(self, email: OldEmail) -> None:
        message_id = f"{email.key}.7@{HOST}"
        for number in range(email.copies):
            name = f"{email.key}.eml" if not number else f"again/{email.key}.eml"
            path = self._copies / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(message(email, message_id))
        if email.logged:
            self.log(email, message_id)
        self.world.execute(
            "UPDATE delivery_email SET status = :status, message_id = :message_id, attempts = 1 WHERE id = :id",
            status=email.status,
            message_id=f"<{message_id}>" if email.status == "sent" else None,
            id=email.key,
        )

    def log(self, email: OldEmail, message_id: str) -> None:
        """What its relay, a Postfix, says of an email."""
        queue, at = f"{email.key:012X}", datetime.now(UTC).isoformat(timespec="seconds")
        sent = "delays=0/0/0/0, dsn=2.0.0, status=sent (250 2.0.0 Ok)"
        lines = [
            f"{at} relay postfix/cleanup[7]: {queue}: message-id=<{message_id}>",
            f"{at} relay postfix/qmgr[8]: {queue}: from=<{email.sender[1]}>, size=3000, nrcpt=1 (queue active)",
            *(
                f"{at} relay postfix/smtp[9]: {queue}: to=<{to}>, relay=mx.example.com[192.0.2.1]:25, {sent}"
                for to in (email.recipient, *email.more_to)
            ),
            f"{at} relay postfix/qmgr[8]: {queue}: removed",
        ]
        with self._log.open("a") as file:
            file.write("\n".join(lines) + "\n")


def message(email: OldEmail, message_id: str) -> bytes:
    """The message as it makes it."""
    made = EmailMessage(policy=SMTP)
    made["Received"] = f"from app.{HOST} by mail.{HOST} with ESMTP id 7; Tue, 1 Dec 2026 02:00:00 +0000"
    made["From"] = formataddr(email.sender)
    made["To"] = ", ".join([formataddr((email.name, email.recipient)), *email.more_to])
    made["Reply-To"] = formataddr(email.reply_to)
    made["Subject"] = filled(email.subject, email.values)
    made["Date"] = format_datetime(datetime.now(UTC))
    made["Message-ID"] = f"<{message_id}>"
    made["X-Mailer"] = "Old Server 4.2"
    made.set_content(filled(email.text, email.values), cte="quoted-printable")
    html = filled(email.html, email.values).replace("\n", " ").replace("&ndash;", "–")
    html = html.replace(
        'class="greeting" style="color: red; margin: 0"', 'style="color:red;margin:0;" class="greeting"'
    )
    html = re.sub(r'href="([^"]*)"', lambda found: f'href="{TRACKED}{quote(found[1], safe="")}"', html)
    made.add_alternative(html, subtype="html", cte="base64")
    for name, content in email.files:
        made.add_attachment(content, maintype="application", subtype="pdf", filename=name)
    return made.as_bytes()


def filled(template: str, values: Mapping[str, str]) -> str:
    """A template with its values, which is all that this server can."""
    return re.sub(r"\{\{ (\w+) \}\}", lambda found: values[found[1]], template)
