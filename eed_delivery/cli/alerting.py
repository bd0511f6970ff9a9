"""`eed-delivery alerts`: what somebody is told about, and whether they can be told."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import click

from eed_delivery.alerts.alert import Alert
from eed_delivery.alerts.channels import Channel, NotHandedOver, host_name
from eed_delivery.app.alerts import channels, channels_of
from eed_delivery.cli.failures import Failure
from eed_delivery.cli.options import takes_config, takes_json
from eed_delivery.cli.output import record, when
from eed_delivery.cli.session import Session, pass_session
from eed_delivery.config import AlertFact, AlertRule, AlertsSettings
from eed_delivery.errors import DatabaseGone, NotPossible
from eed_delivery.ledger.alerts.turns import AlertLedger, AlertReport

COLUMNS = ("rule", "looks for", "level", "audience", "last alert", "since then")


@click.group()
def alerts() -> None:
    """Alerts: list the rules, and try whether they reach anybody."""


@alerts.command("list")
@takes_json
@takes_config
@pass_session
def list_rules(session: Session, as_json: bool) -> None:
    """List the rules: what each looks for, who is told, when it was told last.

    \b
    Example:
      eed-delivery alerts list
    """
    rules = session.settings.alerts.all_rules
    told = _told(session, [rule.name for rule in rules])
    if as_json:
        session.screen.json([_as_json(rule, told.get(rule.name)) for rule in rules])
        return
    if not rules:
        session.screen.prose("There are no rules: nobody is told of anything. docs/alerts.md has some to begin with.")
        return
    rows = [_row(rule, told.get(rule.name)) for rule in rules]
    session.screen.table(COLUMNS, rows, prose=("looks for", "audience"), spare=("level", "since then"))


def _told(session: Session, names: list[str]) -> dict[str, AlertReport]:
    """When each was told last; without the database the rules are worth seeing all the same."""
    if not names:
        return {}
    try:
        return AlertLedger(session.database, session.settings.alerts.most_per_hour).told(names)
    except DatabaseGone as error:
        click.echo(f"warning: when they were told last is not known: {error}", err=True)
        return {}


def _row(rule: AlertRule | AlertFact, told: AlertReport | None) -> tuple[object, ...]:
    level = rule.level if isinstance(rule, AlertRule) else ""
    last, times = (told.sent_at, told.times) if told else (None, 0)
    return rule.name, _looks_for(rule), level, ", ".join(rule.audience), when(last) or "never", times


def _looks_for(rule: AlertRule | AlertFact) -> str:
    if isinstance(rule, AlertFact):
        return f"{rule.fact} >= {rule.at_least:g}"
    what = rule.word if rule.word is not None else f"/{rule.regex}/"
    return f"{what}" if rule.count == 1 else f"{what}, {rule.count} times in {rule.window_seconds:g} s"


def _as_json(rule: AlertRule | AlertFact, told: AlertReport | None) -> dict[str, object]:
    return {
        **rule.model_dump(),
        "last_alert_at": told.sent_at if told else None,
        "times_since_then": told.times if told else 0,
    }


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of a test by one way; `problem` is "" when it was handed over."""

    channel: str
    problem: str


@alerts.command("test")
@click.argument("rule")
@takes_json
@takes_config
@pass_session
def test_rule(session: Session, rule: str, as_json: bool) -> None:
    """Send an alert of RULE that says that it is a test, and tell what became of it by each way.

    Rule's words, cool-down and limits do not matter, and none of them is touched. Ends with exit code 1 when it could
    not be handed over by every way.

    \b
    Example:
      eed-delivery alerts test breaker
    """
    ways = _ways(session, rule)
    alert = _test_alert(session.settings.alerts, rule)
    tried = list(_try(ways, alert))
    if as_json:
        session.screen.json([record(one) for one in tried])
    else:
        rows = [(one.channel, one.problem or "handed over") for one in tried]
        session.screen.table(("channel", "test"), rows, prose=("test",))
    failed = sum(1 for one in tried if one.problem)
    if failed:
        raise Failure(f"error: {failed} of {len(tried)} ways did not take it.")


def _ways(session: Session, rule: str) -> list[Channel]:
    settings, makers = session.settings, session.app.alert_makers()
    found = channels_of(settings.alerts, rule, channels(settings, makers))
    if not found:
        known = ", ".join(one.name for one in settings.alerts.all_rules) or "none yet"
        raise NotPossible(f"there is no rule {rule}. Rules: {known}.")
    return found


def _test_alert(settings: AlertsSettings, rule: str) -> Alert:
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    level = next((one.level for one in settings.rule if one.name == rule), "error")
    said = {"todo": "nothing; if you read this, the alert reaches you"}
    return Alert(
        secrets.token_hex(8), settings.service, host_name(), rule, level, "a test of this rule", now, said, test=True
    )


def _try(ways: list[Channel], alert: Alert) -> Iterator[Tried]:
    for way in ways:
        try:
            way.send(alert)
        except NotHandedOver as error:
            yield Tried(way.label, str(error))
        else:
            yield Tried(way.label, "")
