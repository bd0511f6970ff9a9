"""A scanner that calls itself a browser follows every link of an email within seconds, which no person does."""

import threading
from collections import OrderedDict, deque
from dataclasses import replace
from datetime import datetime, timedelta

from eed_delivery.events import EventKind, TrackingEvent
from eed_delivery.link_server.machines import Reader

LINKS = 3
"""Different links. Of two, a person may follow one and then the other, so an email with fewer proves nothing."""
WITHIN = timedelta(seconds=5)
MAX_EMAILS = 20_000
"""Emails whose latest clicks are kept, some 20 MB."""
MAX_CLICKS = 40
"""Clicks kept of one email. More than that are a machine's, as the first ones show."""

_Place = tuple[int | None, int | None]


class LinkWatch:
    """Remembers the latest clicks in each email. Safe for many threads, and of bounded size.

    Links are compared as the ledger shows them, without what follows `?`, so one link twice is one. It sees only what
    comes to this process. Where several answer, each judges by its own share.
    """

    def __init__(self, max_emails: int = MAX_EMAILS) -> None:
        self._max_emails = max_emails
        self._clicks: OrderedDict[_Place, deque[tuple[datetime, str]]] = OrderedDict()
        self._lock = threading.Lock()

    def see(self, event: TrackingEvent) -> None:
        """To be called for each event when it comes. Returns at once, never raises."""
        if event.kind is not EventKind.CLICK:
            return
        place = (event.email_id, event.gen)
        with self._lock:
            self._clicks.setdefault(place, deque(maxlen=MAX_CLICKS)).append((event.occurred_at, event.detail))
            self._clicks.move_to_end(place)
            while len(self._clicks) > self._max_emails:
                self._clicks.popitem(last=False)

    def judged(self, event: TrackingEvent) -> TrackingEvent:
        """The event, marked as a machine's if LINKS links of its email were followed within WITHIN around it.

        To be asked WITHIN after it came. One that is known for a machine's keeps what it is known by.
        """
        if event.automatic or not self._is_one_of_many(event):
            return event
        return replace(event, sub_type=Reader.ALL_LINKS, automatic=True)

    def _is_one_of_many(self, event: TrackingEvent) -> bool:
        with self._lock:
            clicks = list(self._clicks.get((event.email_id, event.gen), ()))
        near = [(at, link) for at, link in clicks if abs(at - event.occurred_at) <= WITHIN]
        if len(near) < LINKS:
            return False
        starts = {at for at, _ in near if at <= event.occurred_at} | {event.occurred_at}
        return any(len({link for at, link in near if start <= at <= start + WITHIN}) >= LINKS for start in starts)
