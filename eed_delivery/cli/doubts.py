"""`doubts` lists the emails in doubt of all jobs, and settles them from a relay's log."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import click

from eed_delivery.cli import values
from eed_delivery.cli.options import takes_config, takes_json
from eed_delivery.cli.session import Session, pass_session
from eed_delivery.errors import NotPossible
from eed_delivery.operations.doubts.workbench import (
    SETTLED_AS,
    USUAL,
    DoubtGroup,
    DoubtsMatched,
    LogVerdict,
    SettleDoubtsRequest,
    log_zone,
)
from eed_delivery.reports.moments import when

LISTED = 100
_log = click.argument("log", metavar="LOG", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
_zone = click.option(
    "--zone", default="UTC", show_default=True, help="Name the zone of the log's times, such as Europe/Berlin."
)


@click.group()
def doubts() -> None:
    """List the emails in doubt of all jobs, and settle them from the relay's log."""


@doubts.command("list")
@click.option("--message-ids", is_flag=True, help="Print only their Message-IDs, for grep -F -f.")
@takes_json
@takes_config
@pass_session
def list_doubts(session: Session, message_ids: bool, as_json: bool) -> None:
    """List the emails in doubt by worker and minute, and those that may become one.

    \b
    Example:
      eed-delivery doubts list --message-ids >ids
    """
    workbench = session.operations.doubts
    view = workbench.view()
    if message_ids:
        for group in view.groups:
            for doubt in group.doubts:
                session.screen.line(workbench.message_id(doubt))
        return
    if as_json:
        session.screen.json(
            {
                "as_of": view.as_of,
                "count": view.count,
                "groups": [_group(session, group) for group in view.groups],
                "on_the_wire": list(view.on_the_wire),
            }
        )
        return
    rows = [(_whose(group), group.minute, len(group.doubts), ", ".join(group.jobs[:5])) for group in view.groups]
    session.screen.table(("worker", "handed over", "doubts", "jobs"), rows, prose=("jobs",))
    if not rows:
        session.screen.line("there are none")
    for one in view.on_the_wire:
        becomes = f", becomes a doubt at {when(one.lease_until)}" if one.lease_until else ""
        session.screen.line(f"email {one.key} is on the wire since {when(one.wire_at)}{becomes}")
    if rows:
        session.screen.line(f"settle them from the relay's log:  {session.command('doubts', 'match', 'LOG')}")


@doubts.command()
@_log
@_zone
@takes_json
@takes_config
@pass_session
def match(session: Session, log: Path, zone: str, as_json: bool) -> None:
    """Show what a relay's log proves of each email in doubt. Nothing is changed.

    LOG is a log of Postfix, Exim, KumoMTA or SES, unpacked, or - for stdin. Give the whole log, not what grep found:
    only a log that covers the time of the hand-over proves that an email is not there.

    \b
    Example:
      zcat mail.log.1.gz | eed-delivery doubts match - --zone Europe/Berlin
    """
    with _opened(log) as file:
        found = session.operations.doubts.match(file, log_zone(zone))
    if as_json:
        session.screen.json(_record(found))
        return
    rows = [(one.doubt.key, one.doubt.job_key, one.verdict.value, one.evidence) for one in found.matches]
    session.screen.table(("email", "job", "verdict", "evidence"), rows[:LISTED], prose=("evidence",))
    if len(rows) > LISTED:
        session.screen.line(f"only the first {LISTED} are listed. --json has all")
    for line in _summary(found):
        session.screen.line(line)
    if rows:
        words = ("doubts", "settle", str(log), "--zone", zone, "--selection", found.plan.etag, "--reason", "WHY")
        session.screen.line(f"settle them:  {session.command(*words)}")


@doubts.command()
@_log
@_zone
@click.option("--selection", required=True, metavar="ETAG", help="Name what you saw, as match has printed it.")
@click.option(
    "--verdict",
    "verdicts",
    multiple=True,
    type=click.Choice([verdict.value for verdict in SETTLED_AS]),
    help=f"Settle only those. The default is {', '.join(USUAL)}.",
)
@click.option("--reason", required=True, type=values.text, help="Say why. Kept with the emails and in the audit.")
@takes_json
@takes_config
@pass_session
def settle(
    session: Session, log: Path, zone: str, selection: str, verdicts: tuple[str, ...], reason: str, as_json: bool
) -> None:
    """Settle the emails in doubt by what a relay's log proves, in one act.

    Accepted ones become sent. Bounced ones, and those that are not there, become failed and can be requeued. The line
    of the log is kept beside each. The log is read again: if the doubts have changed since match, nothing is done.

    \b
    Example:
      eed-delivery doubts settle mail.log --selection 5f1c0a9be2d34471 --reason "relay restarted at 02:30"
    """
    request = SettleDoubtsRequest(reason, selection, tuple(map(LogVerdict, verdicts)) or USUAL)
    workbench = session.operations.doubts
    with _opened(log) as file:
        plan = workbench.match(file, log_zone(zone)).plan
    done = workbench.settle(plan, request)
    if as_json:
        session.screen.json(done)
        return
    session.screen.line(f"{done.sent:,} emails are settled as sent, and {done.failed:,} as failed")
    if done.left:
        session.screen.line(f"{done.left:,} had changed meanwhile, or are files, and are left as they are")


@contextmanager
def _opened(log: Path) -> Iterator[IO[bytes]]:
    if str(log) == "-":
        yield sys.stdin.buffer
        return
    try:
        with log.open("rb") as file:
            yield file
    except OSError as error:
        raise NotPossible(f"{log}: {error.strerror}") from error


def _whose(group: DoubtGroup) -> str:
    return " or ".join(group.workers) or "unknown"


def _group(session: Session, group: DoubtGroup) -> dict[str, object]:
    message_id = session.operations.doubts.message_id
    emails = [
        {"email": one.key, "job": one.job_key, "message_id": message_id(one), "handed_over_at": one.wire_at}
        for one in group.doubts
    ]
    return {"workers": list(group.workers), "minute": group.minute, "count": len(emails), "doubts": emails}


def _summary(found: DoubtsMatched) -> Iterator[str]:
    servers = " and ".join(found.servers)
    yield f"{found.lines:,} lines of {servers}, from {when(found.first) or '?'} to {when(found.last) or '?'}"
    yield ", ".join(f"{count:,} {verdict.value}" for verdict, count in found.plan.counts.items())
    if found.problem:
        yield f"of no email it is proven that the relay never had it: {found.problem}"


def _record(found: DoubtsMatched) -> dict[str, object]:
    items = [
        {"email": one.doubt.key, "job": one.doubt.job_key, "verdict": one.verdict.value, "evidence": one.evidence}
        for one in found.matches
    ]
    facts = ("servers", "lines", "first", "last", "clock_minutes", "problem")
    counts = {verdict.value: count for verdict, count in found.plan.counts.items()}
    return {
        **{name: getattr(found, name) for name in facts},
        "counts": counts,
        "selection": found.plan.etag,
        "doubts": items,
    }
