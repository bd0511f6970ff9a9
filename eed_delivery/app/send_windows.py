"""The send windows that are configured: those of the file, and those of channels that were created at run time."""

import hashlib
import json
from collections.abc import Mapping

from eed_delivery.channels.channel import Channel
from eed_delivery.config import Settings
from eed_delivery.send_windows.plan import WindowPlan


def plan_of(settings: Settings, channels: Mapping[str, Channel]) -> WindowPlan:
    """All of them. `channels` are those that there are."""
    categories = settings.send_windows.category
    return WindowPlan(
        installation=settings.send_windows.made(),
        channels={name: channel.send_windows.made() for name, channel in channels.items()},
        categories={name: one.made() for name, one in categories.items() if not one.ignore},
        ignoring=frozenset(name for name, one in categories.items() if one.ignore),
        of_jobs=bool(settings.source.job.send_window),
    )


def windows_digest(settings: Settings) -> str:
    """The same on all hosts whose files have the same windows. Those of the ledger's channels are the same anyway."""
    channels = {name: channel.send_windows for name, channel in settings.channel.items()}
    given = [settings.send_windows, settings.transport.send_windows, *(channels[name] for name in sorted(channels))]
    facts = [[one.model_dump(mode="json") for one in given], sorted(channels), bool(settings.source.job.send_window)]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def has_windows(settings: Settings) -> bool:
    """Whether the file has any."""
    given = settings.send_windows
    windows = [given, settings.transport.send_windows, *given.category.values()]
    windows += [channel.send_windows for channel in settings.channel.values()]
    return bool(settings.source.job.send_window) or any(one.open for one in windows)
