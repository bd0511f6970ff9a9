"""The ceiling is postfix's smtp-source, which does nothing but send one and the same message again and again."""

import os
import subprocess
import time
from pathlib import Path

from benchmarks.arena import Arena
from benchmarks.measure import Run, busy_seconds, cpu_seconds, peak_rss_mb, stolen_seconds
from benchmarks.peers.sender import build, letter
from benchmarks.work import HTML, SUBJECT, TEXT, Work, email_row, location, write_files

_POLL_SECONDS = 0.02
SESSIONS = 32
"""As many connections as our 2 processes with 16 threads have; each is kept."""


def ceiling(part: str, arena: Arena, work: Work) -> Run | None:
    """As many messages of the same size into the same mail server. None where there is no smtp-source."""
    if arena.postfix is None:
        return None
    size = message_bytes(arena.directory / f"files-{work.attachment_bytes}", work)
    taken_before = arena.sink.taken
    command = [arena.postfix.source, "-d", "-s", str(SESSIONS), "-m", str(work.emails), "-l", str(size)]
    command += ["-f", "statements@bank.example", "-t", "customer@example.com", f"127.0.0.1:{arena.sink.port}"]
    begun = busy_seconds() - cpu_seconds(arena.sink.pid)
    stolen = stolen_seconds()
    started = time.monotonic()
    process = subprocess.Popen(command, env=arena.postfix.environ, stdin=subprocess.DEVNULL)
    memory: dict[str, float] = {}
    ended, status, usage = os.wait4(process.pid, os.WNOHANG)
    while not ended:
        time.sleep(_POLL_SECONDS)
        memory = peak_rss_mb(process.pid, {}) or memory  # the kernel's ru_maxrss would be ours, from before the exec
        ended, status, usage = os.wait4(process.pid, os.WNOHANG)
    seconds = time.monotonic() - started
    own = usage.ru_utime + usage.ru_stime
    others = busy_seconds() - cpu_seconds(arena.sink.pid) - begun - own
    process.returncode = os.waitstatus_to_exitcode(status)
    taken = arena.sink.taken - taken_before
    if process.returncode != 0 or taken != work.emails:
        raise RuntimeError(f"smtp-source: exit code {process.returncode}, {taken} of {work.emails} messages arrived")
    return Run(
        part=part,
        system="smtp-source",
        emails=work.emails,
        attachment_bytes=work.attachment_bytes,
        transport="smtp",
        seconds=round(seconds, 2),
        emails_per_s=round(work.emails / seconds, 1),
        cpu_ms_per_email=round(own * 1000 / work.emails, 3),
        peak_rss_mb=sum(memory.values()),
        rates=[round(work.emails / seconds, 1)],
        others_cores=round(others / seconds, 2),
        stolen_cores=round((stolen_seconds() - stolen) / seconds, 2),
        settings={"sessions": SESSIONS, "message_bytes": size},
    )


def message_bytes(files: Path, work: Work) -> int:
    """The size of one of the messages that the others send."""
    write_files(files, Work(1, work.attachment_bytes, work.shared))
    _, _, recipient, _, variables = email_row(1, 0)
    attached = [{"location": location(0), "filename": "Statement-0.pdf", "content_type": "application/pdf"}]
    email = {"recipient": recipient, "variables": variables}
    compiled = letter("Example Savings Bank <statements@bank.example>", SUBJECT, TEXT, HTML)
    return len(build(compiled, email, attached if work.attachment_bytes else [], files).as_bytes())
