"""The emails of a job in pages to compare, each with its copies and with what the relay's log says of it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from eed_delivery.database.transactions import Database
from eed_delivery.errors import InfrastructureFailure
from eed_delivery.ledger.shadowing import KnownCopy, ShadowLedger
from eed_delivery.model import Job
from eed_delivery.operations.rehearsing.work import number_of
from eed_delivery.shadow.asked import CopyPlace, PageToCompare, RowToCompare
from eed_delivery.shadow.relay_logs import LogFinding, LoggedEmail, RelayLogs
from eed_delivery.source.following import FollowedEmail, SourceFollowing

PAGE = 250
PAGES_OF_A_BLOCK = 80
"""The relay's log is read once for so many pages."""


@dataclass(frozen=True, slots=True)
class ShadowPage:
    """A page of a job, and what is known of its emails. `before` and `after` are the cursor's keys."""

    asked: PageToCompare
    emails: Sequence[FollowedEmail]
    copies: Mapping[str, Sequence[KnownCopy]]
    before: str
    after: str
    log: Mapping[int, LogFinding] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PageSources:
    """What pages are read from. `reading` cannot write. `logs`: None where there are none."""

    reading: Callable[[], Database]
    following: SourceFollowing
    shadows: ShadowLedger
    logs: RelayLogs | None
    by_message_id: bool
    by_key: bool


class JobPages:
    """Pages of one job of a comparison."""

    def __init__(self, sources: PageSources, operation: str, job: Job, logs_since: float) -> None:
        """`logs_since`: logs that did not change since then, in seconds since 1970, are not read."""
        self._sources = sources
        self._operation = operation
        self._job = job
        self._logs_since = logs_since

    def behind(self, after: str, keep: Callable[[], None]) -> Iterator[ShadowPage]:
        """The pages behind an email. Raises `InfrastructureFailure` where a log cannot be read."""
        pages_at_once = 1 if self._sources.logs is None else PAGES_OF_A_BLOCK
        while True:
            block = []
            for _ in range(pages_at_once):
                page = self._page(after)
                if page is None:
                    break
                after = page.after
                block.append(page)
                keep()
            if not block:
                return
            yield from self._with_logs(block)

    def _page(self, after: str) -> ShadowPage | None:
        sources = self._sources
        emails = sources.reading().run(lambda c: sources.following.rows(c, self._job.key, after, PAGE))
        if not emails:
            return None
        copies = self._copies(emails)
        rows = tuple(_row(one, copies.get(str(one.row.key), ())) for one in emails)
        return ShadowPage(PageToCompare(self._job, rows), emails, copies, after, str(emails[-1].row.key))

    def _copies(self, emails: Sequence[FollowedEmail]) -> dict[str, list[KnownCopy]]:
        """By the key of an email. A copy that is found in two ways is one."""
        sources, wanted = self._sources, dict[str, str]()
        for one in emails:
            if sources.by_key:
                wanted[str(one.row.key)] = str(one.row.key)
            if sources.by_message_id and one.message_id:
                wanted[one.message_id] = str(one.row.key)
        found: dict[str, list[KnownCopy]] = {}
        for match, copies in sources.shadows.copies(self._operation, list(wanted)).items():
            if match in wanted:
                found.setdefault(wanted[match], []).extend(copies)
        return found

    def _with_logs(self, block: list[ShadowPage]) -> Iterator[ShadowPage]:
        logs = self._sources.logs
        if logs is None:
            yield from block
            return
        logged = [one for page in block for one in _logged(page)]
        try:
            found = logs.look_up(logged, self._logs_since)
        except OSError as error:
            raise InfrastructureFailure(f"the relay's log cannot be read: {error.strerror or error}") from error
        for page in block:
            numbers = [row.email_id for row in page.asked.rows]
            of_page = {number: found[number] for number in numbers if number in found}
            yield ShadowPage(page.asked, page.emails, page.copies, page.before, page.after, of_page)


def _row(one: FollowedEmail, copies: Sequence[KnownCopy]) -> RowToCompare:
    places = tuple(CopyPlace(copy.path, copy.begin, copy.length) for copy in copies)
    return RowToCompare(number_of(one.row.key), str(one.row.key), one.row.recipient, places)


def _logged(page: ShadowPage) -> Iterator[LoggedEmail]:
    for row, one in zip(page.asked.rows, page.emails, strict=True):
        copies = page.copies.get(row.key, ())
        message_id = next((copy.message_id for copy in copies if copy.message_id), one.message_id)
        if message_id:
            minute = next((copy.minute for copy in copies if copy.minute is not None), None)
            yield LoggedEmail(row.email_id, message_id, row.recipient, minute)
