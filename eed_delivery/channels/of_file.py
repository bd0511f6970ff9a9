"""The channels of the configuration file."""

from eed_delivery.channels.channel import Channel
from eed_delivery.channels.checks import apart, checked
from eed_delivery.channels.queue_urls import QueueUrls
from eed_delivery.config import Settings
from eed_delivery.config.channels import DEFAULT
from eed_delivery.config.section import Section
from eed_delivery.errors import ConfigError, Problem


def channels_of(settings: Settings) -> dict[str, Channel]:
    """By name, `default` first. Raises `ConfigError` with every mistake in them."""
    problems: list[Problem] = []
    channels = [default_of(settings)]
    for name, given in settings.channel.items():
        try:
            channels.append(checked(name, given, settings))
        except ConfigError as error:
            problems += error.problems
    problems += apart(channels, settings)
    if problems:
        raise ConfigError(problems)
    return {channel.name: channel for channel in channels}


def default_of(settings: Settings) -> Channel:
    """The channel of [transport], with the queue of [queue] and the workers of [worker]."""
    sections: dict[str, Section] = {
        "smtp": settings.smtp, "ses": settings.ses, "eml_folder": settings.eml_folder
    }  # fmt: skip
    queue = QueueUrls(settings.queue.url, settings.queue.dead_letter_url)
    worker, transport = settings.worker, settings.transport
    made, rate = sections[transport.kind], transport.rate_per_second
    return Channel(
        DEFAULT, None, made, queue, worker.processes, worker.threads, rate, archive=transport.archive,
        send_windows=transport.send_windows,
    )  # fmt: skip
