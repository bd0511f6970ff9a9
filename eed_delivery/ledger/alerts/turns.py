"""Who may send an alert now. It is one row a rule, changed by conditional UPDATEs, for all processes of all hosts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, case, insert, or_, select, update

from eed_delivery.database.clock import seconds_until, utc_in, utc_now
from eed_delivery.database.insert import unless_there
from eed_delivery.database.transactions import Database
from eed_delivery.ledger.schema import eed_alert

HOUR_SECONDS = 3600
EVERY_RULE = ""
"""The row that counts the alerts of all rules. No rule is called so."""


@dataclass(frozen=True, slots=True)
class AlertThreshold:
    """When a rule sends an alert.

    It must be met `count` times within a window, and does not send again before the cool-down is over.
    """

    rule: str
    count: int
    window_seconds: float
    cooldown_seconds: float


@dataclass(frozen=True, slots=True)
class Turn:
    """The permission to send an alert now. `times` is how often the rule was met after its last one. `last` means that
    it is the last of this hour."""

    times: int
    last: bool = False


@dataclass(frozen=True, slots=True)
class TurnResult:
    """What became of a question.

    `sent_ago` is the seconds since the rule's last alert, by any process. None means never.
    """

    turn: Turn | None
    sent_ago: float | None


@dataclass(frozen=True, slots=True)
class AlertReport:
    """A row of eed_alert for people: `times` met since the last alert at `sent_at` (UTC)."""

    rule: str
    sent_at: datetime | None
    times: int


_mine = eed_alert.c.rule == bindparam("its_rule")
_over = or_(eed_alert.c.window_at.is_(None), eed_alert.c.window_at <= utc_in(-bindparam("window")))
# A window begins with the first match after the last one has ended. The order of the two columns matters: MySQL and
# MariaDB evaluate from left to right, and see what was assigned before
# (https://dev.mysql.com/doc/refman/8.0/en/update.html).
COUNT = (
    update(eed_alert)
    .where(_mine)
    .ordered_values(
        (eed_alert.c.hits, case((_over, 0), else_=eed_alert.c.hits) + bindparam("more")),
        (eed_alert.c.window_at, case((_over, utc_now()), else_=eed_alert.c.window_at)),
        (eed_alert.c.times, eed_alert.c.times + bindparam("more")),
    )
)
CLAIM = (
    update(eed_alert)
    .where(_mine)
    .where(eed_alert.c.hits >= bindparam("wanted"))
    .where(or_(eed_alert.c.sent_at.is_(None), eed_alert.c.sent_at <= utc_in(-bindparam("cooldown"))))
    .values(hits=0, window_at=None, times=0, sent_at=utc_now())
)
_STANDING = select(eed_alert.c.times, (-seconds_until(eed_alert.c.sent_at)).label("sent_ago")).where(_mine)
_IN_THIS_HOUR = select(eed_alert.c.hits).where(_mine).where(eed_alert.c.window_at > utc_in(-HOUR_SECONDS))


class AlertLedger:
    """The rows of eed_alert. Each call is one transaction and raises `DatabaseGone`."""

    def __init__(self, database: Database, most_per_hour: int) -> None:
        self._database = database
        self._most = most_per_hour
        self._ensure = unless_there(insert(eed_alert)).values(rule=bindparam("its_rule"), hits=0, times=0)

    def ask(self, threshold: AlertThreshold, more: int, *, hold: bool = False) -> TurnResult:
        """Count `more` matches, and take the turn if it is time. With `hold` they are only counted.

        Of all who ask at one moment one gets the turn. Should its commit's answer be lost, it is kept all the same. An
        alert that goes out twice is better than none.
        """
        taken: list[TurnResult] = []

        def work(c: Connection) -> TurnResult:
            answer = self._ask(c, threshold, more, hold)
            if answer.turn is not None:
                taken[:] = [answer]
            return taken[0] if taken else answer

        return self._database.run(work)

    def _ask(self, c: Connection, threshold: AlertThreshold, more: int, hold: bool) -> TurnResult:
        # Each locks its rule's row first and the row of all rules after it: two can wait, but not for each other.
        self._add(c, threshold.rule, more, threshold.window_seconds)
        standing = c.execute(_STANDING, {"its_rule": threshold.rule}).one()
        sent_ago = None if standing.sent_ago is None else float(standing.sent_ago)
        if hold or self._in_this_hour(c) >= self._most:
            return TurnResult(None, sent_ago)
        values = {"its_rule": threshold.rule, "wanted": threshold.count, "cooldown": threshold.cooldown_seconds}
        if c.execute(CLAIM, values).rowcount != 1:
            return TurnResult(None, sent_ago)
        self._add(c, EVERY_RULE, 1, HOUR_SECONDS)
        return TurnResult(Turn(int(standing.times), last=self._in_this_hour(c) >= self._most), 0.0)

    def _add(self, c: Connection, rule: str, more: int, window_seconds: float) -> None:
        values = {"its_rule": rule, "more": more, "window": window_seconds}
        if c.execute(COUNT, values).rowcount == 0:
            c.execute(self._ensure, {"its_rule": rule})
            c.execute(COUNT, values)

    def _in_this_hour(self, c: Connection) -> int:
        return int(c.execute(_IN_THIS_HOUR, {"its_rule": EVERY_RULE}).scalar() or 0)

    def told(self, rules: Sequence[str]) -> dict[str, AlertReport]:
        """What is known of these rules. One that was never met is not in it."""
        names = ("rule", "sent_at", "times")
        chosen = select(*(eed_alert.c[name] for name in names)).where(eed_alert.c.rule.in_(rules))
        return self._database.run(lambda c: {row.rule: AlertReport(*row) for row in c.execute(chosen)})

    def count(self) -> int:
        """How many alerts of all rules have left within this hour."""
        return self._database.run(self._in_this_hour)
