"""`session`: who is logged in to the pages with a password."""

import click

from eed_delivery.cli.lists import show_list
from eed_delivery.cli.options import takes_config, takes_json
from eed_delivery.cli.session import Session, pass_session
from eed_delivery.operations.access import StoredSession


@click.group()
def session() -> None:
    """List and end sessions of users who have logged in with a password."""


@session.command("list")
@takes_json
@takes_config
@pass_session
def list_sessions(here: Session, as_json: bool) -> None:
    """List the sessions that last, the latest first.

    \b
    Example:
      eed-delivery session list
    """
    columns = ("session", "user", "since", "last request", "ends")
    show_list(here, here.operations.sessions.all(), columns, _row, as_json=as_json, spare=("since",))


def _row(one: StoredSession) -> tuple[object, ...]:
    return (one.id, one.user, one.made_at, one.seen_at, one.ends_at)


@session.command("revoke")
@click.argument("session_id", metavar="SESSION")
@takes_config
@pass_session
def revoke_session(here: Session, session_id: str) -> None:
    """End a session at once. To end all access of a user, see user revoke.

    \b
    Example:
      eed-delivery session revoke 5f1d0a7c93be2468
    """
    here.operations.sessions.revoke(session_id)
    here.screen.line(f"session {session_id} is ended")
