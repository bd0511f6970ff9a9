"""What is sent, which is the source's rows, the templates, and a PDF file for each email. The same for every system."""

import json
import os
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymysql
from sqlalchemy import make_url

KB = 1024
STATEMENT_BYTES = 60 * KB
JOB_KEYS = 10_000_000
"""Emails of job 1 are numbered from here on, of job 2 from twice as much."""
DISTINCT_FILES = 500
"""So many different contents. Each email has a path of its own; beyond so many they are hard links to these."""
ROWS_AT_ONCE = 2_000
_FOLDER = 1_000

SUBJECT = "Your statement for {{ month }}, {{ name }}"
_LINES = "{% for line in lines %}{{ line.date }}  {{ line.text }}  {{ line.amount }}\n{% endfor %}"
TEXT = f"""Dear {{{{ name }}}},

attached is the statement of your account {{{{ account }}}} for {{{{ month }}}}. The last entries:

{_LINES}
Your balance is {{{{ balance }}}}.

Example Savings Bank
"""
_STYLE = "font-family: Arial, sans-serif; font-size: 14px; color: #222222; line-height: 1.5"
HTML = f"""<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>Your statement for {{{{ month }}}}</title></head>
<body style="{_STYLE}; background: #f4f4f4; margin: 0; padding: 24px">
<table role="presentation" width="600" align="center" style="background: #ffffff; border: 1px solid #dddddd">
<tr><td style="{_STYLE}; padding: 24px">
<h1 style="font-size: 20px; margin: 0 0 16px 0">Example Savings Bank</h1>
<p>Dear {{{{ name }}}},</p>
<p>attached is the statement of your account <strong>{{{{ account }}}}</strong> for {{{{ month }}}}.
{{% if overdrawn %}}Please note that your account is overdrawn.{{% endif %}} The last entries:</p>
<table width="100%" style="border-collapse: collapse">
{{% for line in lines %}}<tr>
<td style="{_STYLE}; border-bottom: 1px solid #eeeeee">{{{{ line.date }}}}</td>
<td style="{_STYLE}; border-bottom: 1px solid #eeeeee">{{{{ line.text }}}}</td>
<td style="{_STYLE}; border-bottom: 1px solid #eeeeee; text-align: right">{{{{ line.amount }}}}</td>
</tr>{{% endfor %}}
</table>
<p>Your balance is <strong>{{{{ balance }}}}</strong>.</p>
<p style="font-size: 12px; color: #777777">You get this message because you chose statements by email. It was made by
a machine: please don't answer it. Example Savings Bank, 1 Example Street, Example Town.</p>
</td></tr>
</table>
</body>
</html>
"""
_TEXTS = ("Salary", "Rent", "Groceries", "Electricity", "Card payment", "Transfer", "Insurance", "Cash withdrawal")


@dataclass(frozen=True)
class Work:
    """A job of `emails` emails, each with a PDF of this many bytes (none with 0), or all with one and the same."""

    emails: int
    attachment_bytes: int = STATEMENT_BYTES
    shared: bool = False


def fill(url: str, work: Work, job_id: int = 1) -> None:
    """The job's rows, all but its readiness. Its status is `created`, and `release` makes it ready."""
    with _connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO delivery_job (id, name, status, sender, subject, html_template, text_template)"
            " VALUES (%s, %s, 'created', 'Example Savings Bank <statements@bank.example>', %s, %s, %s)",
            (job_id, f"job {job_id}", SUBJECT, HTML, TEXT),
        )
        for numbers in _slices(work.emails):
            cursor.executemany(
                "INSERT INTO delivery_email (id, job_id, recipient, recipient_name, variables)"
                " VALUES (%s, %s, %s, %s, %s)",
                [email_row(job_id, n) for n in numbers],
            )
            connection.commit()
        _attach(connection, work, job_id)


def release(url: str, job_id: int = 1) -> None:
    """Say that the job is ready, as the delivery server does."""
    with _connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("UPDATE delivery_job SET status = 'processing' WHERE id = %s", (job_id,))
        connection.commit()


def unsent(url: str, job_id: int = 1) -> bool:
    """Whether any email of the job has another status than `sent`."""
    with _connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM delivery_email WHERE job_id = %s AND status <> 'sent' LIMIT 1", (job_id,))
        return cursor.fetchone() is not None


def location(number: int) -> str:
    """The path of the email's own file below the directory that `write_files` fills."""
    return f"{number // _FOLDER:03}/{number}.pdf"


SHARED_FILE = "terms.pdf"


def write_files(directory: Path, work: Work) -> None:
    """The files of a job, those that are there already left as they are. The same bytes every time."""
    if not work.attachment_bytes:
        return
    directory.mkdir(parents=True, exist_ok=True)
    if work.shared:
        _write(directory / SHARED_FILE, work.attachment_bytes, seed=0)
        return
    for number in range(work.emails):
        path = directory / location(number)
        if path.exists():
            continue
        path.parent.mkdir(exist_ok=True)
        if number < DISTINCT_FILES:
            _write(path, work.attachment_bytes, seed=number)
        else:
            os.link(directory / location(number % DISTINCT_FILES), path)


def _write(path: Path, size: int, seed: int) -> None:
    """As a PDF is for those who only carry it, bytes that don't compress. It is never opened here."""
    head, tail = b"%PDF-1.4\n", b"\n%%EOF\n"
    path.write_bytes(head + random.Random(seed).randbytes(size - len(head) - len(tail)) + tail)


def email_row(job_id: int, number: int) -> tuple[Any, ...]:
    """Key, job, recipient, name and variables of one email."""
    figures = random.Random(number)
    name = f"Zoë Müller-{number}" if number % 5 == 0 else f"Customer {number}"
    lines = [
        {
            "date": f"2025-12-{day:02}",
            "text": figures.choice(_TEXTS),
            "amount": f"{figures.randint(-40_000, 60_000) / 100:,.2f} EUR",
        }
        for day in sorted(figures.sample(range(1, 32), 5))
    ]
    variables = {
        "name": name,
        "account": f"{figures.randint(10**9, 10**10 - 1)}",
        "month": "December 2025",
        "overdrawn": number % 17 == 0,
        "balance": f"{figures.randint(10_000, 900_000) / 100:,.2f} EUR",
        "lines": lines,
    }
    recipient = f"customer{number}@example.com"
    return job_id * JOB_KEYS + number, job_id, recipient, name, json.dumps(variables, ensure_ascii=False)


def _attach(connection: "pymysql.Connection[Any]", work: Work, job_id: int) -> None:
    if not work.attachment_bytes:
        return
    statement = (
        "INSERT INTO delivery_attachment (job_id, email_id, location, filename, content_type)"
        " VALUES (%s, %s, %s, %s, 'application/pdf')"
    )
    with connection.cursor() as cursor:
        if work.shared:
            cursor.execute(statement, (job_id, None, SHARED_FILE, "Terms.pdf"))
        else:
            for numbers in _slices(work.emails):
                cursor.executemany(
                    statement, [(job_id, job_id * JOB_KEYS + n, location(n), f"Statement-{n}.pdf") for n in numbers]
                )
                connection.commit()
    connection.commit()


def _slices(count: int) -> Iterator[Sequence[int]]:
    for start in range(0, count, ROWS_AT_ONCE):
        yield range(start, min(count, start + ROWS_AT_ONCE))


def database_arguments(url: str) -> dict[str, Any]:
    """For `pymysql.connect`."""
    parts = make_url(url)
    return {
        "host": parts.host,
        "port": parts.port,
        "user": parts.username,
        "password": parts.password,
        "database": parts.database,
        "charset": "utf8mb4",
    }


def _connect(url: str) -> "pymysql.Connection[Any]":
    return pymysql.connect(**database_arguments(url))
