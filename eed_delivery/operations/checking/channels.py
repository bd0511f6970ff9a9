"""The way out of a named channel, tried as its kind tries it. Nothing is sent, and nothing stays."""

from collections.abc import Iterator

from eed_delivery.channels.channel import Channel
from eed_delivery.checks.findings import Finding
from eed_delivery.operations.checking.parts import CheckedParts


def way_out(parts: CheckedParts, channel: Channel) -> Iterator[Finding]:
    """What the kind found. Raises `ConfigError` or `InfrastructureFailure` for what does not work."""
    if channel.kind is None:
        return
    for found in channel.kind.check(channel.settings, parts.surroundings(channel)):
        yield Finding("ok", f"channel {channel.name}", found)
