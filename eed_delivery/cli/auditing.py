"""`audit` shows who did what, from where and why. `audit check` and `audit export` prove that nobody rewrote it."""

import json
from collections.abc import Iterable
from datetime import datetime
from itertools import islice
from typing import Any

import click

from eed_delivery.cli import options
from eed_delivery.cli.options import takes_config, takes_json
from eed_delivery.cli.output import STYLES, record
from eed_delivery.cli.session import Session, pass_session
from eed_delivery.operations.auditing import KINDS, AuditEntry, AuditRequest, Particulars

TABLE_ROWS = 100
COLUMNS = (
    *("at", "user", "sudo_user", "host", "surface", "act", "object", "key", "reason", "count"),
    *("counts", "before", "after", "command", "operation"),
)
_WHEN = "30m, 2h, 1d, or 2026-12-31T18:00:00Z"


@click.group(invoke_without_command=True)
@click.option("--job", metavar="JOB", type=options.key, help="List only acts on this job and its emails.")
@click.option("--email", metavar="EMAIL", type=options.key, help="List only acts on this email, by its key.")
@click.option("--person", metavar="NAME", help="List only acts of this Linux user, or of the caller of sudo.")
@click.option("--since", type=options.since, help=f"List only acts at or after this time: {_WHEN}.")
@click.option("--until", type=options.since, help=f"List only acts before this time: {_WHEN}.")
@click.option(
    "--kind", type=click.Choice(KINDS), metavar="ACT", help="List only acts of this kind, such as resume or report."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "csv", "json"]),
    default="table",
    show_default=True,
    help="Choose the output format.",
)
@click.option("--json", "form", flag_value="json", help="Print JSON, as --format json.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    metavar="N",
    help=f"List at most N acts. The default for a table is {TABLE_ROWS}.",
)
@takes_config
@pass_session
@click.pass_context
def audit(
    ctx: click.Context,
    session: Session,
    job: str | None,
    email: str | None,
    person: str | None,
    since: float | datetime | None,
    until: float | datetime | None,
    kind: str | None,
    form: str,
    limit: int | None,
) -> None:
    """List who did what, from where and why, the newest first.

    The audit records each act of an operator, each job that the service itself paused or ended, and each read of
    personal data. Its rows never change. CSV and JSON have all columns, and all acts unless --limit is given. This
    call is recorded as well. check and export prove that no row was changed, removed or added.

    \b
    Example:
      eed-delivery audit --job 42 --since 1d
    """
    if ctx.invoked_subcommand is not None:
        return
    request = AuditRequest(job, email, person, kind, since, until)
    entries = session.operations.auditing.each(request)
    if form == "json":
        session.screen.json_array(map(_record, islice(entries, limit)))
    elif form == "csv":
        session.screen.csv(COLUMNS, (_row(entry) for entry in islice(entries, limit)))
    else:
        _show(session, entries, limit or TABLE_ROWS)


@audit.command()
@takes_json
@takes_config
@pass_session
def check(session: Session, as_json: bool) -> None:
    """Check that no row of the audit was changed, removed, added or moved.

    Each row has the hash of the row before it. All hashes are calculated again, and each problem is named. Compare the
    head with the heads in the log, which the service writes once an hour (audit_head). The exit code is 1 if something
    is wrong.

    \b
    Example:
      eed-delivery audit check
    """
    found = session.operations.auditing.check()
    if as_json:
        session.screen.json(record(found))
    else:
        for problem in found.problems:
            session.screen.line(problem, STYLES["error"])
        erased = f" The texts of {found.erased:,} were erased." if found.erased else ""
        if not found.problems:
            session.screen.line(f"the chain of {found.rows:,} rows holds.{erased}")
        session.screen.line(f"its head is {found.head.sequence}:{found.head.hash}")
    if found.problems:
        raise click.exceptions.Exit(1)


@audit.command()
@takes_config
@pass_session
def export(session: Session) -> None:
    """Write the whole audit as JSON, one row a line, for docs/check_audit.py.

    The first line has the head of the chain. Each row has all columns and hashes. This call is recorded as well.

    \b
    Example:
      eed-delivery audit export > audit.jsonl
    """
    session.screen.json_lines(session.operations.auditing.export())


def _show(session: Session, entries: Iterable[AuditEntry], limit: int) -> None:
    found = list(islice(entries, limit + 1))
    columns = ("at", "by", "act", "object", "count", "host", "reason", "command")
    rows = [(e.at, e.who, e.act, _about(e), e.count, e.host, e.reason, e.command) for e in found[:limit]]
    session.screen.table(columns, rows, prose=("reason", "command"), spare=("host", "command", "count"))
    if not found:
        session.screen.line("there are none")
    if len(found) > limit:
        session.screen.line(f"only the {limit:,} newest are listed. Use --limit, or --format csv for all")


def _about(entry: AuditEntry) -> str:
    return " ".join(filter(None, (entry.object, entry.key if entry.key != entry.object else None)))


def _record(entry: AuditEntry) -> dict[str, Any]:
    facts = record(entry)
    return {name: facts[name] for name in COLUMNS}


def _row(entry: AuditEntry) -> list[object]:
    facts = _record(entry)
    return [_text(facts[name]) if name in ("counts", "before", "after") else facts[name] for name in COLUMNS]


def _text(particulars: Particulars | None) -> str | None:
    return None if particulars is None else json.dumps(dict(particulars), ensure_ascii=False)
