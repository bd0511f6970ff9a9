"""`eed-delivery webhooks` runs, lists, retries and tests webhooks."""

import click

from eed_delivery.cli.options import takes_config, takes_json
from eed_delivery.cli.output import record
from eed_delivery.cli.running import supervise
from eed_delivery.cli.session import Session, pass_session
from eed_delivery.operations.webhooks import (
    DONE,
    FAILED,
    MOST_LISTED,
    WAITING,
    WebhooksRequest,
    WebhooksView,
)
from eed_delivery.reports.moments import when

COLUMNS = ("id", "kind", "job", "email", "tries", "occurred", "next", "status", "answer")


@click.group()
def webhooks() -> None:
    """Run, list, retry and test the webhooks to your own system."""


@webhooks.command("run")
@takes_config
@pass_session
def run_alone(session: Session) -> None:
    """Run only the webhook sender. `run` includes it if webhooks.url is set.

    \b
    Example:
      eed-delivery webhooks run
    """
    session.operations.webhooks.check_settings()  # report a mistake in them now, and not from every process
    supervise(session, "webhooks")


@webhooks.command("list")
@click.option(
    "--state",
    type=click.Choice([WAITING, FAILED, DONE]),
    default=FAILED,
    show_default=True,
    help="List pending, failed or delivered messages.",
)
@click.option(
    "--limit", type=click.IntRange(1, MOST_LISTED), default=50, show_default=True, help="List at most N messages."
)
@click.option("--after", help="Start after this place, for the next page.")
@takes_json
@takes_config
@pass_session
def list_them(session: Session, state: str, limit: int, after: str | None, as_json: bool) -> None:
    """Show the endpoint's health and its messages.

    --state chooses pending, failed or delivered messages.

    \b
    Example:
      eed-delivery webhooks list --state waiting
    """
    found = session.operations.webhooks.view(WebhooksRequest(state, limit, after))
    endpoint, counts, rows = found.endpoint, found.counts, found.webhooks
    if as_json:
        standing: dict[str, object] = {**record(endpoint), "down": endpoint.down}
        session.screen.json({"endpoint": standing, "counts": counts, "webhooks": rows, "next_after": found.next_after})
        return
    session.screen.line(_standing(session, found))
    session.screen.line(", ".join(f"{counts.get(one, 0):,} {one}" for one in (WAITING, DONE, FAILED)))
    if rows:
        session.screen.line()
        session.screen.table(
            COLUMNS,
            [
                (r.message_id, r.kind, r.job, r.email, r.tries, r.occurred_at, r.due_at, r.status, r.answer)
                for r in rows
            ],
            prose=("answer",),
            spare=("occurred", "tries", "next"),
        )
    if found.next_after is not None:
        session.screen.line(f"only {len(rows):,} are shown. The next page: --after {found.next_after}")


def _standing(session: Session, found: WebhooksView) -> str:
    endpoint = found.endpoint
    if not found.configured:
        return "webhooks.url is not set: webhooks are off"
    if endpoint.paused_at is not None:
        because = f" ({endpoint.reason})" if endpoint.reason else ""
        again = session.command("webhooks", "test")
        gone = f"because it answered that it is gone{because}"
        return f"paused since {when(endpoint.paused_at)}, {gone}. When it is back:  {again}"
    if endpoint.down:
        return f"down after {endpoint.failures} failures in a row, next try at {when(endpoint.probe_at)}"
    return "up"


@webhooks.command()
@click.argument("ids", metavar="ID...", nargs=-1)
@click.option("--all", "every", is_flag=True, help="Retry all failed messages.")
@takes_config
@pass_session
def retry(session: Session, ids: tuple[str, ...], every: bool) -> None:
    """Send failed messages again with the same id. Needs no restart.

    \b
    Example:
      eed-delivery webhooks retry msg_17_0c9f6c2d9bb1a7e3f0d2c4b5
    """
    if bool(ids) == every:
        raise click.UsageError("Name the messages by their ids, or use --all.")
    webhooks = session.operations.webhooks
    if every:
        session.screen.line(f"{webhooks.retry_all():,} will be sent again")
        return
    result = webhooks.retry(ids)
    for one in result.retried:
        session.screen.line(f"{one} will be sent again")
    if result.refusal is not None:
        raise result.refusal


@webhooks.command()
@takes_config
@pass_session
def test(session: Session) -> None:
    """Send a test to the endpoint, and show its reply.

    The test has the type webhook.test. If the endpoint accepts it, a pause ends.

    \b
    Example:
      eed-delivery webhooks test
    """
    taken = session.operations.webhooks.test()
    said = f": {taken.words}" if taken.words else ""
    session.screen.line(f"accepted: {taken.status}{said}")
    if taken.pause_ended:
        session.screen.line("its pause has ended")
