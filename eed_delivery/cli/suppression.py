"""`suppression list|add|remove` shows and changes whom we do not mail. Felt at the next claim."""

import shlex
from datetime import datetime

import click

from eed_delivery.cli import options, values
from eed_delivery.cli.options import takes_alone, takes_config
from eed_delivery.cli.output import record
from eed_delivery.cli.session import Session, pass_session
from eed_delivery.operations.refusals import InvalidRequest
from eed_delivery.operations.suppression.listing import (
    EVERY_EMAIL,
    EntriesPage,
    EntriesRequest,
    EntryPast,
    RemoveRequest,
    SuppressedAddress,
    SuppressionEntry,
    SuppressRequest,
)
from eed_delivery.reports.moments import when

PAST = "--expires is in the past, so the entry would have no effect."
TABLE_ROWS = 1000


@click.group()
def suppression() -> None:
    """Show and change the list of addresses that get no email."""


@suppression.command("list")
@click.option("--address", help="List only this address, or *@domain.")
@click.option("--domain", type=values.domain, help="List only addresses of this domain. Reads the whole list.")
@click.option(
    "--category", type=values.category, help="List only entries for this category. '' means those for every email."
)
@click.option(
    "--source", metavar="WORD", help="List only this source: bounce, complaint, unsubscribe, operator, import."
)
@click.option("--reason-contains", metavar="TEXT", help="List only entries with this in their reason.")
@click.option("--expired", is_flag=True, help="List expired entries instead of current ones.")
@click.option("--after", help="Start after this address, for the next page.")
@click.option("--format", "kind", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.option("--json", "kind", flag_value="json", help="Write JSON, like --format json.")
@click.option("--limit", type=click.IntRange(min=1), help=f"List about N entries. Default for a table: {TABLE_ROWS}.")
@takes_config
@pass_session
def list_entries(
    session: Session,
    address: str | None,
    domain: str | None,
    category: str | None,
    source: str | None,
    reason_contains: str | None,
    expired: bool,
    after: str | None,
    kind: str,
    limit: int | None,
) -> None:
    """List addresses that get no email, in alphabetical order.

    A page holds all entries of an address. For the whole list as CSV, with expired entries, see suppression export.

    \b
    Example:
      eed-delivery suppression list --source complaint --domain example.com
    """
    wanted = EntriesRequest(address, domain, category, source, expired, after, reason_contains)
    entries = session.operations.suppression
    if kind == "json":
        session.screen.json_array(
            map(record, entries.full_page(wanted, limit).entries if limit else entries.each(wanted))
        )
    else:
        _show(session, entries.full_page(wanted, limit or TABLE_ROWS))


def _show(session: Session, page: EntriesPage) -> None:
    columns = ("address", "category", "source", "since", "until", "reason")
    rows = [(e.address, e.category, e.source, e.created_at, e.expires_at, e.reason) for e in page.entries]
    session.screen.table(columns, rows, prose=("reason",), spare=("since", "source"))
    if not page.entries:
        session.screen.line("there are none")
    if page.next_after is not None:
        session.screen.line(
            f"only {len(page.entries):,} are shown. The next page: --after {shlex.quote(page.next_after)}"
        )


@suppression.command()
@click.argument("addresses", metavar="ADDRESS...", nargs=-1, required=True, type=values.listed_address)
@click.option("--reason", required=True, type=values.text, help="Say why. Kept with the entry.")
@click.option("--category", type=values.category, default=EVERY_EMAIL, help="Suppress only jobs of this category.")
@click.option("--expires", type=options.until, help="End after 12h, 30d, or at 2026-12-31T18:00:00Z. Default: never.")
@takes_config
@pass_session
def add(
    session: Session, addresses: tuple[str, ...], reason: str, category: str, expires: float | datetime | None
) -> None:
    """Add addresses to the list. An existing entry is prolonged, never shortened.

    '*@example.com' means every address of that domain, but not of its subdomains.

    \b
    Example:
      eed-delivery suppression add anna@example.com --reason "asked by phone" --category newsletter
    """
    try:
        added = session.operations.suppression.add(SuppressRequest(addresses, reason, category, expires))
    except EntryPast as error:
        raise click.UsageError(PAST) from error
    for each in added:
        if each.entry is not None:
            session.screen.line(f"{each.address} {_said(each)} {_scope(each.entry)}, {_end(each.entry)}")


def _said(found: SuppressedAddress) -> str:
    if found.added:
        return "is on the list"
    return "stays on the list longer" if found.prolonged else "was on the list already"


def _scope(entry: SuppressionEntry) -> str:
    return f"for the category {entry.category}" if entry.category else "for every email"


def _end(entry: SuppressionEntry) -> str:
    return f"until {when(entry.expires_at)}" if entry.expires_at else "indefinitely"


@suppression.command()
@click.argument("addresses", metavar="ADDRESS...", nargs=-1, required=True)
@click.option("--category", type=values.category, default=EVERY_EMAIL, help="Remove only the entry for this category.")
@click.option("--every-category", is_flag=True, help="Remove all entries, also those that recipients asked for.")
@click.option("--reason", type=values.text, help="Say why. Kept in the audit.")
@click.option(
    "--evidence", type=values.text, help="Say where the recipient's wish is kept, for a complaint or unsubscription."
)
@takes_alone
@takes_config
@pass_session
def remove(
    session: Session,
    addresses: tuple[str, ...],
    category: str,
    every_category: bool,
    reason: str | None,
    evidence: str | None,
) -> None:
    """Remove addresses from the list. The next job sends to them.

    Emails that a job has suppressed already stay so. Without --category, only the entry for every email is removed.
    Those for single categories stay. What a complaint or an unsubscription has made goes with --evidence only.

    \b
    Example:
      eed-delivery suppression remove anna@example.com
    """
    if every_category and category:
        raise click.UsageError("--every-category removes all entries. Leave it out, or leave out --category.")
    if session.alone and not reason:
        raise click.UsageError("--alone needs --reason.")
    try:
        request = RemoveRequest(addresses, None if every_category else category, reason, evidence)
        result = session.operations.suppression.remove(request)
    except InvalidRequest as error:
        raise click.BadParameter(str(error)) from error
    for each in result.removed:
        if each.gone:
            entries = f": {each.gone} entries" if each.gone > 1 else ""
            session.screen.line(f"{each.address} is off the list{entries}")
        for left in each.left:
            session.screen.line(f"{each.address} is still on it {_scope(left)}, {_end(left)}: {left.reason}")
    if result.refusal is not None:
        raise result.refusal
