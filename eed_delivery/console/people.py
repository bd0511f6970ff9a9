"""Who may use the pages and the API: users, tokens and sessions, added and revoked."""

from collections.abc import Callable, Collection, Mapping

from flask import Response

from eed_delivery.access.rights import granted, scoped
from eed_delivery.access.secrets import LONGEST_PASSWORD, SHORTEST_PASSWORD
from eed_delivery.console.acting import ActDone, Confirmation, FormField, confirmed
from eed_delivery.console.decisions import PageDecision, add_decisions
from eed_delivery.console.ends import LATER, NEVER, end_field, seconds_until_end
from eed_delivery.console.rendering import page
from eed_delivery.console.routes import BOTH, PageRoutes
from eed_delivery.console.settings import SECTION, SETTINGS
from eed_delivery.operations.access import (
    EXTRA_RIGHTS,
    NewToken,
    NewTokenRequest,
    NewUserRequest,
    OperatorRole,
    Right,
)
from eed_delivery.operations.refusals import InvalidRequest
from eed_delivery.operators.asking import refuse_beyond
from eed_delivery.operators.shell import operations_now

NAME = FormField("name", "Name", "It is in the audit. A token's name is never used again.", length=191)
ROLE = FormField("role", "Role", kind="select", choices=[(role.value, role.value) for role in OperatorRole])
PASSWORD = FormField(
    "password", "Password", f"{SHORTEST_PASSWORD} characters at least.", "password", length=LONGEST_PASSWORD,
    autocomplete="new-password",
)  # fmt: skip
AGAIN = FormField("password2", "Password again", kind="password", length=LONGEST_PASSWORD, autocomplete="new-password")
WORDS = {Right.SEE_RECIPIENTS: "See addresses in full", Right.SEE_CONTENT: "See emails as customers get them"}


def add(routes: PageRoutes) -> None:
    """The routes of this subject."""
    _add_users(routes)
    _add_tokens(routes)
    add_decisions(routes, SECTION, _REVOCATIONS)


def _boxes(prefix: str, rights: Collection[Right], words: Mapping[Right, str]) -> list[FormField]:
    return [
        FormField(f"{prefix}-{right.value}", words.get(right, right.value), kind="checkbox", required=False)
        for right in Right
        if right in rights
    ]


def _ticked(prefix: str, given: Mapping[str, str]) -> tuple[Right, ...]:
    return tuple(right for right in Right if given.get(f"{prefix}-{right.value}") == "yes")


def _add_users(routes: PageRoutes) -> None:
    @routes.page(
        "/settings/users/add",
        Right.ADMIN,
        section=SECTION,
        command="user add NAME --role ROLE",
        call="POST /api/v1/users",
        methods=BOTH,
    )
    def add_user() -> Response:
        def act(given: Mapping[str, str]) -> ActDone:
            if given["password"] != given["password2"]:
                raise InvalidRequest("the two passwords differ", which="password2")
            role, rights = OperatorRole(given["role"]), _ticked("right", given)
            refuse_beyond(granted(role, rights).rights)
            operations_now().users.add(NewUserRequest(given["name"], given["password"], role, rights))
            return ActDone(f"User {given['name']} is added, with the role {role.value}.", SETTINGS.path)

        what = ("They log in with this name and password.", "You can give no right that you do not have.")
        fields = (NAME, ROLE, *_boxes("right", EXTRA_RIGHTS, WORDS), PASSWORD, AGAIN)
        return confirmed(lambda: Confirmation("Add a user", what, "Add", SETTINGS, fields), act)


def _add_tokens(routes: PageRoutes) -> None:
    @routes.page(
        "/settings/tokens/add",
        Right.ADMIN,
        section=SECTION,
        command="token add NAME --role ROLE --expires 365d",
        call="POST /api/v1/tokens",
        methods=BOTH,
    )
    def add_token() -> Response:
        made: list[NewToken] = []

        def act(given: Mapping[str, str]) -> ActDone:
            role, scopes = OperatorRole(given["role"]), _ticked("scope", given)
            refuse_beyond(scoped(role, scopes).rights)
            lasts = seconds_until_end(given) or 0.0
            made.append(operations_now().tokens.add(NewTokenRequest(given["name"], role, lasts, scopes)))
            return ActDone("", SETTINGS.path)

        what = ("It is shown once, on the next page.", "Tick rights to limit it to these. None: all of its role.")
        ends = end_field([one for one in LATER if one != NEVER], required=True)
        fields = (NAME, ROLE, ends, *_boxes("scope", tuple(Right), {}))
        answer = confirmed(lambda: Confirmation("Add an API token", what, "Add", SETTINGS, fields), act)
        return page("token_added.html", title="The new API token", crumbs=(SETTINGS,), made=made[0]) if made else answer


def _revoke_user(name: str, _: Mapping[str, str]) -> str:
    operations_now().users.revoke(name)
    return f"User {name} is revoked."


def _revoke_token(name: str, _: Mapping[str, str]) -> str:
    operations_now().tokens.revoke(name)
    return f"Token {name} is revoked."


def _revoke_session(session: str, _: Mapping[str, str]) -> str:
    operations_now().sessions.revoke(session)
    return f"Session {session} is ended."


def _asking(title: str, what: str, button: str) -> Callable[[str], Confirmation]:
    return lambda which: Confirmation(title.format(which), (what,), button, SETTINGS, ())


_REVOCATIONS = (
    PageDecision(
        "revoke_user",
        "/settings/users/<path:name>/revoke",
        Right.ADMIN,
        "user revoke {name}",
        "DELETE /api/v1/users/{name}",
        _asking(
            "Revoke user {}?", "All their sessions end at once. Who has logged in by a proxy is not touched.", "Revoke"
        ),
        _revoke_user,
        SETTINGS,
    ),
    PageDecision(
        "revoke_token",
        "/settings/tokens/<path:name>/revoke",
        Right.ADMIN,
        "token revoke {name}",
        "DELETE /api/v1/tokens/{name}",
        _asking("Revoke token {}?", "Its next request is refused.", "Revoke"),
        _revoke_token,
        SETTINGS,
    ),
    PageDecision(
        "revoke_session",
        "/settings/sessions/<session>/revoke",
        Right.ADMIN,
        "session revoke {session}",
        "DELETE /api/v1/sessions/{session}",
        _asking("End session {}?", "They can log in again. To end all of a user's access, revoke the user.", "End it"),
        _revoke_session,
        SETTINGS,
    ),
)
