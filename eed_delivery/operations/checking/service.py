"""All checks, one after the other."""

from collections.abc import Callable, Iterator
from functools import partial

from sqlalchemy.exc import DBAPIError

from eed_delivery.channels.directory import FoundChannels
from eed_delivery.checks.findings import Finding
from eed_delivery.errors import DatabaseGone, DeliveryFailure, EedError
from eed_delivery.ledger.workers import WorkerLedger
from eed_delivery.operations.checking import channels, emails, queues
from eed_delivery.operations.checking.parts import CheckedParts
from eed_delivery.operations.coordination import SETTING, differing
from eed_delivery.operations.preparing import Preparing, caution_findings

Check = Callable[[], Iterator[Finding]]


class ServiceCheck:
    """Checks everything that the service needs."""

    def __init__(
        self, parts: CheckedParts, preparing: Preparing, workers: WorkerLedger, look: Callable[[], FoundChannels]
    ) -> None:
        """`look` finds the channels that there are."""
        self._look = look
        self._parts = parts
        self._preparing = preparing
        self._workers = workers

    def findings(self) -> tuple[Finding, ...]:
        """What was found. What a check needs and cannot have is a finding too, and the other checks still run."""
        parts = self._parts
        checks: tuple[tuple[str, Check], ...] = (
            ("database", self._database),
            (SETTING, self._coordination),
            ("queue", partial(queues.queue, parts)),
            ("queue.dead_letter_url", partial(queues.dead_letters, parts)),
            ("tracking.events_queue_url", partial(queues.events, parts)),
            ("bounces.address", partial(emails.bounces, parts)),
            ("web.base_url", partial(emails.web, parts)),
            (f"transport {parts.settings.transport.kind}", partial(emails.transport, parts)),
            ("archive", partial(emails.archives, parts)),
            ("rendering.attachments_root", partial(emails.attachments, parts)),
            *self._of_channels(),
            ("channels", self._unusable),
        )
        found = (finding for where, look in checks for finding in _outcome(where, look))
        return (*caution_findings(parts.settings), *found)

    def _of_channels(self) -> Iterator[tuple[str, Check]]:
        """Each named channel: its queue, its dead letters, and the way out itself."""
        for channel in self._parts.channels.values():
            if not channel.is_default:
                where = queues.place(channel)
                yield where, partial(queues.queue, self._parts, channel)
                yield f"{where}.dead_letter_url", partial(queues.dead_letters, self._parts, channel)
                yield f"channel {channel.name}", partial(channels.way_out, self._parts, channel)

    def _coordination(self) -> Iterator[Finding]:
        """That of the processes and functions that are alive."""
        try:
            problem = differing(self._workers, self._parts.settings.worker.coordination)
        except (DBAPIError, DatabaseGone):
            return  # the database or the tables are not there, which is said elsewhere
        if problem is not None:
            yield Finding("error", problem.where, f"{problem.what}. {problem.remedy}")

    def _unusable(self) -> Iterator[Finding]:
        """Channels that were created while the service runs, and that cannot be used here."""
        try:
            unusable = self._look().unusable
        except (DBAPIError, DatabaseGone):
            return  # likewise
        for name, error in unusable.items():
            yield Finding("error", f"channel {name}", str(error))

    def _database(self) -> Iterator[Finding]:
        findings = self._preparing.findings()
        yield Finding("ok", "database", "it answers")
        for finding in findings:
            if finding.level != "ok" or finding.where in ("ledger", "database.url"):
                yield finding


def _outcome(where: str, look: Check) -> list[Finding]:
    try:
        return list(look())
    except DeliveryFailure as error:
        return [Finding("error", where, error.reply)]
    except EedError as error:
        return [Finding("error", where, str(error))]
