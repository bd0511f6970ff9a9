"""The queue of messages, its dead letters, and the queue of SES's events."""

import json
from collections.abc import Iterator

from eed_delivery.channels.channel import Channel
from eed_delivery.checks.findings import Finding
from eed_delivery.config.lambda_checks import VISIBILITY_FACTOR
from eed_delivery.operations.checking.parts import CheckedParts
from eed_delivery.queue import Queue

SHORT_RETENTION_SECONDS = 4 * 86_400  # SQS's default; a queue that is paused over a long weekend outlives it


def queue(parts: CheckedParts, channel: Channel | None = None) -> Iterator[Finding]:
    """Whether a channel's queue answers, its redrive policy, and its times. None: that of [queue]."""
    settings, where = parts.settings, place(channel)
    found = parts.queue(channel=channel)
    facts = found.attributes()
    waiting = facts.get("ApproximateNumberOfMessages", "0")
    yield Finding("ok", where, f"it answers, and about {waiting} messages wait")
    yield from _redrive(parts, facts, found, where)
    visibility = settings.queue.visibility_timeout_seconds
    if facts.get("VisibilityTimeout") != str(visibility):
        what = (
            f"its own visibility timeout is {facts.get('VisibilityTimeout')} s, and the service asks for {visibility}"
        )
        yield Finding("ok", where, what)
    yield from _long_enough_for_a_function(parts, int(facts.get("VisibilityTimeout", "30")), where)
    retention = int(facts.get("MessageRetentionPeriod", "0"))
    if retention < SHORT_RETENTION_SECONDS:
        what = f"it drops messages after {retention / 86_400:.1f} days"
        yield Finding("warning", where, what, "Set its MessageRetentionPeriod to 1209600 (14 days).")


def _long_enough_for_a_function(parts: CheckedParts, own: int, where: str) -> Iterator[Finding]:
    """Lambda's poller receives with the queue's own timeout."""
    timeout = parts.settings.aws_lambda.timeout_seconds
    if timeout is not None and own < VISIBILITY_FACTOR * timeout:
        what = f"its own visibility timeout is {own} s, less than {VISIBILITY_FACTOR} times the function's {timeout} s"
        remedy = f"Set its VisibilityTimeout to {VISIBILITY_FACTOR * timeout}, or a batch comes again while it is sent."
        yield Finding("error", where, what, remedy)


def place(channel: Channel | None) -> str:
    """The setting that names a channel's queue."""
    return "queue" if channel is None or channel.is_default else f"channel.{channel.name}.queue"


def _redrive(parts: CheckedParts, facts: dict[str, str], queue: Queue, where: str) -> Iterator[Finding]:
    wanted, attempts = parts.settings.queue.max_receive_count, parts.settings.worker.max_attempts
    if "RedrivePolicy" not in facts:
        what = "it has no RedrivePolicy: a message that kills its worker comes back indefinitely"
        yield Finding("error", where, what, "Make it with config/queue.yaml, or with eed-delivery queue init.")
        return
    policy = json.loads(facts["RedrivePolicy"])
    count = int(policy["maxReceiveCount"])
    if count <= attempts:
        what = f"its maxReceiveCount is {count}, not more than worker.max_attempts = {attempts}"
        yield Finding("error", where, what, f"Set it to {wanted}, or retries end in the dead-letter queue.")
    elif count != wanted:
        what = f"its maxReceiveCount is {count}, and queue.max_receive_count says {wanted}"
        yield Finding("warning", where, what, "Make the two the same.")
    else:
        yield Finding("ok", where, f"a message goes to the dead-letter queue after {count} receives")
    if queue.dead_letter_url is not None:
        yield from _same_target(queue, str(policy["deadLetterTargetArn"]), where)


def _same_target(queue: Queue, target: str, where: str) -> Iterator[Finding]:
    arn = queue.attributes(queue.dead_letter_url)["QueueArn"]
    if arn != target:
        what = f"its RedrivePolicy leads to {target}, but {where}.dead_letter_url is {arn}"
        yield Finding("error", where, what, "Dead letters would not be seen. Correct one of the two.")


def dead_letters(parts: CheckedParts, channel: Channel | None = None) -> Iterator[Finding]:
    """Whether a channel's dead-letter queue answers, and whether it is empty."""
    where = f"{place(channel)}.dead_letter_url"
    depth = parts.queue(channel=channel).depth(dead=True)
    if depth is None:
        what = "it is not set: emails stay queued for long if their messages end in the dead-letter queue"
        yield Finding("warning", where, what, "Give the dead-letter queue's URL.")
    elif depth.empty:
        yield Finding("ok", where, "it answers, and is empty")
    else:
        count = depth.visible + depth.in_flight + depth.delayed
        what = f"about {count} dead letters are in it"
        yield Finding("warning", where, what, "The sweeper settles ours within an hour. Check those that stay.")


def events(parts: CheckedParts) -> Iterator[Finding]:
    """The queue of SES's events, where there is one."""
    where, url = "tracking.events_queue_url", parts.settings.tracking.events_queue_url
    if url is None:
        yield Finding("ok", where, "it is not set: delivery, bounces and complaints are not tracked")
        return
    facts = parts.events_queue(url).attributes()
    yield Finding("ok", where, f"it answers, and about {facts.get('ApproximateNumberOfMessages', '0')} messages wait")
    if "RedrivePolicy" not in facts:
        what = "it has no RedrivePolicy: a message that cannot be read comes back until the queue drops it"
        yield Finding("warning", where, what, "Give it a dead-letter queue, with a maxReceiveCount of 10.")
    if parts.settings.transport.kind == "ses" and not parts.settings.ses.configuration_set:
        what = "ses.configuration_set is not set: SES publishes events only for emails that name one"
        yield Finding("warning", where, what, "Set it to the configuration set whose events go to this queue.")
