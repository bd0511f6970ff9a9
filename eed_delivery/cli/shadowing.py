"""`eed-delivery shadow`: follow the old server, send nothing, and compare its emails with ours."""

import re
import threading
from pathlib import Path

import click

from eed_delivery.cli import options, values
from eed_delivery.cli.options import takes_config, takes_json
from eed_delivery.cli.output import record
from eed_delivery.cli.registering import GOES_ON
from eed_delivery.cli.session import Session, pass_session
from eed_delivery.errors import NotPossible
from eed_delivery.operations.long_acts.starting import LongActState
from eed_delivery.operations.shadowing.accepting import AcceptRequest
from eed_delivery.operations.shadowing.orders import MOST_DAYS, ShadowRequest
from eed_delivery.operations.shadowing.results import ShadowCounts, ShadowGroupView, ShadowView
from eed_delivery.private_files import create_private
from eed_delivery.reports.moments import both_times, when

NOT_CLEAN = 1
"""The exit code."""
_SAFE = re.compile(r"[^A-Za-z0-9._-]")
_COLUMNS = ("same", "accepted", "differs", "only old", "only new", "not comparable")
_OPERATION = click.argument("operation", required=False)


@click.group()
def shadow() -> None:
    """Follow the old server, send nothing, and compare its emails with ours."""


@shadow.command()
@click.option(
    "--days",
    type=click.FloatRange(min=0, max=MOST_DAYS, min_open=True),
    default=7.0,
    show_default=True,
    help="Follow it for N days.",
)
@click.option("--job", "jobs", multiple=True, type=options.key, help="Compare this job only, as it is now. Repeatable.")
@takes_json
@takes_config
@pass_session
def start(session: Session, days: float, jobs: tuple[str, ...], as_json: bool) -> None:
    """Begin to follow the old server.

    The role operators does the work, or the command shadow follow. Jobs that the old server takes from now on are
    compared once it has ended them. Nothing is sent, and nothing is written to the source.

    \b
    Examples:
      eed-delivery shadow start --days 7
      eed-delivery shadow start --job 42
    """
    act = session.operations.shadow_orders.start(ShadowRequest(days, jobs))
    if as_json:
        session.screen.json({"operation": act.id})
        return
    what = f"compares {len(jobs)} jobs" if jobs else f"follows the old server for {days:g} days"
    session.screen.line(f"operation {act.id} {what}")


@shadow.command()
@_OPERATION
@takes_config
@pass_session
def follow(session: Session, operation: str | None) -> None:
    """Do a comparison in this process, until it ends.

    It is for hosts without the role operators. Of several processes one works, and the others wait for it.

    \b
    Example:
      eed-delivery shadow follow
    """
    operation = operation or session.operations.shadow_results.newest()
    step, wait = session.operations.shadow_step(operation), threading.Event().wait
    while (act := session.operations.long_acts.view(operation)).state in GOES_ON:
        wait(step())
    if act.state is not LongActState.DONE:
        raise NotPossible(f"operation {act.id} is {act.state}: {'; '.join(act.errors) or 'a person has stopped it'}")
    session.screen.line(f"operation {operation} has ended")


@shadow.command("list")
@takes_json
@takes_config
@pass_session
def list_all(session: Session, as_json: bool) -> None:
    """List the comparisons, the newest first.

    \b
    Example:
      eed-delivery shadow list
    """
    acts = session.operations.shadow_results.list_all()
    if as_json:
        session.screen.json([{"operation": one.id, "state": one.state, "made_at": one.made_at} for one in acts])
        return
    rows = [(one.id, one.state, when(one.made_at), one.done, when(one.ended_at)) for one in acts]
    session.screen.table(("operation", "state", "begun", "emails", "ended"), rows)


@shadow.command()
@_OPERATION
@takes_json
@takes_config
@pass_session
def status(session: Session, operation: str | None, as_json: bool) -> None:
    """Show how far a comparison is, job by job. Default: the newest one.

    \b
    Example:
      eed-delivery shadow status
    """
    found = _view(session, operation)
    if as_json:
        session.screen.json(_as_json(found))
        return
    _head(session, found)
    session.screen.line()
    rows = [(job.key, job.state, job.counts.emails, *_figures(job.counts), job.unsent) for job in found.jobs]
    session.screen.table(("job", "state", "emails", *_COLUMNS, "unsent there"), rows)


@shadow.command()
@_OPERATION
@click.option("--job", type=options.key, help="List the emails of this job that are not the same.")
@click.option("--emails", is_flag=True, help="List emails, and not kinds of differences.")
@click.option("--limit", type=click.IntRange(min=1, max=1000), default=50, show_default=True, help="List N emails.")
@takes_json
@takes_config
@pass_session
def differences(
    session: Session, operation: str | None, job: str | None, emails: bool, limit: int, as_json: bool
) -> None:
    """List the kinds of differences, with how many emails have each.

    \b
    Examples:
      eed-delivery shadow differences
      eed-delivery shadow differences --emails --job 42
    """
    results = session.operations.shadow_results
    if not (emails or job):
        found = _view(session, operation)
        if as_json:
            session.screen.json([record(one) for one in found.groups])
        else:
            _groups(session, found.groups)
        return
    several = results.emails(operation or results.newest(), job, limit=limit)
    if as_json:
        session.screen.json([record(one) for one in several])
        return
    rows = [(one.job, one.key, one.verdict, "; ".join(what for _, what in one.differences)) for one in several]
    session.screen.table(("job", "email", "verdict", "differences"), rows, prose=("differences",))


@shadow.command()
@click.argument("email", type=options.key)
@click.option("--operation", help="Name the comparison. Default: the newest one.")
@click.option(
    "--keep", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Write both messages, as .eml."
)
@takes_json
@takes_config
@pass_session
def show(session: Session, email: str, operation: str | None, keep: Path | None, as_json: bool) -> None:
    """Show how one email differs, and write both messages.

    \b
    Example:
      eed-delivery shadow show 1047 --keep both
    """
    results = session.operations.shadow_results
    operation = operation or results.newest()
    found = results.email(operation, email)
    if as_json:
        session.screen.json(record(found))
    else:
        session.screen.line(f"email {found.key} of job {found.job}: {found.verdict}")
        session.screen.table(("field", "difference"), found.differences, prose=("difference",))
    if keep is not None:
        _keep(session, operation, email, keep)


def _keep(session: Session, operation: str, email: str, directory: Path) -> None:
    made = session.operations.shadow_results.messages(operation, email)
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
        for side, content in (("new", made.ours), ("old", made.theirs)):
            if content is not None:
                path = directory / f"{_SAFE.sub('_', email)}.{side}.eml"
                with create_private(path) as file:
                    file.write(content)
                click.echo(str(path), err=True)
    except OSError as error:
        raise NotPossible(f"{directory}: {error.strerror}") from error


@shadow.command()
@click.argument("name")
@click.option("--field", required=True, help="Name the field that differs, as shadow differences does.")
@click.option("--pattern", required=True, help="Give a regular expression that the difference's description has.")
@click.option("--reason", required=True, type=values.text, help="Say why, for the others and for the audit.")
@takes_config
@pass_session
def accept(session: Session, name: str, field: str, pattern: str, reason: str) -> None:
    """Accept a kind of difference by a name. Its emails are counted as accepted, in this comparison and all others.

    \b
    Example:
      eed-delivery shadow accept footer --field html --pattern "old “Sent by our old" --reason "the footer is new"
    """
    session.operations.shadow_acceptances.accept(AcceptRequest(name, field, pattern, reason))
    session.screen.line(f"differences of {field} are accepted by the name {name}")


@shadow.command()
@click.argument("name")
@click.option("--reason", required=True, type=values.text, help="Say why, for the others and for the audit.")
@takes_config
@pass_session
def revoke(session: Session, name: str, reason: str) -> None:
    """Take back what was accepted by a name.

    \b
    Example:
      eed-delivery shadow revoke footer --reason "the footer has an error"
    """
    session.operations.shadow_acceptances.revoke(name, reason)
    session.screen.line(f"differences are not accepted any more by the name {name}")


@shadow.command()
@takes_json
@takes_config
@pass_session
def accepted(session: Session, as_json: bool) -> None:
    """List what is accepted, by the configuration and by people.

    \b
    Example:
      eed-delivery shadow accepted
    """
    rules = session.operations.shadow_acceptances.list_all()
    if as_json:
        session.screen.json([record(one) for one in rules])
        return
    rows = [(one.name, one.field, one.pattern, one.by, one.reason) for one in rules]
    session.screen.table(("name", "field", "pattern", "by", "reason"), rows, prose=("pattern", "reason"))


@shadow.command()
@_OPERATION
@takes_json
@takes_config
@pass_session
def report(session: Session, operation: str | None, as_json: bool) -> None:
    """Show what a comparison came to: counts, each job, each kind of difference, and a digest.

    The exit code is 0 if all emails are the same or accepted, and 1 if not.

    \b
    Example:
      eed-delivery shadow report
    """
    found = _view(session, operation)
    if as_json:
        session.screen.json(_as_json(found))
    else:
        _report(session, found)
    if not found.counts.is_clean or not found.counts.emails:
        raise SystemExit(NOT_CLEAN)


def _view(session: Session, operation: str | None) -> ShadowView:
    results = session.operations.shadow_results
    return results.view(operation or results.newest())


def _as_json(found: ShadowView) -> dict[str, object]:
    jobs = [{**record(one), "counts": record(one.counts)} for one in found.jobs]
    groups = [record(one) for one in found.groups]
    return {**record(found), "counts": record(found.counts), "jobs": jobs, "groups": groups}


def _head(session: Session, found: ShadowView) -> None:
    screen = session.screen
    until = f", ended {both_times(found.ended_at)}" if found.ended_at else ""
    screen.line(f"operation {found.operation}: {found.state}, begun {both_times(found.made_at)}{until}")
    for error in found.errors:
        screen.prose(error, "error: ")
    if found.waits:
        screen.prose(found.waits, "waits: ")
    figures = ", ".join(f"{count:,} {word}" for word, count in zip(_COLUMNS, _figures(found.counts), strict=True))
    screen.line(f"{found.counts.emails:,} emails of {len(found.jobs):,} jobs: {figures}")
    if found.stray_copies:
        screen.line(f"{found.stray_copies:,} copies belong to no email that was compared so far")


def _report(session: Session, found: ShadowView) -> None:
    screen = session.screen
    _head(session, found)
    screen.line(f"digest {found.digest}")
    for job in found.jobs:
        figures = ", ".join(f"{n:,} {word}" for word, n in zip(_COLUMNS, _figures(job.counts), strict=True) if n)
        screen.line(f"job {job.key} ({job.state}): {figures or 'nothing compared'}")
    if found.groups:
        screen.line()
        _groups(session, found.groups)


def _groups(session: Session, groups: list[ShadowGroupView]) -> None:
    rows = [(one.count, one.field, one.what, one.accepted_by or "-", one.email) for one in groups]
    columns = ("emails", "field", "difference", "accepted by", "first email")
    session.screen.table(columns, rows, prose=("difference",))


def _figures(counts: ShadowCounts) -> tuple[int, ...]:
    return counts.same, counts.accepted, counts.differs, counts.only_old, counts.only_new, counts.not_comparable
