"""Users who log in with a password, their sessions, and API tokens. Each act is in the audit."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from eed_delivery.access.rights import EXTRA_RIGHTS, RIGHTS_OF, OperatorRole, Right
from eed_delivery.access.secrets import LONGEST_PASSWORD, SHORTEST_PASSWORD, digest, new_api_token
from eed_delivery.database.clock import DAY_SECONDS
from eed_delivery.ledger.access.sessions import SessionLedger, StoredSession
from eed_delivery.ledger.access.tokens import StoredToken, TokenLedger
from eed_delivery.ledger.access.users import StoredUser, UserLedger
from eed_delivery.ledger.actor import SERVICE, Actor
from eed_delivery.model import KEY_LENGTH
from eed_delivery.operations.refusals import InvalidRequest, OperationRefused, UnknownKey, WrongState
from eed_delivery.operations.values import seconds_until_moment

__all__ = [
    "EXTRA_RIGHTS", "NewToken", "NewTokenRequest", "NewUserRequest", "OperatorRole", "Right", "SessionOperations",
    "StoredSession", "StoredToken", "StoredUser", "TokenOperations", "UserOperations",
]  # fmt: skip

LONGEST_DAYS = 365
"""Limit: how long a token is valid."""


def _checked_name(name: str) -> str:
    if not name or name != name.strip() or not name.isprintable() or len(name) > KEY_LENGTH:
        raise InvalidRequest(
            f"a name has 1 to {KEY_LENGTH} printable characters and no blank at its ends", which="name"
        )
    return name


def _checked_user_name(name: str) -> str:
    """The audit calls a token `token NAME`, and the service `service`. Nobody else may be called so."""
    first = _checked_name(name).split()[0].casefold()
    if first in ("token", SERVICE.user):
        raise InvalidRequest(f"a user's name must not begin with {first}: the audit would mistake it", which="name")
    return name


@dataclass(frozen=True, slots=True)
class NewUserRequest:
    """A user to add, with a role, and rights beyond it. Raises `InvalidRequest`, which never quotes the password."""

    name: str
    password: str
    role: OperatorRole
    rights: tuple[Right, ...] = ()

    def __post_init__(self) -> None:
        _checked_user_name(self.name)
        if not SHORTEST_PASSWORD <= len(self.password) <= LONGEST_PASSWORD:
            what = f"a password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters"
            raise InvalidRequest(what, which="password")
        if self.password.casefold() == self.name.casefold():
            raise InvalidRequest("the password must not be the name", which="password")
        if set(self.rights) - EXTRA_RIGHTS:
            names = " and ".join(sorted(EXTRA_RIGHTS))
            raise InvalidRequest(f"only {names} are given by name. The others come with the role", which="rights")

    def __repr__(self) -> str:
        return f"NewUserRequest({self.name!r}, {self.role})"


@dataclass(frozen=True, slots=True)
class NewTokenRequest:
    """A token to add. `scopes` limit it to some of its role's rights, and may add rights that no role has. `lasts` is
    seconds, or a time in UTC with its zone. Raises `InvalidRequest`."""

    name: str
    role: OperatorRole
    lasts: float | datetime
    scopes: tuple[Right, ...] = ()

    def __post_init__(self) -> None:
        _checked_name(self.name)
        if beyond := set(self.scopes) - RIGHTS_OF[self.role] - EXTRA_RIGHTS:
            names = ", ".join(sorted(beyond))
            raise InvalidRequest(f"the role {self.role} does not have the right {names}", which="scopes")


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token that was just made. `secret` is to be shown once, and is not kept."""

    stored: StoredToken
    secret: str

    def __repr__(self) -> str:
        return f"NewToken({self.stored.name!r})"


class UserOperations:
    """Adds, lists and revokes users. Each call raises `DatabaseGone`, or `OperationRefused`."""

    def __init__(self, users: UserLedger, *, may_add_admins: bool = True) -> None:
        """Not `may_add_admins`: who added one could be the second person of their own act."""
        self._users = users
        self._may_add_admins = may_add_admins

    def all(self) -> tuple[StoredUser, ...]:
        """All users by name, the revoked ones too."""
        return tuple(self._users.all())

    def add(self, new: NewUserRequest) -> None:
        """Add a user. A revoked one of this name is replaced."""
        if not self._may_add_admins and Right.ADMIN in RIGHTS_OF[new.role]:
            what = "operators.second_person is set, and another admin could approve what you ask for"
            raise OperationRefused(what, which="role", do="Add an admin on the command line.")
        try:
            from eed_delivery.access.passwords import hashed  # of the extra `operators`
        except ModuleNotFoundError as error:
            what = f"the package {error.name} is not installed, which hashes passwords"
            raise OperationRefused(what, do="Install it with: pip install 'eed-delivery[operators]'") from error
        if not self._users.add(new.name, hashed(new.password), new.role, sorted(set(new.rights))):
            what = f"there is a user {new.name} already"
            raise WrongState(what, which=f"user {new.name}", do="Revoke it first, then add it anew.")

    def revoke(self, name: str) -> None:
        """End a user's access at once, with all sessions."""
        if not self._users.revoke(name):
            raise UnknownKey(f"there is no user {name} who has access", which=f"user {name}")


class TokenOperations:
    """Adds, lists and revokes tokens, as `UserOperations` does users."""

    def __init__(self, tokens: TokenLedger, now: Callable[[], datetime]) -> None:
        """`now` is the database's clock."""
        self._tokens = tokens
        self._now = now

    def all(self) -> tuple[StoredToken, ...]:
        """All tokens by name, also those that are revoked or have expired."""
        return tuple(self._tokens.all())

    def add(self, new: NewTokenRequest) -> NewToken:
        """Make a token."""
        seconds = seconds_until_moment(new.lasts, self._now()) or 0.0
        if not 0 < seconds <= LONGEST_DAYS * DAY_SECONDS:
            raise InvalidRequest(f"a token is valid for at most {LONGEST_DAYS} days from now on", which="lasts")
        secret = new_api_token()
        stored = self._tokens.add(new.name, digest(secret), new.role, sorted(set(new.scopes)), seconds)
        if stored is None:
            what = f"there is or was a token {new.name}"
            raise WrongState(what, which=f"token {new.name}", do="Give another name: the audit knows a token by it.")
        return NewToken(stored, secret)

    def revoke(self, name: str) -> None:
        """End a token at once."""
        if not self._tokens.revoke(name):
            raise UnknownKey(f"there is no token {name} that is not revoked", which=f"token {name}")


class SessionOperations:
    """Lists and ends sessions, as `UserOperations` does users."""

    def __init__(self, sessions: SessionLedger, who: Actor) -> None:
        self._sessions = sessions
        self._who = who

    def all(self) -> tuple[StoredSession, ...]:
        """The sessions that last, the latest first."""
        return tuple(self._sessions.all())

    def revoke(self, session: str) -> None:
        """End a session at once."""
        if not self._sessions.revoke(session, self._who):
            raise UnknownKey(f"there is no session {session}, or it has ended", which=f"session {session}")
