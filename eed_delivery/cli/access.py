"""`user` and `token`: who may use the pages and the API."""

import sys

import click

from eed_delivery.cli import options
from eed_delivery.cli.lists import show_list
from eed_delivery.cli.options import takes_config, takes_json
from eed_delivery.cli.output import record
from eed_delivery.cli.session import Session, pass_session
from eed_delivery.operations.access import (
    EXTRA_RIGHTS,
    NewTokenRequest,
    NewUserRequest,
    OperatorRole,
    Right,
    StoredToken,
    StoredUser,
)
from eed_delivery.reports.moments import when

ROLES = click.Choice([role.value for role in OperatorRole])
LASTS = "90d, 12h, or 2026-12-31T18:00:00Z"


@click.group()
def user() -> None:
    """Add, list and revoke people who log in to the pages with a password."""


@user.command("add")
@click.argument("name")
@click.option("--role", required=True, type=ROLES, help="Choose what the user may do.")
@click.option(
    "--right",
    "rights",
    multiple=True,
    type=click.Choice(sorted(right.value for right in EXTRA_RIGHTS)),
    help="Give a right that no role has. Repeat it for several.",
)
@click.option("--password-stdin", is_flag=True, help="Read the password from stdin, its first line.")
@takes_config
@pass_session
def add_user(session: Session, name: str, role: str, rights: tuple[str, ...], password_stdin: bool) -> None:
    """Add a user. The password is asked for at the terminal.

    A user who was revoked is replaced. To change a password or a role, revoke the user first.

    \b
    Example:
      eed-delivery user add anna --role operator --right see_recipients
    """
    password = _password(from_stdin=password_stdin)
    new = NewUserRequest(name, password, OperatorRole(role), tuple(map(Right, rights)))
    session.operations.users.add(new)
    session.screen.line(f"user {name} is added, with the role {role}")


def _password(*, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise click.UsageError("There is no terminal to ask for the password at. Use --password-stdin.")
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))


@user.command("list")
@takes_json
@takes_config
@pass_session
def list_users(session: Session, as_json: bool) -> None:
    """List users, also those that were revoked.

    \b
    Example:
      eed-delivery user list
    """
    columns = ("user", "role", "rights", "added by", "added", "revoked")
    found = session.operations.users.all()
    show_list(session, found, columns, _user_row, as_json=as_json, spare=("added by", "added"))


def _user_row(one: StoredUser) -> tuple[object, ...]:
    return (one.name, one.role, " ".join(one.rights), one.made_by, one.made_at, one.revoked_at)


@user.command("revoke")
@click.argument("name")
@takes_config
@pass_session
def revoke_user(session: Session, name: str) -> None:
    """End a user's access at once, with all sessions.

    \b
    Example:
      eed-delivery user revoke anna
    """
    session.operations.users.revoke(name)
    session.screen.line(f"user {name} is revoked")


@click.group()
def token() -> None:
    """Add, list and revoke API tokens."""


@token.command("add")
@click.argument("name")
@click.option("--role", required=True, type=ROLES, help="Choose what the token may do.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice([right.value for right in Right]),
    help="Limit it to this right. Repeat it for several. Without it the token has all rights of its role.",
)
@click.option("--expires", required=True, type=options.until, help=f"Say how long it is valid, 365d at most: {LASTS}.")
@takes_json
@takes_config
@pass_session
def add_token(session: Session, name: str, role: str, scopes: tuple[str, ...], expires: float, as_json: bool) -> None:
    """Make an API token, and show it. It cannot be shown again.

    \b
    Example:
      eed-delivery token add old-server --role operator --scope nudge --expires 365d
    """
    made = session.operations.tokens.add(NewTokenRequest(name, OperatorRole(role), expires, tuple(map(Right, scopes))))
    if as_json:
        session.screen.json({**record(made.stored), "token": made.secret})
        return
    session.screen.line(f"token {name} is valid until {when(made.stored.expires_at)}. It is shown only now:")
    session.screen.line(made.secret)


@token.command("list")
@takes_json
@takes_config
@pass_session
def list_tokens(session: Session, as_json: bool) -> None:
    """List API tokens, also those that were revoked or have expired.

    \b
    Example:
      eed-delivery token list
    """
    columns = ("token", "role", "scopes", "added by", "expires", "last used", "revoked")
    found = session.operations.tokens.all()
    show_list(session, found, columns, _token_row, as_json=as_json, spare=("added by", "last used"))


def _token_row(one: StoredToken) -> tuple[object, ...]:
    return (one.name, one.role, " ".join(one.scopes), one.made_by, one.expires_at, one.used_at, one.revoked_at)


@token.command("revoke")
@click.argument("name")
@takes_config
@pass_session
def revoke_token(session: Session, name: str) -> None:
    """End a token at once.

    \b
    Example:
      eed-delivery token revoke old-server
    """
    session.operations.tokens.revoke(name)
    session.screen.line(f"token {name} is revoked")
