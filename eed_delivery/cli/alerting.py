"""`eed-delivery alerts`: list the alert rules, test their receivers, and hand the rules to Terraform."""

import json

import click

from eed_delivery.cli.failures import Failure
from eed_delivery.cli.options import takes_config, takes_json
from eed_delivery.cli.output import record
from eed_delivery.cli.session import Session, pass_session
from eed_delivery.config import AlertFact, AlertRule
from eed_delivery.operations.alerting import AlertRuleView
from eed_delivery.reports.moments import when

COLUMNS = ("rule", "looks for", "level", "audience", "last alert", "since then")


@click.group()
def alerts() -> None:
    """List alert rules, test whether their alerts arrive, and hand the rules to Terraform."""


@alerts.command("list")
@takes_json
@takes_config
@pass_session
def list_rules(session: Session, as_json: bool) -> None:
    """List the alert rules with their conditions, audiences and last alerts.

    \b
    Example:
      eed-delivery alerts list
    """
    found = session.operations.alerting.rules()
    if found.problem is not None:
        click.echo(f"warning: the times of the last alerts cannot be read: {found.problem}", err=True)
    if as_json:
        session.screen.json([_as_json(view) for view in found.rules])
        return
    if not found.rules:
        session.screen.prose("There are no rules, so no alerts are sent. docs/alerts.md has some to begin with.")
        return
    rows = [_row(view) for view in found.rules]
    session.screen.table(COLUMNS, rows, prose=("looks for", "audience"), spare=("level", "since then"))


def _row(view: AlertRuleView) -> tuple[object, ...]:
    rule, last = view.rule, when(view.last_alert_at) or "never"
    level = rule.level if isinstance(rule, AlertRule) else ""
    return rule.name, _looks_for(rule), level, ", ".join(rule.audience), last, view.times_since_then


def _looks_for(rule: AlertRule | AlertFact) -> str:
    if isinstance(rule, AlertFact):
        return f"{rule.fact} >= {rule.at_least:g}" if rule.at_least is not None else f"{rule.fact} <= {rule.at_most:g}"
    what = rule.word if rule.word is not None else f"/{rule.regex}/"
    return f"{what}" if rule.count == 1 else f"{what}, {rule.count} times in {rule.window_seconds:g} s"


def _as_json(view: AlertRuleView) -> dict[str, object]:
    return {
        **view.rule.model_dump(),
        "last_alert_at": view.last_alert_at,
        "times_since_then": view.times_since_then,
    }


@alerts.command("test")
@click.argument("rule")
@takes_json
@takes_config
@pass_session
def test_rule(session: Session, rule: str, as_json: bool) -> None:
    """Send a test alert of RULE, and show the result of each receiver.

    The rule's conditions, cool-down and limits do not apply, and the test does not change them. Exit code 1 means that
    a receiver did not accept it.

    \b
    Example:
      eed-delivery alerts test breaker
    """
    tried = session.operations.alerting.test(rule)
    if as_json:
        session.screen.json([record(one) for one in tried])
    else:
        rows = [(one.receiver, one.problem or "handed over") for one in tried]
        session.screen.table(("receiver", "test"), rows, prose=("test",))
    failed = sum(1 for one in tried if one.problem)
    if failed:
        raise Failure(f"error: {failed} of {len(tried)} receivers did not accept the test alert.")


@alerts.command("terraform")
@click.option("--leave-out", is_flag=True, help="Leave out rules that CloudWatch has no pattern for.")
@takes_config
@pass_session
def print_terraform(session: Session, leave_out: bool) -> None:
    """Print the rules about log lines as a variable of the Terraform module `observability`.

    CloudWatch then counts the lines by metric filters, and has an alarm for each rule.

    \b
    Example:
      eed-delivery alerts terraform > rules.auto.tfvars.json
    """
    found = session.operations.alerting.metric_filters()
    level = "warning" if leave_out else "error"
    for rule, reason in found.left_out.items():
        click.echo(f"{level}: CloudWatch has no pattern for rule {rule}: {reason}", err=True)
    if found.left_out and not leave_out:
        raise Failure("error: nothing is printed. Change these rules, or use --leave-out.")
    click.echo(json.dumps({"alert_rules": {name: record(one) for name, one in found.filters.items()}}, indent=2))
