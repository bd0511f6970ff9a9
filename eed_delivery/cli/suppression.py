"""`suppression list|add|remove`: whom we do not mail, and an operator's word on it. Felt at the next claim."""

import shlex
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import click

from eed_delivery.addresses import NotAnAddress, listed, shown
from eed_delivery.cli import options
from eed_delivery.cli.deciding import text
from eed_delivery.cli.options import takes_config
from eed_delivery.cli.output import record, when
from eed_delivery.cli.session import Session, pass_session
from eed_delivery.errors import NotPossible
from eed_delivery.ledger.suppression.listing import Entered, SuppressionEntry, SuppressionFilter, SuppressionList
from eed_delivery.ledger.suppression.statements import EVERY_EMAIL
from eed_delivery.source.access import CATEGORY_LENGTH

TABLE_ROWS = 1000
SOURCE = "operator"


def address(value: str) -> str:
    """One address that can be mailed, or *@domain."""
    try:
        listed(value)
    except NotAnAddress as error:
        raise click.BadParameter(f"{value!r} is not an address: {error}") from error
    return value.strip()


def domain(value: str) -> str:
    """A domain, with or without what stands before it."""
    name = value.rpartition("@")[2]
    try:
        return listed(f"@{name}").removeprefix("@")
    except NotAnAddress as error:
        raise click.BadParameter(f"{value!r} is not a domain: {error}") from error


def category(value: str) -> str:
    """The name of a category, as jobs have it."""
    name = value.strip()
    if not name.isprintable() or len(name) > CATEGORY_LENGTH:
        raise click.BadParameter(f"a category has up to {CATEGORY_LENGTH} printable characters")
    return name


@click.group()
def suppression() -> None:
    """Look at and change the list of addresses that are not mailed."""


@suppression.command("list")
@click.option("--address", help="Only this address, or *@domain.")
@click.option("--domain", type=domain, help="Only addresses of this domain. Reads the whole list.")
@click.option("--category", type=category, help="Only those for jobs of this category; '' for those for every email.")
@click.option("--source", metavar="WORD", help="Only of this source: bounce, complaint, unsubscribe, operator, import.")
@click.option("--expired", is_flag=True, help="Those whose time is over, in place of those that count.")
@click.option("--after", help="Only those after this address: for the next page.")
@click.option("--format", "kind", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.option("--json", "kind", flag_value="json", help="The same as --format json.")
@click.option("--limit", type=click.IntRange(min=1), help=f"About so many; a table shows {TABLE_ROWS} by itself.")
@takes_config
@pass_session
def list_entries(
    session: Session,
    address: str | None,
    domain: str | None,
    category: str | None,
    source: str | None,
    expired: bool,
    after: str | None,
    kind: str,
    limit: int | None,
) -> None:
    """List addresses that are not mailed, in their order. The entries of one address are never on two pages.

    For the whole list as CSV, with what has expired, see suppression export.

    \b
    Example:
      eed-delivery suppression list --source complaint --domain example.com
    """
    wanted = SuppressionFilter(address, domain, category, source, expired)
    found = SuppressionList(session.database).entries(wanted, after or "")
    if kind == "json":
        session.screen.json_array(map(_record, _page(found, limit)[0] if limit else found))
    else:
        _show(session, *_page(found, limit or TABLE_ROWS))


def _record(entry: SuppressionEntry) -> dict[str, Any]:
    return record(replace(entry, address=shown(entry.address)))


def _page(found: Iterator[SuppressionEntry], limit: int) -> tuple[list[SuppressionEntry], bool]:
    """The first `limit`, with what else there is of the last one's address; and whether there are more."""
    shown: list[SuppressionEntry] = []
    for entry in found:
        if len(shown) >= limit and entry.address != shown[-1].address:
            return shown, True
        shown.append(entry)
    return shown, False


def _show(session: Session, page: list[SuppressionEntry], more: bool) -> None:
    columns = ("address", "category", "source", "since", "until", "reason")
    rows = [(shown(e.address), e.category, e.source, e.created_at, e.expires_at, e.reason) for e in page]
    session.screen.table(columns, rows, prose=("reason",), spare=("since", "source"))
    if not page:
        session.screen.line("there are none")
    if more:
        session.screen.line(
            f"only {len(page):,} are shown; the next page: --after {shlex.quote(shown(page[-1].address))}"
        )


@suppression.command()
@click.argument("addresses", metavar="ADDRESS...", nargs=-1, required=True, type=address)
@click.option("--reason", required=True, type=text, help="Kept with the entry, for whoever asks next year.")
@click.option("--category", type=category, default=EVERY_EMAIL, help="Only for jobs of this category.")
@click.option("--expires", type=options.until, help="For 12h, 30d, or until 2026-12-31T18:00:00Z; else for ever.")
@takes_config
@pass_session
def add(
    session: Session, addresses: tuple[str, ...], reason: str, category: str, expires: float | datetime | None
) -> None:
    """Put addresses on the list. An entry that is there already is prolonged, never shortened.

    '*@example.com' stands for every address of that domain, but not of the domains below it.

    \b
    Example:
      eed-delivery suppression add anna@example.com --reason "asked by phone" --category newsletter
    """
    until = moment_until(session, expires)
    entries = SuppressionList(session.database)
    for each in addresses:
        entered = entries.enter([SuppressionEntry(each, category, reason, SOURCE, expires_at=until)])
        for entry in entries.of(each):
            if entry.category == category:
                session.screen.line(f"{each} {_said(entered)} {_scope(entry)}, {_end(entry)}")


def _said(entered: Entered) -> str:
    if entered.added:
        return "is on the list"
    return "stays on the list longer" if entered.prolonged else "was on the list already"


def moment_until(session: Session, expires: float | datetime | None) -> datetime | None:
    """When an entry made now ends, by the database's clock and in UTC. None: never."""
    if expires is None:
        return None
    now = session.reporting.now()
    until = expires.replace(tzinfo=None) if isinstance(expires, datetime) else now + timedelta(seconds=expires)
    if until <= now:
        raise click.UsageError("--expires is past: the entry would count for nothing.")
    return until


def _scope(entry: SuppressionEntry) -> str:
    return f"for the category {entry.category}" if entry.category else "for every email"


def _end(entry: SuppressionEntry) -> str:
    return f"until {when(entry.expires_at)}" if entry.expires_at else "for ever"


@suppression.command()
@click.argument("addresses", metavar="ADDRESS...", nargs=-1, required=True)
@click.option(
    "--category", type=category, default=EVERY_EMAIL, help="The entry for this category in place of that one."
)
@click.option("--every-category", is_flag=True, help="All entries, those that the recipients wished for too.")
@takes_config
@pass_session
def remove(session: Session, addresses: tuple[str, ...], category: str, every_category: bool) -> None:
    """Take addresses off the list. What is suppressed in a job already stays so; the next job mails them.

    Without --category it is the entry for every email; those for single categories stay.

    \b
    Example:
      eed-delivery suppression remove anna@example.com
    """
    if every_category and category:
        raise click.UsageError("--every-category takes all; leave it out, or leave out --category.")
    entries = SuppressionList(session.database)
    for each in addresses:
        if not entries.of(each):  # an earlier release may have taken what can be no address
            address(each)
    missing = [each for each in addresses if not _remove(session, entries, each, None if every_category else category)]
    if missing:
        what = f" for the category {category}" if category else "" if every_category else " for every email"
        raise NotPossible(f"there was no entry{what} of {', '.join(missing)}")


def _remove(session: Session, entries: SuppressionList, each: str, category: str | None) -> bool:
    gone = entries.remove(each, category)
    if gone:
        session.screen.line(f"{each} is off the list{f': {gone} entries' if gone > 1 else ''}")
    for entry in entries.of(each):
        session.screen.line(f"{each} is still on it {_scope(entry)}, {_end(entry)}: {entry.reason}")
    return gone > 0
