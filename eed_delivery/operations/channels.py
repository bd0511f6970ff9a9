"""Channels are listed, created, changed, checked, held and removed. Those of the configuration file are only read."""

from collections.abc import Callable, Iterator
from datetime import datetime

from eed_delivery.channels.channel import Channel
from eed_delivery.channels.directory import ChannelDirectory, FoundChannels
from eed_delivery.checks.findings import Finding
from eed_delivery.ledger.channels.listing import ChannelLedger
from eed_delivery.ledger.workers import WorkerLedger
from eed_delivery.operations.channel_changes import (
    OF_FILE,
    ChannelChanged,
    ChannelChanges,
    ChannelEdit,
    NewChannel,
    version_of,
)
from eed_delivery.operations.channel_checks import ChannelChecks
from eed_delivery.operations.channel_views import ALL, ChannelKindView, ChannelView, ChannelViews, target_of
from eed_delivery.operations.checking.parts import CheckedParts
from eed_delivery.operations.checks_at_once import MOST_CHECKS, ChecksAtOnce
from eed_delivery.operations.holds import HoldOperations, HoldProof, HoldRequest, OnWire, StoredHold, unknown_channel
from eed_delivery.operations.watching import DatabaseNews
from eed_delivery.operations.windows import WindowView

__all__ = [
    "ALL", "OF_FILE", "ChannelChanged", "ChannelEdit", "ChannelKindView", "ChannelOperations", "ChannelView", "Finding",
    "NewChannel", "OnWire", "StoredHold", "version_of",
]  # fmt: skip


class ChannelOperations:
    """Each call raises `DatabaseGone`, and `OperationRefused` for what cannot be done."""

    def __init__(
        self,
        parts: CheckedParts,
        directory: Callable[[], ChannelDirectory],
        ledger: ChannelLedger,
        holds: HoldOperations,
        workers: WorkerLedger,
        make_queues: Callable[[Channel], object],
        *,
        own_secrets: bool = True,
        checks: ChecksAtOnce | None = None,
        window: Callable[[str], WindowView | None] = lambda _: None,
    ) -> None:
        """`make_queues` makes those that a channel asks for. Not `own_secrets`: a channel must not refer to a secret of
        the service, or of a channel of the file, because its host would get it. `checks` limits those of all callers.
        `window` is the send window of a channel.
        """
        self._make_directory = directory
        self._ledger = ledger
        self._holds = holds
        self._views = ChannelViews(parts.settings, self._look, ledger, holds, workers, window)
        self._changes = ChannelChanges(parts.settings, self._look, ledger, make_queues, own_secrets=own_secrets)
        self._checks = ChannelChecks(parts, checks or ChecksAtOnce(MOST_CHECKS))

    def kinds(self) -> tuple[ChannelKindView, ...]:
        """The kinds that a channel can have here."""
        return self._views.kinds()

    def all(self) -> tuple[ChannelView, ...]:
        """All channels, `default` first, then those of the file."""
        return self._views.all()

    def view(self, name: str) -> ChannelView:
        """One channel. Raises `UnknownKey`."""
        return self._views.one(name)

    def create(self, new: NewChannel) -> ChannelView:
        """Enter a channel. Workers of it start within seconds. Its queues are made first, if it asks for that.

        Raises `ConfigError` for its settings, and `QueueGone` where queues cannot be made.
        """
        self._changes.create(new)
        return self.view(new.name)

    def trial(self, new: NewChannel) -> tuple[Finding, ...]:
        """Check settings that are not saved: those of a new channel, or new ones of a channel that is there.

        It tries the queue and the way out as `check` does, and saves nothing. It is in the audit before anything is
        connected to. Raises `ConfigError`."""
        channel = self._changes.checked(new.name, new.settings, self._look().channels, 0)
        return self._checks.of_new(channel, lambda: self._ledger.note_trial(new.name, new.settings))

    def check_name(self, name: str) -> None:
        """Whether a channel of this name can be created, before its settings are asked for.

        Raises `ConfigError` for one that is none, and `WrongState` for one that is there.
        """
        self._changes.check_name(name)

    def edit(self, edit: ChannelEdit) -> ChannelView:
        """Replace a channel's settings. Its workers start anew with them. Raises as `create` does.

        A channel that puts files gets no other root while an unfinished job names it, or a manifest is outstanding.
        """
        self._changes.edit(edit)
        return self.view(edit.name)

    def remove(self, name: str) -> tuple[str, ...]:
        """Remove a channel, and return the URLs of its queues. No queue is ever deleted, whoever made it.

        A channel that unfinished jobs name is not removed.
        """
        return self._changes.remove(name)

    def check(self, name: str) -> tuple[Finding, ...]:
        """Try a channel, its queue and its way out. Nothing is sent, and nothing stays."""
        found = self._look()
        if name in found.unusable:
            return (Finding("error", f"channel {name}", str(found.unusable[name])),)
        if (channel := found.channels.get(name)) is None:
            raise unknown_channel(name, found.channels)
        return (*self._checks.of(channel), *self._differences(name))

    def _differences(self, name: str) -> Iterator[Finding]:
        if hosts := self._views.differing(name):
            what = f"the workers on {', '.join(hosts)} have different settings of it"
            remedy = "After a change this lasts seconds. If it stays, give all hosts the same configuration file."
            yield Finding("warning", f"channel {name}", what, remedy)

    def hold(self, channel: str, reason: str, lasts: float | datetime | None = None) -> HoldProof:
        """Hold a channel, or `ALL`, as `HoldOperations.hold` does."""
        return self._holds.hold(HoldRequest(target_of(channel), reason, lasts))

    def on_wire(self, channel: str) -> OnWire:
        """What is on the wire of a channel, or of `ALL`."""
        return self._holds.on_wire(target_of(channel))

    def leaving(self, channel: str, pause: Callable[[], object]) -> Iterator[OnWire | DatabaseNews]:
        """As `HoldOperations.leaving`."""
        return self._holds.leaving(target_of(channel), pause)

    def release(self, channel: str) -> tuple[StoredHold, ...]:
        """End the hold of a channel, or that of `ALL`. Returns the holds that there are still."""
        self._holds.release_target(target_of(channel))
        return self._holds.all()

    def _look(self) -> FoundChannels:
        return self._make_directory().look()
