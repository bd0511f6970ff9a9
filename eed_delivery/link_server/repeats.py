"""How often one email's picture or links count. Any reader can request them any number of times, and each request would
be a row of the ledger and a webhook."""

import threading
from collections import OrderedDict
from datetime import datetime, timedelta

from eed_delivery.events import EventKind, TrackingEvent

MINUTE = timedelta(minutes=1)
MOST_A_MINUTE = {EventKind.OPEN: 10, EventKind.CLICK: 60}
"""Of one email. A person opens an email a few times; a scanner follows each of its links once or twice."""
MAX_EMAILS = 20_000
"""Emails and kinds that are counted at the same time, some 10 MB."""

_Counted = tuple[EventKind, int | None, int | None]


class RepeatLimit:
    """Counts the events of each email and kind within a minute. Safe for many threads, and of bounded size."""

    def __init__(self, most_a_minute: dict[EventKind, int] | None = None, max_emails: int = MAX_EMAILS) -> None:
        self._most = MOST_A_MINUTE if most_a_minute is None else most_a_minute
        self._max_emails = max_emails
        self._counts: OrderedDict[_Counted, tuple[datetime, int]] = OrderedDict()
        self._lock = threading.Lock()

    def allows(self, event: TrackingEvent) -> bool:
        """Whether the event is one of the first of its minute. It is counted."""
        most = self._most.get(event.kind)
        if most is None:
            return True
        counted = (event.kind, event.email_id, event.gen)
        with self._lock:
            since, count = self._counts.pop(counted, (event.occurred_at, 0))
            if event.occurred_at - since >= MINUTE:
                since, count = event.occurred_at, 0
            self._counts[counted] = (since, count + 1)
            while len(self._counts) > self._max_emails:
                self._counts.popitem(last=False)
        return count < most
