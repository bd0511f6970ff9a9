"""Which email each thread of a worker renders at this moment, where the supervisor can read it.

A template, or the parser of its HTML, may keep a worker busy indefinitely, and with Python's global lock all of its
threads. Then nothing within the process can say which email it is. So each thread notes it before, in memory that the
supervisor shares. What counts is the CPU time of that thread. One that waits for a disk, or is frozen, is not stuck.
"""

import ctypes
import os
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.context import BaseContext
from pathlib import Path

from eed_delivery.model import Email

THREADS = 256
"""As many as worker.threads may be."""
_SLOT = struct.Struct("<qqqqq")  # email_id (0: none), gen, token, job_id, thread
_NONE = struct.pack("<q", 0)
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class StuckRender:
    """An email that was being rendered when its worker had to be replaced.

    `of_job` is its number among such renders of its job, from 1 on.
    """

    email_id: int
    gen: int
    token: int
    job_id: int
    seconds: float
    of_job: int = 1


@dataclass(frozen=True, slots=True)
class DiedRender:
    """An email that was being rendered when its worker died. The render need not be why: kill -9 hits any email."""

    email_id: int
    job_id: int


class RenderNotes:
    """The notes of one process. It is handed to the process when it is started.

    The supervisor reads the thread's CPU time when it first sees a note. The thread does not write it down itself,
    because to ask for it may end the thread's turn on a busy machine, once for each email.
    """

    def __init__(self, context: BaseContext) -> None:
        self._memory = context.RawArray(ctypes.c_char, THREADS * _SLOT.size)
        self._seen: dict[int, tuple[bytes, float]] = {}  # with its thread's CPU seconds at the first look

    @contextmanager
    def of(self, slot: int, email: Email) -> Iterator[None]:
        """Note that the thread of this slot renders `email`, until the end of the block."""
        at = slot * _SLOT.size
        note = (email.gen, email.token, email.job_id, threading.get_native_id())
        # The id last: a note that is read half-written is the last email's, which is over.
        struct.pack_into("<qqqq", self._memory, at + len(_NONE), *note)
        struct.pack_into("<q", self._memory, at, email.email_id)
        try:
            yield
        finally:
            struct.pack_into("<q", self._memory, at, 0)

    def left(self) -> list[DiedRender]:
        """The emails that are being rendered. Of a process that has died, those that it left unfinished."""
        found = []
        for email_id, _, _, job_id, _ in _SLOT.iter_unpack(bytes(self._memory)):
            if email_id:
                found.append(DiedRender(email_id, job_id))
        return found

    def stuck(self, pid: int | None, seconds: float) -> StuckRender | None:
        """A render that has used more than this many CPU seconds since the first look at it. Asked by the supervisor,
        twice a second."""
        memory = bytes(self._memory)
        before, self._seen = self._seen, {}
        for at in range(0, len(memory), _SLOT.size):
            note = memory[at : at + _SLOT.size]
            if note.startswith(_NONE):
                continue
            email_id, gen, token, job_id, thread = _SLOT.unpack(note)
            used = cpu_seconds(pid, thread)
            known, began = before.get(at, (b"", 0.0))
            if known != note:
                began = used
            if used:  # else it could not be read, and would count from 0 later
                self._seen[at] = (note, began)
            if used - began > seconds:
                return StuckRender(email_id, gen, token, job_id, used - began)
        return None


def cpu_seconds(pid: int | None, thread: int) -> float:
    """Of a thread of another process. It is utime and stime of proc_pid_stat(5). 0 where there is no /proc."""
    try:
        stat = Path(f"/proc/{pid}/task/{thread}/stat").read_text()
    except OSError:
        return 0.0
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS
