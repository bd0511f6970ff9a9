"""What CPU is worth on this machine, now, by the same email built as the peers build it, with the standard library
alone.

A millisecond of CPU is not the same on two machines, nor on a virtual one at two times of the day. How many of these a
system needs for an email is.
"""

import time

from benchmarks.arena import Arena
from benchmarks.measure import Run
from benchmarks.peers.sender import build, letter
from benchmarks.work import HTML, SUBJECT, TEXT, Work, email_row, location, write_files

EMAILS = 200


def yardstick(arena: Arena, attachment_bytes: int) -> Run:
    """CPU of one thread to build a message with `email.message.EmailMessage`, and to turn it into bytes."""
    work = Work(EMAILS, attachment_bytes)
    files = arena.directory / f"files-{attachment_bytes}"
    write_files(files, work)
    compiled = letter("Example Savings Bank <statements@bank.example>", SUBJECT, TEXT, HTML)
    rows = [email_row(1, n) for n in range(EMAILS)]
    begun = time.thread_time()
    for number, (_, _, recipient, _, variables) in enumerate(rows):
        attached = [{"location": location(number), "filename": "Statement.pdf", "content_type": "application/pdf"}]
        email = {"recipient": recipient, "variables": variables}
        build(compiled, email, attached if attachment_bytes else [], files).as_bytes()
    cpu = time.thread_time() - begun
    return Run(
        part="yardstick",
        system="EmailMessage",
        emails=EMAILS,
        attachment_bytes=attachment_bytes,
        transport="none",
        cpu_ms_per_email=round(cpu * 1000 / EMAILS, 3),
    )
