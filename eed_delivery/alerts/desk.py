"""Receives lines and facts and sends alerts, in a thread of its own. Logging never waits for it."""

import queue
import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import structlog

from eed_delivery.alerts.alert import Alert
from eed_delivery.alerts.outgoing import Outgoing
from eed_delivery.alerts.rulebook import LEVELS, Rulebook
from eed_delivery.alerts.turns import Turns
from eed_delivery.config import AlertFact, AlertRule
from eed_delivery.ledger.alerts.turns import AlertThreshold, Turn
from eed_delivery.logs import unheard

log = structlog.get_logger(__name__)

WAITING = 1000
"""Limit: lines that wait to be checked. Further ones are only counted."""
AGAIN_SECONDS = 5.0
"""A rule is looked up in the database at once when it is met, and then no sooner than after so long: a storm of lines
is one UPDATE every five seconds."""


@dataclass(frozen=True, slots=True)
class Observed:
    """A fact that is beyond its limit."""

    fact: AlertFact
    value: float


@dataclass
class _Met:
    """A rule and how often it was met after the last query. `ask_at` is `time.monotonic()`."""

    threshold: AlertThreshold
    audience: Sequence[str]
    more: int = 0
    alert: Alert | None = None
    ask_at: float = field(default=0.0)


class Desk:
    """The alerts of one process. `hear` and `observe` may be called from any thread. They neither wait nor raise."""

    def __init__(
        self, rules: Rulebook, turns: Turns, ways: Mapping[str, Sequence[Outgoing]], service: str, host: str
    ) -> None:
        """`ways` are the channels of each audience. One that several have is the same object in all of them."""
        self._rules = rules
        self._lowest = rules.lowest
        self._turns = turns
        self._ways = ways
        self._service, self._host = service, host
        self._incoming: queue.Queue[Mapping[str, Any] | Observed | None] = queue.Queue(WAITING)
        self._unread = 0
        self._met: dict[str, _Met] = {}
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="alerts", daemon=True)

    def hear(self, line: Mapping[str, Any]) -> None:
        """A line that is being logged."""
        if LEVELS.get(line["level"], 0) >= self._lowest:
            self._put(line)

    def observe(self, fact: AlertFact, value: float) -> None:
        """A fact that is beyond its limit."""
        self._put(Observed(fact, value))

    def _put(self, item: Mapping[str, Any] | Observed) -> None:
        try:
            self._incoming.put_nowait(item)
        except queue.Full:
            self._unread += 1  # two threads at one moment may count one: it is reported as a size, not as a sum

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def close(self, seconds: float) -> None:
        """Check pending lines and hand over alerts, within `seconds`. What takes longer is dropped."""
        until = time.monotonic() + seconds
        self._closing = True
        try:
            self._incoming.put(None, timeout=seconds)
        except queue.Full:
            return
        self._thread.join(max(0.0, until - time.monotonic()))
        for way in {id(way): way for ways in self._ways.values() for way in ways}.values():
            way.close(until)

    def _run(self) -> None:
        with unheard():  # what this thread logs, or the libraries it calls, must not come back to it
            while self._step():
                pass

    def _step(self) -> bool:
        """Check one line, or wait for one or for a rule's next query. False at the end."""
        try:
            item = self._incoming.get(timeout=self._seconds_to_wait())
        except queue.Empty:
            item = {}
        if item:
            self._safely(self._look_at, item)
        now = time.monotonic()
        for met in [met for met in self._met.values() if met.more and (item is None or met.ask_at <= now)]:
            self._safely(self._ask, met)
        return item is not None

    def _seconds_to_wait(self) -> float | None:
        due = [met.ask_at for met in self._met.values() if met.more]
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _safely(self, work: Any, subject: object) -> None:
        try:
            work(subject)
        except Exception:
            log.exception("alert_defect")

    def _look_at(self, item: Mapping[str, Any] | Observed) -> None:
        if isinstance(item, Observed):
            fact = item.fact
            threshold = AlertThreshold(fact.name, 1, 1.0, fact.cooldown_seconds)
            self._meet(threshold, fact.audience, self._fact_alert(item))
            return
        for rule in self._rules.hits(item):
            threshold = AlertThreshold(rule.name, rule.count, rule.window_seconds, rule.cooldown_seconds)
            self._meet(threshold, rule.audience, self._line_alert(rule, item))

    def _meet(self, threshold: AlertThreshold, audience: Sequence[str], alert: Alert) -> None:
        met = self._met.setdefault(threshold.rule, _Met(threshold, audience))
        met.more += 1
        met.alert = alert

    def _ask(self, met: _Met) -> None:
        more, met.more = met.more, 0
        try:
            turn = self._turns.ask(met.threshold, more)
        finally:
            met.ask_at = time.monotonic() + AGAIN_SECONDS
        if turn is not None and met.alert is not None:
            self._send(met.alert, met.audience, turn)

    def _send(self, alert: Alert, audience: Sequence[str], turn: Turn) -> None:
        unread, self._unread = self._unread, 0
        if unread:
            log.warning("alert_lines_unread", count=unread)
        told = told_with(alert, turn, unread)
        for way in {id(way): way for name in audience for way in self._ways[name]}.values():
            way.put(told)

    def _line_alert(self, rule: AlertRule, line: Mapping[str, Any]) -> Alert:
        event, at = str(line.get("event", "")), str(line.get("time", ""))
        level = str(line.get("level", "error"))
        return Alert(secrets.token_hex(8), self._service, self._host, rule.name, level, _one_line(event), at, line)

    def _fact_alert(self, observed: Observed) -> Alert:
        return fact_alert(observed.fact, observed.value, self._service, self._host)


def fact_alert(fact: AlertFact, value: float, service: str, host: str) -> Alert:
    """A fact beyond its limit, as an alert."""
    limit = {"at_least": fact.at_least} if fact.at_least is not None else {"at_most": fact.at_most}
    line = {"fact": fact.fact, "value": round(value, 1), **limit}
    at = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    event = f"{fact.fact} is {value:,.0f}"
    return Alert(secrets.token_hex(8), service, host, fact.name, "error", event, at, line)


def told_with(alert: Alert, turn: Turn, unread: int) -> Alert:
    """The alert with what is known only now that it leaves."""
    return replace(alert, times=turn.times, last=turn.last, unread=unread)


def _one_line(text: str) -> str:
    return " ".join(text.split())[:200]
