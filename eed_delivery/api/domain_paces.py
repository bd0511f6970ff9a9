"""The pace of destination domains."""

from typing import Annotated, Any

from flask import Response
from pydantic import Field

from eed_delivery.access.rights import Right
from eed_delivery.api.keyed import once
from eed_delivery.api.masking import shown
from eed_delivery.api.routes import ApiRoutes
from eed_delivery.api.schemas import Asked, Moment, Reason, Told, Utc, as_json
from eed_delivery.api.versions import tagged
from eed_delivery.operations.domain_paces import DomainPaceRequest, DomainPacesView
from eed_delivery.operators.shell import operations_now


class DomainPaceBody(Asked):
    """What may go to a domain, to all below one (`*.example.com`), or to each other one (`*`).

    If both limits are null, the configuration's count again.
    """

    domain: Annotated[str, Field(min_length=1, max_length=255)]
    per_second: Annotated[float, Field(ge=0.01, le=100_000, allow_inf_nan=False)] | None
    concurrency: Annotated[int, Field(ge=1, le=10_000)] | None = None
    reason: Reason
    until: Moment | None = None


class DomainLimitsAnswer(Told):
    """Emails a second, and emails on the wire at one time. Null: no limit."""

    per_second: float | None
    concurrency: int | None


class SetDomainPaceAnswer(DomainLimitsAnswer):
    """What a person has set. `until_at` null: until it is cleared."""

    reason: str
    who: str
    set_at: Utc
    until_at: Utc | None


class DomainPaceAnswer(DomainLimitsAnswer):
    """The pace of a domain that counts now. `set` null: no person has set one."""

    domain: str
    configured: DomainLimitsAnswer | None
    set: SetDomainPaceAnswer | None


class DomainPacesAnswer(Told):
    """All of them, by domain."""

    paces: list[DomainPaceAnswer]


def routes() -> ApiRoutes:
    """The routes of this subject."""
    r = ApiRoutes("domain paces", "What may go to destination domains, changed while the service runs.")

    @r.get("/domain-paces", Right.VIEW, DomainPacesAnswer, "pace domains")
    def list_domain_paces() -> Response:
        """Show the paces of destination domains."""
        return tagged(_answer(operations_now().domain_paces.view()))

    @r.put("/domain-paces", Right.ADMIN, DomainPacesAnswer, "pace set-domain DOMAIN --reason WHY")
    def set_domain_pace(body: DomainPaceBody) -> Response:
        """Set the pace of a domain, or clear it with null. Emails of other domains do not wait."""
        request = DomainPaceRequest(body.domain, body.per_second, body.concurrency, body.reason, body.until)
        paces = operations_now().domain_paces
        return once(lambda: paces.set(request), lambda: _answer(paces.view()))

    return r


def _answer(view: DomainPacesView) -> dict[str, Any]:
    return as_json(DomainPacesAnswer(paces=[_pace(one) for one in view.paces]))


def _pace(view: Any) -> DomainPaceAnswer:
    by_person = None if view.set is None else SetDomainPaceAnswer.model_validate(view.set)
    return DomainPaceAnswer(
        domain=view.domain,
        per_second=view.pace.per_second,
        concurrency=view.pace.concurrency,
        configured=None if view.configured is None else DomainLimitsAnswer.model_validate(view.configured),
        set=None if by_person is None else by_person.model_copy(update={"reason": shown(by_person.reason)}),
    )
