"""Dramatiq over SQS, with an actor's message an email, acknowledged when it is done. Each thread keeps its connections.

`python -m dramatiq benchmarks.peers.dramatiq_app` works, and `python -m benchmarks.peers.dramatiq_app` publishes.
"""

import threading
from typing import Any

import dramatiq
from dramatiq_sqs import SQSBroker

from benchmarks.peers.place import place, tell_ready
from benchmarks.peers.publishing import obey
from benchmarks.peers.sender import Sender

_here = place()
_own = threading.local()


class _Told(dramatiq.Middleware):
    """Notifies the benchmark when a worker process is up."""

    def after_worker_boot(self, broker: dramatiq.Broker, worker: Any) -> None:
        tell_ready("worker")


dramatiq.set_broker(
    SQSBroker(
        endpoint_url=_here.queue_endpoint,
        region_name=_here.region,
        aws_access_key_id=_here.access_key_id,
        aws_secret_access_key=_here.secret_access_key,
    )
)
dramatiq.get_broker().add_middleware(_Told())


@dramatiq.actor(queue_name=_here.queue_name)
def send_email(email_id: int) -> None:
    """One email, in whichever of the threads is free."""
    if not hasattr(_own, "sender"):
        _own.sender = Sender(_here)
    _own.sender.deliver(email_id)


def publish(job_id: int) -> None:
    """A message for each email of the job."""
    reader = Sender(_here)
    for email_id in reader.pending(job_id):
        send_email.send(email_id)
    reader.close()


if __name__ == "__main__":
    obey(publish)
