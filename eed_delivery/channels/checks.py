"""Settings of channels, checked: each by its kind, then all of them together."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from eed_delivery.channels.channel import Channel, Origin
from eed_delivery.channels.queue_urls import queue_urls
from eed_delivery.config import Settings
from eed_delivery.config.channels import DEFAULT, ChannelSettings
from eed_delivery.config.clear_text import exposures_of_channel, not_allowed
from eed_delivery.config.file_channels import FileChannelSettings
from eed_delivery.config.problems import mistakes_of
from eed_delivery.config.section import Section
from eed_delivery.errors import ConfigError, Problem
from eed_delivery.transports.kind import ChannelKind, kinds


def checked(
    name: str, given: ChannelSettings, settings: Settings, origin: Origin = "file", version: int = 0
) -> Channel:
    """A channel of these settings. Raises `ConfigError` with every mistake in them."""
    kind = kind_named(given.kind, _key(name, "kind"))
    problems = list(_alone(name, given, kind, settings))
    made = _of_kind(name, kind, given.of_kind, problems)
    if made is not None:
        problems += [*_too_slow(name, kind.longest_send(made), settings), *_manifest(name, made)]
    if problems or made is None:
        raise ConfigError(problems)
    queue = queue_urls(name, given.queue, settings.queue.url)
    rate = given.rate_per_second
    return Channel(
        name,
        kind,
        made,
        queue,
        given.processes,
        given.threads,
        rate,
        origin,
        version,
        given.archive,
        given.send_windows,
    )


def kind_named(name: str, setting: str) -> ChannelKind:
    """Raises `ConfigError` if no such kind is installed."""
    if (kind := kinds().get(name)) is None:
        what = f"there is no kind of channel {name!r}"
        raise ConfigError([Problem(setting, what, f"Installed here are {', '.join(kinds())}.")])
    return kind


def apart(channels: Sequence[Channel], settings: Settings) -> Iterator[Problem]:
    """What two channels have in common and must not: a queue."""
    users: Mapping[str, list[str]] = defaultdict(list)
    for channel in channels:
        for url in (channel.queue.url, channel.queue.dead_letter_url):
            if url is not None:
                users[url].append(channel.name)
    for url in (settings.tracking.events_queue_url,):
        if url is not None:
            users[url].append("tracking.events_queue_url")
    for names in users.values():
        if len(names) > 1:
            what = f"{' and '.join(dict.fromkeys(names))} use the same queue"
            remedy = "Give each channel a queue of its own, and a dead-letter queue that is another."
            yield Problem(_key(names[0], "queue"), what, remedy)


def _alone(name: str, given: ChannelSettings, kind: ChannelKind, settings: Settings) -> Iterator[Problem]:
    if name == DEFAULT:
        what = "the channel default is described by [transport] and its sections"
        yield Problem(f"channel.{DEFAULT}", what, "Choose another name.")
    if given.rate_per_second == "ses" and kind.name != "ses":
        what = f'the rate is what SES allows, but the kind is "{kind.name}"'
        yield Problem(_key(name, "rate_per_second"), what, "Give emails per second, or 0 for no limit.")
    if given.archive.url is not None and kind.carries == "files":
        what = "it has an archive, which keeps copies of emails, and its kind puts files"
        yield Problem(_key(name, "archive"), what, "Remove it. The files themselves are the copies.")
    for found in not_allowed(exposures_of_channel(name, given.archive), settings):
        yield Problem(found.key, found.would, found.remedy)
    named = given.queue.url is not None
    if named and given.queue.dead_letter_url is None and settings.queue.dead_letter_url is not None:
        what = "it has no dead-letter queue, and the channel default has one"
        yield Problem(_key(name, "queue.dead_letter_url"), what, "Give the queue that its RedrivePolicy names.")


def _of_kind(name: str, kind: ChannelKind, given: dict[str, Any], problems: list[Problem]) -> Section | None:
    try:
        return kind.settings(**given)
    except ValidationError as error:
        for path, what, remedy in mistakes_of(error, kind.settings):
            problems.append(Problem(_key(name, *path), what, remedy))
        return None


def _manifest(name: str, made: Section) -> Iterator[Problem]:
    if isinstance(made, FileChannelSettings) and made.manifest:
        from eed_delivery.rendering.manifest_paths import ManifestPaths  # with all that renders

        try:
            ManifestPaths(made.manifest)
        except ConfigError as error:
            yield from (Problem(_key(name, one.where), one.what, one.remedy) for one in error.problems)


def _too_slow(name: str, longest: float, settings: Settings) -> Iterator[Problem]:
    if settings.service.stall_seconds <= longest:
        stall = settings.service.stall_seconds
        what = f"a send may take {longest:g} seconds, and a loop counts as stalled after {stall:g}"
        yield Problem(_key(name), what, "Lower its timeouts, or raise service.stall_seconds.")
    lease = settings.worker.send_lease_seconds
    if 0 < lease <= longest:
        what = f"a send may take {longest:g} seconds, and its lease lasts only {lease:g}"
        yield Problem(
            _key(name), what, "Lower its timeouts, or set worker.send_lease_seconds to 0 to have it computed."
        )


def _key(name: str, *path: str) -> str:
    return ".".join(("channel", name, *path))
