"""Celery over SQS, with a task an email, acknowledged when it is done. Each of its processes keeps its connections.

`python -m celery -A benchmarks.peers.celery_app worker` works, and `python -m benchmarks.peers.celery_app` publishes.
"""

from functools import cache
from typing import Any

from celery import Celery
from celery.signals import worker_ready

from benchmarks.peers.place import place, tell_ready
from benchmarks.peers.publishing import obey
from benchmarks.peers.sender import Sender

_here = place()
app = Celery(
    "benchmark",
    broker=f"sqs://{_here.access_key_id}:{_here.secret_access_key}@{_here.queue_endpoint.removeprefix('http://')}",
)
app.conf.update(
    broker_transport_options={
        "region": _here.region,
        "is_secure": False,
        "visibility_timeout": 3600,
        "wait_time_seconds": 20,
        # With kombu's own second between two looks, and four messages a process, 16 emails a second are all it sends.
        "polling_interval": 0.02,
        "predefined_queues": {
            _here.queue_name: {
                "url": _here.queue_url,
                "access_key_id": _here.access_key_id,
                "secret_access_key": _here.secret_access_key,
            }
        },
    },
    task_default_queue=_here.queue_name,
    task_acks_late=True,
    worker_prefetch_multiplier=10,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    worker_enable_remote_control=False,
    worker_send_task_events=False,
    broker_connection_retry_on_startup=True,
)


@cache
def _sender() -> Sender:
    return Sender(_here)


@app.task(name="send_email")
def send_email(email_id: int) -> None:
    """One email, in whichever of the pool's processes is free."""
    _sender().deliver(email_id)


@worker_ready.connect
def _ready(**_: Any) -> None:
    tell_ready("worker")


def publish(job_id: int) -> None:
    """A message for each email of the job."""
    for email_id in _sender().pending(job_id):
        send_email.delay(email_id)


if __name__ == "__main__":
    obey(publish)
