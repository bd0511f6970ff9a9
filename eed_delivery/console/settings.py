"""Settings: the pace, what is held, send windows, and who may use the pages and the API."""

from collections.abc import Mapping
from typing import Any

from flask import Response

from eed_delivery.access.rights import Right
from eed_delivery.console.acting import REASON, ActDone, Confirmation, FormField, confirmed
from eed_delivery.console.decisions import PageDecision, add_decisions
from eed_delivery.console.ends import end_field, seconds_until_end
from eed_delivery.console.rendering import Crumb, page
from eed_delivery.console.routes import BOTH, PageRoutes
from eed_delivery.operations.domain_paces import DomainPaceRequest
from eed_delivery.operations.holds import HoldRequest, HoldScope, called, hold_target
from eed_delivery.operations.paces import FASTEST, TOGETHER, PaceRequest
from eed_delivery.operations.refusals import InvalidRequest
from eed_delivery.operations.windows import called_window
from eed_delivery.operators.shell import caller_now, operations_now

SECTION = "Settings"
SETTINGS = Crumb(SECTION, "/settings")
_SHOWN = ("pace", "domain-paces", "holds", "windows", "users", "tokens", "sessions")
SCOPES = (
    (HoldScope.ALL.value, "everything"),
    (HoldScope.CHANNEL.value, "a channel"),
    (HoldScope.CATEGORY.value, "a category"),
    (HoldScope.DOMAIN.value, "a destination domain"),
)
SCOPE = FormField("scope", "What to hold", kind="select", choices=SCOPES, value=HoldScope.ALL.value)
SUBJECT = FormField("subject", "Its name", "Of the channel, category or domain. Empty for everything.", required=False)
PER_SECOND = FormField(
    "per_second", "Emails a second", "Empty: the rate of the configuration again.", required=False, length=12
)


DOMAIN = FormField(
    "domain", "Domain", "*.example.com is all domains below example.com together, * each that has no pace of its own."
)
CONCURRENCY = FormField("concurrency", "Emails at one time", "Empty: no limit.", required=False, length=12)
DOMAIN_PER_SECOND = FormField(
    "per_second", "Emails a second", "Both empty: what is configured counts again.", required=False, length=12
)


def add(routes: PageRoutes) -> None:
    """The routes of this subject."""
    _add_settings(routes)
    _add_pace(routes)
    _add_domain_pace(routes)
    _add_holds(routes)
    add_decisions(routes, SECTION, _RELEASES)


def _add_settings(routes: PageRoutes) -> None:
    @routes.page(
        "/settings",
        Right.VIEW,
        section=SECTION,
        command=("pace show", "pace domains", "hold list", "window list", "user list", "token list", "session list"),
        call=tuple(
            f"GET /api/v1/{name}"
            for name in ("pace", "domain-paces", "holds", "windows", "users", "tokens", "sessions")
        ),
    )
    def settings() -> Response:
        operations = operations_now()
        facts: dict[str, Any] = {"pace": operations.paces.view(), "holds": operations.holds.all(), "called": called}
        facts |= {"domain_paces": operations.domain_paces.view().paces}
        facts |= {"windows": operations.windows.view(), "called_window": called_window}
        if caller_now().may(Right.ADMIN):
            people, tokens = operations.users.all(), operations.tokens.all()
            facts |= {"people": people, "tokens": tokens, "sessions": operations.sessions.all()}
        return page("settings.html", title=SECTION, **facts)


def _add_pace(routes: PageRoutes) -> None:
    @routes.page(
        "/settings/pace",
        Right.ADMIN,
        section=SECTION,
        command=("pace set PER_SECOND --reason WHY", "pace clear --reason WHY"),
        call="PUT /api/v1/pace",
        methods=BOTH,
    )
    def set_pace() -> Response:
        def act(given: Mapping[str, str]) -> ActDone:
            rate = _rate(given.get("per_second", ""))
            wanted = PaceRequest(given["channel"], rate, given["reason"], seconds_until_end(given))
            operations_now().paces.set(wanted)
            done = "The rate of the configuration counts again." if rate is None else f"The pace is {rate:g} a second."
            return ActDone(f"{done} Workers heed it with their next heartbeat.", SETTINGS.path)

        return confirmed(_asking_pace, act)


def _add_domain_pace(routes: PageRoutes) -> None:
    @routes.page(
        "/settings/domain-pace",
        Right.ADMIN,
        section=SECTION,
        command=("pace set-domain DOMAIN --reason WHY", "pace clear-domain DOMAIN --reason WHY"),
        call="PUT /api/v1/domain-paces",
        methods=BOTH,
    )
    def set_domain_pace() -> Response:
        def act(given: Mapping[str, str]) -> ActDone:
            rate, places = _rate(given.get("per_second", "")), _places(given.get("concurrency", ""))
            wanted = DomainPaceRequest(given["domain"], rate, places, given["reason"], seconds_until_end(given))
            operations_now().domain_paces.set(wanted)
            done = "What is configured counts again." if wanted.pace is None else f"It is {wanted.pace.words}."
            return ActDone(f"{done} Workers heed it with their next heartbeat.", SETTINGS.path)

        what = (
            "It counts for all channels and hosts together, in place of what is configured.",
            "Emails of other domains do not wait.",
        )
        fields = (DOMAIN, DOMAIN_PER_SECOND, CONCURRENCY, REASON, end_field())
        return confirmed(lambda: Confirmation("Set the pace of a domain", what, "Set it", SETTINGS, fields), act)


def _places(text: str) -> int | None:
    if not text:
        return None
    if not text.isascii() or not text.isdigit():
        raise InvalidRequest("it is a number of emails, like 10", which="concurrency")
    return int(text)


def _rate(text: str) -> float | None:
    if not text:
        return None
    try:
        rate = float(text)
    except ValueError:
        rate = float("nan")
    if not 0 < rate <= FASTEST:  # NaN, too
        raise InvalidRequest("it is a number of emails a second, like 20 or 0.5", which="per_second")
    return rate


def _asking_pace() -> Confirmation:
    channels = [(TOGETHER, "all together"), *((one.name, one.name) for one in operations_now().channels.all())]
    which = FormField("channel", "Channel", kind="select", choices=channels, value=TOGETHER)
    what = ("It counts in place of the configured rate, for all workers of all hosts together.",)
    return Confirmation("Set the pace", what, "Set it", SETTINGS, (which, PER_SECOND, REASON, end_field()))


def _add_holds(routes: PageRoutes) -> None:
    @routes.page(
        "/holds/add",
        Right.OPERATE,
        section=SECTION,
        command="hold add --reason WHY",
        call="POST /api/v1/holds",
        methods=BOTH,
    )
    def add_hold() -> Response:
        def act(given: Mapping[str, str]) -> ActDone:
            target = hold_target(HoldScope(given["scope"]), given.get("subject", ""))
            proof = operations_now().holds.hold(HoldRequest(target, given["reason"], seconds_until_end(given)))
            return ActDone(f"{called(target).capitalize()} is held.", f"/holds/{proof.hold.hold_id}")

        what = ("Nothing of it leaves from the next wire grant on. Emails on the wire still do.", "Emails wait.")
        fields = (SCOPE, SUBJECT, REASON, end_field())
        return confirmed(lambda: Confirmation("Stop sending", what, "Hold it", SETTINGS, fields), act)

    @routes.page(
        "/holds/<int:hold_id>", Right.VIEW, section=SECTION, command="hold list", call="GET /api/v1/holds/{hold_id}"
    )
    def show_hold(hold_id: int) -> Response:
        proof = operations_now().holds.view(hold_id)
        return page("hold.html", title=f"Hold {hold_id}", crumbs=(SETTINGS,), proof=proof, called=called)


def _asking_release(hold_id: str) -> Confirmation:
    hold = operations_now().holds.view(int(hold_id)).hold
    what = (f"{hold.who} holds it: {hold.reason}", "Its emails leave again.")
    return Confirmation(f"End the hold of {called(hold.target)}?", what, "Release it", SETTINGS, ())


def _release(hold_id: str, _: Mapping[str, str]) -> str:
    released = operations_now().holds.release(int(hold_id))
    return f"The hold of {called(released.target)} is ended."


_RELEASES = (
    PageDecision(
        "release_hold",
        "/holds/<int:hold_id>/release",
        Right.OPERATE,
        "hold release {hold_id}",
        "DELETE /api/v1/holds/{hold_id}",
        _asking_release,
        _release,
        SETTINGS,
    ),
)
