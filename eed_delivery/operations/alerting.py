"""The alert rules with their last alerts, and tests of their receivers."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from eed_delivery.alerts.alert import Alert
from eed_delivery.alerts.metric_filters import MetricFilter, NoPattern, metric_filter
from eed_delivery.alerts.receivers import AlertReceiver, NotHandedOver, host_name
from eed_delivery.config import AlertFact, AlertRule, AlertsSettings
from eed_delivery.errors import DatabaseGone
from eed_delivery.ledger.acts import Act, ActKind, ActObject
from eed_delivery.ledger.alerts.turns import AlertLedger, AlertReport
from eed_delivery.ledger.auditing import AuditLedger
from eed_delivery.operations.refusals import UnknownKey


@dataclass(frozen=True, slots=True)
class AlertRuleView:
    """A rule, its last alert (UTC, None for never), and how often it was met after that."""

    rule: AlertRule | AlertFact
    last_alert_at: datetime | None
    times_since_then: int


@dataclass(frozen=True, slots=True)
class AlertRules:
    """All rules. `problem` says why the times of their last alerts cannot be read. None if they can."""

    rules: tuple[AlertRuleView, ...]
    problem: str | None


@dataclass(frozen=True, slots=True)
class TriedReceiver:
    """What became of a test by one way; `problem` is "" when it was handed over."""

    receiver: str
    problem: str


@dataclass(frozen=True, slots=True)
class MetricFilters:
    """Rules for CloudWatch by their names, and why it cannot have the others."""

    filters: Mapping[str, MetricFilter]
    left_out: Mapping[str, str]


class Alerting:
    """Lists rules and tries them. `receivers_of` gives the ways of the rule that is called so."""

    def __init__(
        self,
        settings: AlertsSettings,
        ledger: Callable[[], AlertLedger],
        receivers_of: Callable[[str], Sequence[AlertReceiver]],
        audit: Callable[[], AuditLedger],
    ) -> None:
        self._settings = settings
        self._ledger = ledger
        self._channels_of = receivers_of
        self._audit = audit

    def rules(self) -> AlertRules:
        """All rules. Without the database they are worth seeing all the same."""
        rules = self._settings.all_rules
        told: dict[str, AlertReport] = {}
        problem = None
        try:
            told = self._ledger().told([rule.name for rule in rules]) if rules else {}
        except DatabaseGone as error:
            problem = str(error)
        return AlertRules(tuple(_view(rule, told.get(rule.name)) for rule in rules), problem)

    def metric_filters(self) -> MetricFilters:
        """The rules about log lines, for CloudWatch. Facts are figures there already (`metrics.cloudwatch`)."""
        filters, left_out = {}, {}
        for rule in self._settings.rule:
            try:
                filters[rule.name] = metric_filter(rule)
            except NoPattern as reason:
                left_out[rule.name] = str(reason)
        return MetricFilters(filters, left_out)

    def test(self, rule: str) -> tuple[TriedReceiver, ...]:
        """Send an alert that says that it is a test, by each way of a rule. Raises `UnknownKey`.

        The rule's limits do not matter, and none of them is touched.
        """
        ways = self._channels_of(rule)
        if not ways:
            known = ", ".join(one.name for one in self._settings.all_rules) or "none yet"
            raise UnknownKey(f"there is no rule {rule}", which=f"rule {rule}", do=f"Rules: {known}.")
        self._audit().record(Act(ActKind.ALERT_TEST, object=ActObject.ALERT_RULE, key=rule))
        alert = self._test_alert(rule)
        return tuple(TriedReceiver(way.label, _tried(way, alert)) for way in ways)

    def _test_alert(self, rule: str) -> Alert:
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        level = next((one.level for one in self._settings.rule if one.name == rule), "error")
        said = {"todo": "nothing: if you read this, alerts reach you"}
        service, what = self._settings.service, "a test of this rule"
        return Alert(secrets.token_hex(8), service, host_name(), rule, level, what, now, said, test=True)


def _view(rule: AlertRule | AlertFact, told: AlertReport | None) -> AlertRuleView:
    return AlertRuleView(rule, told.sent_at if told else None, told.times if told else 0)


def _tried(way: AlertReceiver, alert: Alert) -> str:
    try:
        way.send(alert)
    except NotHandedOver as error:
        return str(error)
    return ""
