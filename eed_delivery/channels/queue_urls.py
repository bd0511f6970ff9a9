"""The URLs of a channel's queues: as they are given, or as they follow from [queue] and the channel's name."""

from dataclasses import dataclass

from eed_delivery.config.channels import ChannelQueue
from eed_delivery.errors import ConfigError, Problem

DEAD = "-dead"
"""What follows the name of a queue in that of its dead-letter queue."""
LONGEST_NAME = 80
"""https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-queues.html"""


@dataclass(frozen=True, slots=True)
class QueueUrls:
    """A queue and its dead-letter queue. With `create`, the service makes those that are not there."""

    url: str
    dead_letter_url: str | None = None
    create: bool = False


def queue_urls(channel: str, given: ChannelQueue, default_url: str) -> QueueUrls:
    """The URLs of a channel's queues. `default_url` is that of [queue]: made queues are in its region and account.

    Every host has the same names, without asking anyone. Raises `ConfigError` for a name that SQS refuses.
    """
    if given.url is not None:
        return QueueUrls(given.url, given.dead_letter_url)
    url = f"{default_url.rstrip('/')}-{channel}"
    name = queue_name(f"{url}{DEAD}")
    if len(name) > LONGEST_NAME:
        what = f"the name {name} is longer than the {LONGEST_NAME} characters that SQS allows"
        raise ConfigError([Problem(f"channel.{channel}.queue", what, "Make the queues yourself, and give their URLs.")])
    return QueueUrls(url, f"{url}{DEAD}", create=True)


def queue_name(url: str) -> str:
    """The name of the queue that a URL leads to."""
    return url.rstrip("/").rpartition("/")[2]
