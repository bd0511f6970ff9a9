"""`operations` and `approvals` follow and decide about acts that take a while. Pages and API start them."""

import click

from eed_delivery.cli import values
from eed_delivery.cli.lists import show_list
from eed_delivery.cli.options import takes_alone, takes_config, takes_json
from eed_delivery.cli.output import record
from eed_delivery.cli.registering import is_submission, registered_by
from eed_delivery.cli.session import Session, pass_session
from eed_delivery.cli.submissions import left_job
from eed_delivery.errors import NotPossible
from eed_delivery.operations.long_acts.approving import ApprovalView
from eed_delivery.operations.long_acts.starting import Asker, LongAct, shown_selection

ROWS = 50
COLUMNS = ("operation", "kind", "state", "done", "total", "who", "begun", "reason")


@click.group()
def operations() -> None:
    """List, show, stop and continue operations that pages and API have started."""


@operations.command("list")
@click.option("--unfinished", is_flag=True, help="List only operations that have not ended.")
@click.option("--limit", type=click.IntRange(min=1, max=1000), default=ROWS, show_default=True, help="List at most N.")
@takes_json
@takes_config
@pass_session
def list_operations(session: Session, unfinished: bool, limit: int, as_json: bool) -> None:
    """List operations, the newest first.

    \b
    Example:
      eed-delivery operations list --unfinished
    """
    acts = session.operations.long_acts.page(limit, unfinished=unfinished).acts
    show_list(session, acts, COLUMNS, _row, as_json=as_json, plain=_plain, prose=("reason",), spare=("begun", "who"))


def _row(act: LongAct) -> tuple[object, ...]:
    return (act.id, act.kind.value, act.state.value, act.done, act.total, act.who.name, act.made_at, act.reason)


def _plain(act: LongAct) -> dict[str, object]:
    facts = record(act)
    for name in ("after", "tries", "selection_etag"):
        facts.pop(name)
    return {**facts, "who": act.who.name, "selection": shown_selection(act)}


@operations.command("show")
@click.argument("operation")
@takes_json
@takes_config
@pass_session
def show_operation(session: Session, operation: str, as_json: bool) -> None:
    """Show how far an operation has come.

    \b
    Example:
      eed-delivery operations show 2d90667ac9deb7aa
    """
    act = session.operations.long_acts.view(operation)
    if as_json:
        session.screen.json(_plain(act))
        return
    session.screen.line(_told(act))
    session.screen.prose(act.reason or "no reason was given", "reason   ")
    for name, value in shown_selection(act).items():
        session.screen.prose(f"{name} {_words(value)}", "about    ")
    for error in act.errors:
        session.screen.prose(error, "error    ")
    for name, value in (act.result or {}).items():
        session.screen.prose(f"{name} {value}", "result   ")
    _say_what_is_left(session, act)


def _say_what_is_left(session: Session, act: LongAct) -> None:
    if (left := session.operations.incomplete_jobs.left_by(act)) is not None:
        session.screen.prose(left_job(session, left), "left     ")


def _words(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _told(act: LongAct) -> str:
    total = "" if act.total is None else f" of {act.total:,}"
    skipped = f", {act.skipped:,} had changed before" if act.skipped else ""
    return f"operation {act.id} ({act.kind}, by {act.who.name}) is {act.state}: {act.done:,}{total} done{skipped}"


@operations.command("stop")
@click.argument("operation")
@click.option("--reason", required=True, type=values.text, help="Say why. Kept in the audit.")
@takes_config
@pass_session
def stop_operation(session: Session, operation: str, reason: str) -> None:
    """Stop an operation. What it has done stays done.

    \b
    Example:
      eed-delivery operations stop 2d90667ac9deb7aa --reason "the wrong job"
    """
    stopped = session.operations.long_acts.stop(operation, reason)
    session.screen.line(_told(stopped))
    _say_what_is_left(session, stopped)


@operations.command("continue")
@click.argument("operation")
@click.option("--reason", type=values.text, help="Say why. Kept in the audit.")
@takes_config
@pass_session
def continue_operation(session: Session, operation: str, reason: str | None) -> None:
    """Continue an operation that waits behind its first ones (canary), or the registration of a job.

    A registration goes on by itself where the role operators runs. Elsewhere this command does it.

    \b
    Example:
      eed-delivery operations continue 2d90667ac9deb7aa
    """
    acts = session.operations.long_acts
    if is_submission(found := acts.view(operation)):
        session.screen.line(f"job {registered_by(session, found).key} is registered")
        return
    session.screen.line(_told(acts.go_on(operation, reason)))


@click.group()
def approvals() -> None:
    """List, approve and refuse what a second person has to decide (operators.second_person)."""


@approvals.command("list")
@click.option("--waiting", is_flag=True, help="List only what waits for a decision.")
@takes_json
@takes_config
@pass_session
def list_approvals(session: Session, waiting: bool, as_json: bool) -> None:
    """List what was asked, the newest first.

    \b
    Example:
      eed-delivery approvals list --waiting
    """
    found = session.operations.approvals.page(ROWS, waiting=waiting)
    columns = ("operation", "kind", "state", "total", "asked by", "until", "decided by", "reason")
    spare = ("decided by", "total")
    show_list(session, found, columns, _asked, as_json=as_json, plain=_view, prose=("reason",), spare=spare)


def _view(one: ApprovalView) -> dict[str, object]:
    return {**record(one.approval), "act": _plain(one.act)}


def _asked(view: ApprovalView) -> tuple[object, ...]:
    one, act = view.approval, view.act
    return (act.id, act.kind.value, one.state, act.total, one.asked_by, one.until_at, one.decided_by, act.reason)


@approvals.command("approve")
@click.argument("operation")
@click.option("--reason", required=True, type=values.text, help="Say why. Kept in the audit.")
@takes_alone
@takes_config
@pass_session
def approve(session: Session, operation: str, reason: str) -> None:
    """Approve an operation, as root, with --alone.

    The command line does not know who types, because names there are claims. So nobody can be a second person here.
    Approve by the pages or the API instead.

    \b
    Example:
      eed-delivery approvals approve 2d90667ac9deb7aa --alone --reason "nobody else can be reached"
    """
    if not session.alone:
        raise NotPossible(
            "names on the command line are claims, so nobody can be a second person here. "
            "Approve by the pages or the API. Root can act with --alone."
        )
    act = session.operations.approvals.approve(operation, f"alone: {reason}", _nobody(session), alone=True)
    session.screen.line(_told(act))


@approvals.command("refuse")
@click.argument("operation")
@click.option("--reason", required=True, type=values.text, help="Say why. Kept in the audit.")
@takes_config
@pass_session
def refuse(session: Session, operation: str, reason: str) -> None:
    """Refuse an operation. It ends, and nothing of it is done.

    \b
    Example:
      eed-delivery approvals refuse 2d90667ac9deb7aa --reason "ask the relay first"
    """
    session.screen.line(_told(session.operations.approvals.refuse(operation, reason, _nobody(session))))


def _nobody(session: Session) -> Asker:
    """Who types, as far as it is known."""
    return Asker(f"cli: {session.operations.actor.name}", is_person=False)
