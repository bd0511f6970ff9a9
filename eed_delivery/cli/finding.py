"""`find` looks for a customer's emails over all jobs."""

import click

from eed_delivery.cli.options import takes_config, takes_json
from eed_delivery.cli.output import record
from eed_delivery.cli.session import Session, pass_session
from eed_delivery.operations.searching import SearchKind, SearchRequest, SearchResult

LISTED = 100
MOST = 1000


@click.command()
@click.argument("text", metavar="TEXT")
@click.option(
    "--as",
    "kind",
    type=click.Choice([kind.value for kind in SearchKind]),
    help="Say what TEXT is, where it could be several things.",
)
@takes_json
@takes_config
@pass_session
def find(session: Session, text: str, kind: str | None, as_json: bool) -> None:
    """Find emails of all jobs by recipient address, key or Message-ID, and jobs by key or name.

    An address is found however it is spelt. What is looked for is in the audit.

    \b
    Example:
      eed-delivery find anna@example.com
      eed-delivery find 1047.0@mail.example.com
    """
    searching = session.operations.searching
    kinds = (SearchKind(kind),) if kind else searching.kinds(text)
    found = SearchResult()
    for one in kinds:
        if found.is_empty:
            found = searching.page(SearchRequest(text, one), MOST if as_json else LISTED)
    if as_json:
        emails = [{**record(email), "job": found.job_key(email)} for email in found.emails]
        session.screen.json({"emails": emails, "jobs": list(found.jobs), "more": found.next_after is not None})
        return
    _show(session, found)


def _show(session: Session, found: SearchResult) -> None:
    if found.is_empty:
        session.screen.line("nothing was found")
    if found.emails:
        columns = ("email", "job", "recipient", "state", "outcome", "changed", "reason")
        rows = [
            (one.key, found.job_key(one), one.recipient, one.state, one.outcome, one.changed_at, one.detail)
            for one in found.emails
        ]
        session.screen.table(columns, rows, prose=("reason",), spare=("outcome", "changed"))
    if found.jobs:
        jobs = [(job.key, job.name, job.state, job.created_at) for job in found.jobs]
        session.screen.table(("job", "name", "state", "created"), jobs, prose=("name",))
    if found.next_after is not None:
        session.screen.line(f"only the first {LISTED} are listed. emails --to lists all")
