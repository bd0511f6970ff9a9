"""The work on one email, the same for every peer, which is read, render, attach, send and write back."""

import json
import smtplib
from collections.abc import Callable
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import make_msgid
from functools import cache
from pathlib import Path
from typing import Any

import pymysql
from jinja2 import Environment, Template
from pymysql.cursors import DictCursor

from benchmarks.peers.place import Place

_PLAIN = Environment(keep_trailing_newline=True)
_MARKUP = Environment(keep_trailing_newline=True, autoescape=True)


@dataclass(frozen=True)
class Letter:
    """A job's templates, compiled."""

    sender: str
    subject: Template
    text: Template
    html: Template


class Sender:
    """One thread's or process's connections, made when they are first needed."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._database: pymysql.Connection[Any] | None = None
        self._smtp: smtplib.SMTP | None = None
        self._letter: Callable[[int], Letter] = cache(self._read_letter)

    def pending(self, job_id: int) -> list[int]:
        """The job's emails that are to be sent."""
        rows = self._query("SELECT id FROM delivery_email WHERE job_id = %s AND status = 'pending' ORDER BY id", job_id)
        return [row["id"] for row in rows]

    def deliver(self, email_id: int) -> None:
        """One email from its row to its status. What was sent already is not sent again."""
        (email,) = self._query("SELECT * FROM delivery_email WHERE id = %s", email_id)
        if email["status"] != "pending":
            return
        files = self._query(
            "SELECT location, filename, content_type FROM delivery_attachment WHERE email_id = %s", email_id
        )
        message = build(self._letter(email["job_id"]), email, files, Path(self._place.attachments))
        self._send(message)
        self._query(
            "UPDATE delivery_email SET status = 'sent', attempts = attempts + 1, message_id = %s, sent_at = NOW(6)"
            " WHERE id = %s",
            message["Message-ID"],
            email_id,
        )

    def close(self) -> None:
        """Say goodbye."""
        if self._smtp is not None:
            self._smtp.quit()
        if self._database is not None:
            self._database.close()

    def _send(self, message: EmailMessage) -> None:
        if self._smtp is None:
            self._smtp = smtplib.SMTP("127.0.0.1", self._place.smtp_port, local_hostname="localhost", timeout=60)
        try:
            self._smtp.send_message(message)
        except smtplib.SMTPServerDisconnected:
            self._smtp.connect("127.0.0.1", self._place.smtp_port)
            self._smtp.send_message(message)

    def _query(self, statement: str, *values: object) -> list[dict[str, Any]]:
        if self._database is None:
            self._database = pymysql.connect(**self._place.database, autocommit=True, cursorclass=DictCursor)
        with self._database.cursor() as cursor:
            cursor.execute(statement, values)
            return list(cursor.fetchall())

    def _read_letter(self, job_id: int) -> Letter:
        (job,) = self._query("SELECT * FROM delivery_job WHERE id = %s", job_id)
        return letter(job["sender"], job["subject"], job["text_template"], job["html_template"])


def letter(sender: str, subject: str, text: str, html: str) -> Letter:
    """Compile."""
    return Letter(sender, _PLAIN.from_string(subject), _PLAIN.from_string(text), _MARKUP.from_string(html))


def build(letter: Letter, email: dict[str, Any], files: list[dict[str, Any]], root: Path) -> EmailMessage:
    """The message, as the standard library's documentation shows it."""
    values = json.loads(email["variables"])
    message = EmailMessage()
    message["From"] = letter.sender
    message["To"] = email["recipient"]
    message["Subject"] = letter.subject.render(values)
    message["Message-ID"] = make_msgid(domain="mail.example.com")
    message.set_content(letter.text.render(values))
    message.add_alternative(letter.html.render(values), subtype="html")
    for file in files:
        main, _, sub = file["content_type"].partition("/")
        content = (root / file["location"]).read_bytes()
        message.add_attachment(content, maintype=main, subtype=sub, filename=file["filename"])
    return message
