"""`person show|erase`: what is stored about an address, and its erasure."""

import sys

import click

from eed_delivery.cli import values
from eed_delivery.cli.options import takes_config, takes_json
from eed_delivery.cli.session import Session, pass_session
from eed_delivery.errors import NotPossible
from eed_delivery.operations.persons import EraseRequest, EraseResult

KINDS = {
    "emails": "emails",
    "attempts": "attempts",
    "events": "events",
    "entries": "entries of the suppression list",
    "former_addresses": "former addresses",
    "webhooks": "webhooks",
    "jobs": "jobs",
    "domain_holds": "domain holds",
}
NOT_OURS = (
    "the delivery server's own tables were not changed. Erase the address there too, because a later job to it brings "
    "it back"
)


@click.group()
def person() -> None:
    """Show and erase what is stored about a person's address."""


@person.command()
@click.argument("address", metavar="ADDRESS")
@takes_config
@pass_session
def show(session: Session, address: str) -> None:
    """Write everything that the ledger stores about an address as JSON.

    All spellings of an address are one. After an erasure, the same address or its hash finds what is left. The command
    itself is recorded in the audit. The delivery server's own tables are not read.

    \b
    Example:
      eed-delivery person show anna@example.com > anna.json
    """
    view = session.operations.persons.show(address)
    head = {
        "address": view.address,
        "pseudonym": view.pseudonym,
        "erased_at": list(view.erased_at),
        "suppressed": view.suppressed,
    }
    rows = ({"table": row.table, **row.values} for row in view.rows)
    session.screen.json_object(head, "rows", rows)


@person.command()
@click.argument("address", metavar="ADDRESS", type=values.address)
@click.option("--reason", required=True, type=values.text, help="Say why. Kept in the audit, without addresses.")
@click.option("--suppress", is_flag=True, help="Send no email to the address from now on.")
@click.option("--yes", is_flag=True, help="Skip the question.")
@takes_json
@takes_config
@pass_session
def erase(session: Session, address: str, reason: str, suppress: bool, yes: bool, as_json: bool) -> None:
    """Replace an address by a keyed hash in the ledger, and remove the replies to it.

    Its entries on the suppression list stay as hashes, and still count. Emails to it that are not settled yet are
    refused. If the command breaks off, call it again. The delivery server's own tables are not changed.

    \b
    Example:
      eed-delivery person erase anna@example.com --reason "her request of 3 May"
    """
    request = EraseRequest(address, reason, suppress)
    persons = session.operations.persons
    persons.check(request)
    _ask(yes)
    result = persons.erase(request)
    if as_json:
        counts = {name: result.counts.get(name, 0) for name in KINDS}
        session.screen.json({"pseudonym": result.pseudonym, "suppressed": result.suppressed, **counts})
    else:
        _tell(session, result)
    if result.refusal is not None:
        raise result.refusal


def _ask(yes: bool) -> None:
    """Ask the person at the terminal. Without a terminal, refuse at once instead of waiting indefinitely."""
    if yes:
        return
    question = "What the ledger stores about this address will be erased. This cannot be undone"
    if not sys.stdin.isatty():
        raise NotPossible(f"{question}, and there is no terminal to ask at. Add --yes.")
    click.confirm(f"{question}. Go on?", abort=True, err=True)


def _tell(session: Session, result: EraseResult) -> None:
    done = ", ".join(f"{result.counts[name]:,} {words}" for name, words in KINDS.items() if result.counts.get(name))
    session.screen.line(f"erased in: {done}" if done else "there was nothing to erase")
    session.screen.line(f"its hash: {result.pseudonym}")
    listed = "it stays on the suppression list" if result.suppressed else "it is not on the suppression list"
    session.screen.line(listed)
    session.screen.line(NOT_OURS)
