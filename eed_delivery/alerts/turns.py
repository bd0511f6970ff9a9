"""Whether an alert may leave now. The table eed_alert decides for all processes. Without it each decides for itself.

An alert about the database being gone must leave while it is gone. Each process then keeps its own cool-down, and what
every process sees is reported by every process once.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from sqlalchemy.exc import DBAPIError

from eed_delivery.errors import DatabaseGone
from eed_delivery.ledger.alerts.turns import HOUR_SECONDS, AlertLedger, AlertThreshold, Turn

log = structlog.get_logger(__name__)

ASK_AGAIN_SECONDS = 30.0
"""So long the database is not asked again: several rules are met at once when it goes, and none is to wait for it."""


@dataclass
class _Standing:
    """One rule as this process knows it. Times are the clock's. `told_at` may be another process's doing."""

    hits: int = 0
    window_at: float = float("-inf")
    times: int = 0
    told_at: float = float("-inf")


class LocalTurns:
    """The same rules as the ledger's, kept in memory."""

    def __init__(self, most_per_hour: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most_per_hour
        self._clock = clock
        self._rules: dict[str, _Standing] = {}
        self._hour = _Standing()

    def ask(self, threshold: AlertThreshold, more: int) -> Turn | None:
        """Count, and take the turn if it is time."""
        now, rule = self._clock(), self._rules.setdefault(threshold.rule, _Standing())
        _add(rule, more, now, threshold.window_seconds)
        rule.times += more
        if rule.hits < threshold.count or self.cooling(threshold) or not self._room(now):
            return None
        turn = Turn(rule.times)
        self._rules[threshold.rule] = _Standing(told_at=now)
        _add(self._hour, 1, now, HOUR_SECONDS)
        return turn if self._room(now) else Turn(turn.times, last=True)

    def _room(self, now: float) -> bool:
        return self._hour.hits < self._most or now - self._hour.window_at >= HOUR_SECONDS

    def cooling(self, threshold: AlertThreshold) -> bool:
        """Whether the rule's last alert is so recent that it must not send another."""
        standing = self._rules.get(threshold.rule)
        return standing is not None and self._clock() - standing.told_at < threshold.cooldown_seconds

    def learn(self, rule: str, seconds_ago: float) -> None:
        """Some process, perhaps this one, sent this rule's alert `seconds_ago`."""
        standing = self._rules.setdefault(rule, _Standing())
        standing.told_at = max(standing.told_at, self._clock() - seconds_ago)


def _add(standing: _Standing, more: int, now: float, window_seconds: float) -> None:
    if now - standing.window_at >= window_seconds:
        standing.hits, standing.window_at = 0, now
    standing.hits += more


class Turns:
    """Asks the ledger, and this process's own memory while the ledger cannot be asked."""

    def __init__(self, ledger: AlertLedger, local: LocalTurns, clock: Callable[[], float] = time.monotonic) -> None:
        self._ledger = ledger
        self._local = local
        self._clock = clock
        self._ask_at = float("-inf")

    def ask(self, threshold: AlertThreshold, more: int) -> Turn | None:
        """Count `more` matches of a rule.

        Returns the turn, if an alert may leave now. Never raises for the database's sake.
        """
        if self._clock() < self._ask_at:
            return self._local.ask(threshold, more)
        try:
            answer = self._ledger.ask(threshold, more, hold=self._local.cooling(threshold))
        except (DatabaseGone, DBAPIError) as error:  # gone, or it has no table for us: people must hear all the same
            self._ask_at = self._clock() + ASK_AGAIN_SECONDS
            log.warning("alerts_not_shared", reason=str(error).partition("\n")[0])
            return self._local.ask(threshold, more)
        if answer.sent_ago is not None:
            self._local.learn(threshold.rule, answer.sent_ago)
        return answer.turn
