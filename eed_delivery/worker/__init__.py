"""The worker process: threads that receive, claim, deliver and ack; their breaker, pace, keeper and heartbeat."""

from eed_delivery.worker.process import Worker, WorkerParts

__all__ = ["Worker", "WorkerParts"]
