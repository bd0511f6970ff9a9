"""Who may use the pages and the API: users with a password, API tokens, and sessions."""

import json
from collections.abc import Callable
from typing import Annotated, Any

from flask import Response
from pydantic import Field, SecretStr

from eed_delivery.access.rights import granted, scoped
from eed_delivery.api.keyed import once
from eed_delivery.api.routes import ApiRoutes
from eed_delivery.api.schemas import Asked, Moment, Told, Utc, as_json
from eed_delivery.operations.access import NewTokenRequest, NewUserRequest, OperatorRole, Right
from eed_delivery.operators.asking import refuse_beyond
from eed_delivery.operators.shell import json_answer, operations_now

Name = Annotated[str, Field(min_length=1, max_length=191)]
Rights = Annotated[tuple[Right, ...], Field(max_length=len(Right))]


class NamePath(Asked):
    """The name in a path."""

    name: Name


class SessionPath(Asked):
    """The id of a session in a path. It cannot be used to log in."""

    session: Annotated[str, Field(pattern="^[0-9a-f]{16}$")]


class UserAnswer(Told):
    """A user. `rights` are those beyond the role's."""

    name: str
    role: str
    rights: list[str]
    made_by: str
    made_at: Utc
    revoked_at: Utc | None


class UsersAnswer(Told):
    """All users by name, the revoked ones too."""

    items: list[UserAnswer]


class NewUserBody(Asked):
    """A user to add."""

    name: Name
    password: Annotated[SecretStr, Field(max_length=1024)]
    role: OperatorRole
    rights: Rights = ()


class TokenAnswer(Told):
    """A token. No `scopes`: all rights of its role."""

    name: str
    role: str
    scopes: list[str]
    made_by: str
    made_at: Utc
    expires_at: Utc
    used_at: Utc | None
    revoked_at: Utc | None


class TokensAnswer(Told):
    """All tokens by name, also those that are revoked or have expired."""

    items: list[TokenAnswer]


class NewTokenBody(Asked):
    """A token to add. It is valid for 365 days at most."""

    name: Name
    role: OperatorRole
    scopes: Rights = ()
    expires_at: Moment


class NewTokenAnswer(Told):
    """A token that was just made. A repeat with the same Idempotency-Key gets no `token`: it is shown once."""

    name: str
    token: str | None


class RevokedAnswer(Told):
    """What has ended."""

    revoked: str


class SessionAnswer(Told):
    """A session that lasts."""

    id: str
    user: str
    made_at: Utc
    seen_at: Utc
    ends_at: Utc


class SessionsAnswer(Told):
    """The sessions that last, the latest first."""

    items: list[SessionAnswer]


def routes() -> ApiRoutes:
    """The routes of these subjects."""
    r = ApiRoutes("access", "Users, API tokens and sessions.")
    _add_users(r)
    _add_tokens(r)
    _add_sessions(r)
    return r


def _add_users(r: ApiRoutes) -> None:
    @r.get("/users", Right.ADMIN, UsersAnswer, "user list")
    def list_users() -> Response:
        """List the people who log in with a password."""
        items = [UserAnswer.model_validate(one) for one in operations_now().users.all()]
        return json_answer(as_json(UsersAnswer(items=items)))

    @r.post("/users", Right.ADMIN, UserAnswer, "user add NAME --role ROLE")
    def add_user(body: NewUserBody) -> Response:
        """Add a user. A revoked one of this name is replaced."""
        new = NewUserRequest(body.name, body.password.get_secret_value(), body.role, body.rights)
        refuse_beyond(granted(body.role, body.rights).rights)
        users = operations_now().users
        public = json.dumps([body.name, body.role, body.rights])  # a plain hash of a password is not kept
        return once(lambda: users.add(new), lambda: _user(body.name), body=public)

    @r.delete("/users/<path:name>", Right.ADMIN, RevokedAnswer, "user revoke {name}")
    def revoke_user(path: NamePath) -> Response:
        """End a user's access at once, with all sessions."""
        return _revoked(path.name, operations_now().users.revoke)


def _add_tokens(r: ApiRoutes) -> None:
    @r.get("/tokens", Right.ADMIN, TokensAnswer, "token list")
    def list_tokens() -> Response:
        """List API tokens. None of them is shown again."""
        items = [TokenAnswer.model_validate(one) for one in operations_now().tokens.all()]
        return json_answer(as_json(TokensAnswer(items=items)))

    @r.post("/tokens", Right.ADMIN, NewTokenAnswer, "token add NAME --role ROLE --expires 365d")
    def add_token(body: NewTokenBody) -> Response:
        """Make a token, and show it once."""
        new = NewTokenRequest(body.name, body.role, body.expires_at, body.scopes)
        refuse_beyond(scoped(body.role, body.scopes).rights)
        tokens, made = operations_now().tokens, list[str]()
        return once(
            lambda: made.append(tokens.add(new).secret),
            lambda: as_json(NewTokenAnswer(name=body.name, token=made[0] if made else None)),
            kept=lambda: as_json(NewTokenAnswer(name=body.name, token=None)),
        )

    @r.delete("/tokens/<path:name>", Right.ADMIN, RevokedAnswer, "token revoke {name}")
    def revoke_token(path: NamePath) -> Response:
        """End a token at once."""
        return _revoked(path.name, operations_now().tokens.revoke)


def _add_sessions(r: ApiRoutes) -> None:
    @r.get("/sessions", Right.ADMIN, SessionsAnswer, "session list")
    def list_sessions() -> Response:
        """List the sessions of users who have logged in with a password."""
        items = [SessionAnswer.model_validate(one) for one in operations_now().sessions.all()]
        return json_answer(as_json(SessionsAnswer(items=items)))

    @r.delete("/sessions/<session>", Right.ADMIN, RevokedAnswer, "session revoke {session}")
    def revoke_session(path: SessionPath) -> Response:
        """End a session at once."""
        return _revoked(path.session, operations_now().sessions.revoke)


def _user(name: str) -> dict[str, Any]:
    found = {one.name: one for one in operations_now().users.all()}
    return as_json(UserAnswer.model_validate(found[name]))


def _revoked(name: str, revoke: Callable[[str], object]) -> Response:
    return once(lambda: revoke(name), lambda: as_json(RevokedAnswer(revoked=name)))
