"""`dead-letters`: messages in dead-letter queues that name no email of ours."""

import click

from eed_delivery.cli import values
from eed_delivery.cli.options import takes_config, takes_json
from eed_delivery.cli.output import record
from eed_delivery.cli.session import Session, pass_session
from eed_delivery.reports.moments import both_times

ROWS = 50


@click.group("dead-letters")
def dead_letters() -> None:
    """List, show and delete messages in dead-letter queues that name no email of ours."""


@dead_letters.command("list")
@click.option("--limit", type=click.IntRange(min=1, max=1000), default=ROWS, show_default=True, help="List at most N.")
@takes_json
@takes_config
@pass_session
def list_letters(session: Session, limit: int, as_json: bool) -> None:
    """List foreign dead letters, the newest first.

    \b
    Example:
      eed-delivery dead-letters list
    """
    letters = session.operations.dead_letters.page(limit).letters
    if as_json:
        session.screen.json_array(map(record, letters))
        return
    columns = ("letter", "channel", "characters", "seen", "problem")
    rows = [(one.letter_id, one.channel, one.size, one.seen_at, one.problem) for one in letters]
    session.screen.table(columns, rows, prose=("problem",), spare=("characters",))
    if not letters:
        session.screen.line("there are none")


@dead_letters.command("show")
@click.argument("letter", type=click.IntRange(min=1))
@takes_json
@takes_config
@pass_session
def show_letter(session: Session, letter: int, as_json: bool) -> None:
    """Show a foreign dead letter, with addresses masked.

    \b
    Example:
      eed-delivery dead-letters show 7
    """
    found = session.operations.dead_letters.view(letter)
    if as_json:
        session.screen.json(record(found))
        return
    session.screen.line(f"letter {found.letter_id} of channel {found.channel}, SQS message {found.sqs_id}")
    session.screen.prose(found.problem, "problem  ")
    session.screen.line(f"sent     {both_times(found.sent_at) or 'unknown'}")
    session.screen.line(f"seen     {both_times(found.seen_at)}, received {found.receives:,} times")
    session.screen.line(f"body     {found.size:,} characters, which begin with")
    for line in found.body.splitlines():
        session.screen.line(line)


@dead_letters.command("delete")
@click.argument("letter", type=click.IntRange(min=1))
@click.option("--reason", required=True, type=values.text, help="Say why. Kept in the audit.")
@takes_config
@pass_session
def delete_letter(session: Session, letter: int, reason: str) -> None:
    """Delete a foreign dead letter for good. The sweeper does it in its next round.

    \b
    Example:
      eed-delivery dead-letters delete 7 --reason "a test of the old server"
    """
    session.operations.dead_letters.delete(letter, reason)
    session.screen.line(f"letter {letter} is deleted in the sweeper's next round")
