"""Whether the settings suit a function of AWS Lambda that sends (`aws_lambda.timeout_seconds`)."""

from collections.abc import Iterator

from eed_delivery.config.channels import DEFAULT
from eed_delivery.config.problems import Clash
from eed_delivery.config.settings import Settings

CONNECT_SECONDS, ANSWER_SECONDS = 3.0, 5.0
"""Limits: how long a function waits for the database, which is asked up to four times."""
LAST_SECONDS = 25.0
"""What is left of an invocation after its last send: outcomes are recorded, and other emails are put off. It is longer
than four answers of a database that hangs."""
SES_UPLOAD_SECONDS = 120.0
"""As `transports.ses.transport` allows it, which a test compares."""
VISIBILITY_FACTOR = 6
"""https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html"""


def lambda_clashes(settings: Settings) -> Iterator[Clash]:
    """What a function would do worse than hosts, or not at all."""
    timeout = settings.aws_lambda.timeout_seconds
    if timeout is None:
        return
    if settings.aws_lambda.channel == DEFAULT:
        yield from _longest_send(settings, timeout)
        if settings.transport.archive.url:
            keys = ("aws_lambda.timeout_seconds", "transport.archive.url")
            what = "copies of emails wait on the disk for the archive, and a function's disk does not last"
            yield Clash.of(keys, what, "Send from hosts, or without an archive.")
    if settings.queue.visibility_timeout_seconds < VISIBILITY_FACTOR * timeout:
        keys = ("aws_lambda.timeout_seconds", "queue.visibility_timeout_seconds")
        what = f"{settings.queue.visibility_timeout_seconds} is less than {VISIBILITY_FACTOR} times {timeout}"
        remedy = f"Set both, and the queue's own, so that a message stays hidden for {VISIBILITY_FACTOR} timeouts."
        yield Clash.of(keys, what, remedy)
    if settings.worker.coordination != "ledger":
        keys = ("aws_lambda.timeout_seconds", "worker.coordination")
        what = "functions send no heartbeats, so hosts would share the rate without them"
        yield Clash.of(keys, what, 'Set worker.coordination = "ledger".')


def _longest_send(settings: Settings, timeout: int) -> Iterator[Clash]:
    match settings.transport.kind:
        case "smtp":
            smtp = settings.smtp
            seconds = 3 * smtp.command_timeout_seconds + 2 * smtp.data_timeout_seconds + 1
            names: tuple[str, ...] = ("smtp.command_timeout_seconds", "smtp.data_timeout_seconds")
        case "ses":
            seconds = settings.ses.connect_timeout_seconds + settings.ses.read_timeout_seconds + SES_UPLOAD_SECONDS
            names = ("ses.connect_timeout_seconds", "ses.read_timeout_seconds")
        case "eml_folder":
            return
    if seconds + LAST_SECONDS >= timeout:
        what = f"a send may take {seconds:g} seconds, and {LAST_SECONDS:g} more are needed. The function has {timeout}"
        remedy = "Lower the timeouts, or raise the function's. With less time left no email is put on the wire."
        yield Clash.of(("aws_lambda.timeout_seconds", *names), what, remedy)
