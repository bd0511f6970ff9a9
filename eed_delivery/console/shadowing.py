"""Shadow mode: comparisons with another server, begun, looked at, and what of them is accepted."""

from collections.abc import Mapping

from flask import Response, request

from eed_delivery.access.rights import Right
from eed_delivery.console.acting import REASON, ActDone, Confirmation, FormField, confirmed
from eed_delivery.console.long_acts import HERE, SECTION
from eed_delivery.console.rendering import Crumb, page
from eed_delivery.console.routes import BOTH, PageRoutes
from eed_delivery.operations.refusals import InvalidRequest
from eed_delivery.operations.shadowing.accepting import LONGEST_PATTERN, AcceptRequest
from eed_delivery.operations.shadowing.orders import ShadowRequest
from eed_delivery.operators.shell import operations_now

LIST = Crumb("Shadow mode", "/shadows")
ROWS = 50
DAYS = FormField("days", "Days", "How long it is followed.", value="7", length=4)
JOB = FormField("job", "Job", "Compare this job alone, as it is now. Empty: follow.", required=False, length=191)
NAME = FormField("name", "Name", "Emails are counted by it: small letters, digits, - and _.", length=64)
FIELD = FormField("field", "Field", "As in the list of differences.", length=32)
PATTERN = FormField("pattern", "Pattern", "A regular expression that the description has.", length=LONGEST_PATTERN)


def add(routes: PageRoutes) -> None:
    """The routes of this subject."""
    _add_looks(routes)
    _add_start(routes)
    _add_acceptances(routes)


def _add_looks(routes: PageRoutes) -> None:
    @routes.page("/shadows", Right.VIEW, section=SECTION, command="shadow list", call="GET /api/v1/shadows")
    def shadows() -> Response:
        """The comparisons, and what is accepted."""
        acts = operations_now().shadow_results.list_all()
        rules = operations_now().shadow_acceptances.list_all()
        return page("shadows.html", title="Shadow mode", crumbs=(HERE,), acts=acts, rules=rules)

    @routes.page(
        "/shadows/<operation>",
        Right.VIEW,
        section=SECTION,
        command="shadow report {operation}",
        call="GET /api/v1/shadows/{operation}",
    )
    def show_shadow(operation: str) -> Response:
        """What one has come to so far."""
        results = operations_now().shadow_results
        job = request.args.get("job") or None
        emails = results.emails(operation, job, limit=ROWS)
        title = f"Comparison {operation}"
        return page("shadow.html", title=title, crumbs=(HERE, LIST), found=results.view(operation), emails=emails)


def _add_start(routes: PageRoutes) -> None:
    @routes.page(
        "/shadows/start",
        Right.OPERATE,
        section=SECTION,
        command="shadow start",
        call="POST /api/v1/shadows",
        methods=BOTH,
    )
    def start_shadow() -> Response:
        """Have the old server followed."""

        def ask() -> Confirmation:
            what = [
                "The emails of the jobs that it takes are rendered by the side, and compared. None is sent.",
                "Nothing is written to the source. You can stop it.",
            ]
            return Confirmation("Follow the old server?", what, "Follow it", LIST, (DAYS, JOB), crumbs=(HERE,))

        def start(given: Mapping[str, str]) -> ActDone:
            job = given.get("job", "").strip()
            wanted = ShadowRequest(_days(given["days"]), (job,) if job else ())
            act = operations_now().shadow_orders.start(wanted)
            return ActDone(f"Operation {act.id} is begun.", f"/shadows/{act.id}")

        return confirmed(ask, start)


def _add_acceptances(routes: PageRoutes) -> None:
    @routes.page(
        "/shadow-acceptances/accept",
        Right.OPERATE,
        section=SECTION,
        command="shadow accept NAME --field FIELD --pattern PATTERN --reason WHY",
        call="POST /api/v1/shadow-acceptances",
        methods=BOTH,
    )
    def accept_difference() -> Response:
        """Accept a kind of difference."""

        def ask() -> Confirmation:
            what = ["Emails whose differences are all accepted are counted as accepted, by this name."]
            fields = (NAME, FIELD, PATTERN, REASON)
            return Confirmation("Accept a kind of difference?", what, "Accept it", LIST, fields, crumbs=(HERE,))

        def accept(given: Mapping[str, str]) -> ActDone:
            wanted = AcceptRequest(*(given[name].strip() for name in ("name", "field", "pattern", "reason")))
            operations_now().shadow_acceptances.accept(wanted)
            return ActDone(f"Differences of {wanted.field} are accepted by the name {wanted.name}.", LIST.path)

        return confirmed(ask, accept)

    @routes.page(
        "/shadow-acceptances/<name>/revoke",
        Right.OPERATE,
        section=SECTION,
        command="shadow revoke {name} --reason WHY",
        call="POST /api/v1/shadow-acceptances/{name}/revoke",
        methods=BOTH,
    )
    def revoke_difference(name: str) -> Response:
        """Take it back."""

        def ask() -> Confirmation:
            what = ["Its emails are counted as different again."]
            return Confirmation(f"Take back what {name} accepts?", what, "Take it back", LIST, crumbs=(HERE,))

        def revoke(given: Mapping[str, str]) -> ActDone:
            operations_now().shadow_acceptances.revoke(name, given["reason"])
            return ActDone(f"Differences are not accepted any more by the name {name}.", LIST.path)

        return confirmed(ask, revoke)


def _days(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InvalidRequest("it is a number", which="days") from None
