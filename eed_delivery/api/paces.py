"""The pace: a send rate in place of the configured one, while the service runs."""

from typing import Annotated, Any

from flask import Response
from pydantic import Field

from eed_delivery.access.rights import Right
from eed_delivery.api.keyed import once
from eed_delivery.api.masking import shown
from eed_delivery.api.routes import ApiRoutes
from eed_delivery.api.schemas import Asked, Moment, Reason, Told, Utc, as_json
from eed_delivery.api.versions import tagged
from eed_delivery.operations.paces import TOGETHER, PaceRequest, PaceView
from eed_delivery.operators.shell import operations_now


class PaceBody(Asked):
    """Emails a second for a channel, or for all channels together (`*`). Null gives the configuration's back."""

    per_second: Annotated[float, Field(ge=0.01, le=100_000, allow_inf_nan=False)] | None
    channel: Annotated[str, Field(min_length=1, max_length=32)] = TOGETHER
    reason: Reason
    until: Moment | None = None


class PaceAnswer(Told):
    """A pace. `channel` `*`: all channels together. `until_at` null: until it is cleared."""

    channel: str
    per_second: float
    reason: str
    who: str
    set_at: Utc
    until_at: Utc | None


class PacedProcessAnswer(Told):
    """A worker that is alive, and the rate that it said it uses. `per_second` null: it has no limit."""

    worker_id: str
    host: str
    channel: str
    per_second: float | None
    last_seen: Utc


class PacesAnswer(Told):
    """What is set, and what each worker uses."""

    paces: list[PaceAnswer]
    processes: list[PacedProcessAnswer]


def routes() -> ApiRoutes:
    """The routes of this subject."""
    r = ApiRoutes("pace", "The send rate, changed while the service runs.")

    @r.get("/pace", Right.VIEW, PacesAnswer, "pace show")
    def show_pace() -> Response:
        """Show the paces that are set, and the rate that each worker uses."""
        return tagged(_answer(operations_now().paces.view()))

    @r.put("/pace", Right.ADMIN, PacesAnswer, "pace set PER_SECOND --reason WHY")
    def set_pace(body: PaceBody) -> Response:
        """Set a pace, or clear it with null. Workers heed it with their next heartbeat."""
        request, paces = PaceRequest(body.channel, body.per_second, body.reason, body.until), operations_now().paces
        return once(lambda: paces.set(request), lambda: _answer(paces.view()))

    return r


def _answer(view: PaceView) -> dict[str, Any]:
    paces = [PaceAnswer.model_validate(one).model_copy(update={"reason": shown(one.reason)}) for one in view.paces]
    processes = [PacedProcessAnswer.model_validate(one) for one in view.processes]
    return as_json(PacesAnswer(paces=paces, processes=processes))
