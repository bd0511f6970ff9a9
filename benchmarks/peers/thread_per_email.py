"""`python -m benchmarks.peers.thread_per_email`: as the old server does it. A thread an email, each with connections of
its own to the database and to the mail server. The number of threads at a time is limited. There is no queue."""

import threading

from benchmarks.peers.place import Place, place
from benchmarks.peers.publishing import obey
from benchmarks.peers.sender import Sender

THREADS_AT_ONCE = 50


def main() -> None:
    here = place()
    obey(lambda job_id: send_all(here, job_id))


def send_all(here: Place, job_id: int) -> None:
    """Every email of a job."""
    reader = Sender(here)
    slots = threading.BoundedSemaphore(THREADS_AT_ONCE)
    for email_id in reader.pending(job_id):
        slots.acquire()
        threading.Thread(target=_send_one, args=(here, email_id, slots)).start()
    reader.close()


def _send_one(here: Place, email_id: int, slots: threading.BoundedSemaphore) -> None:
    try:
        sender = Sender(here)
        sender.deliver(email_id)
        sender.close()
    finally:
        slots.release()


if __name__ == "__main__":
    main()
