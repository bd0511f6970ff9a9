"""Holds: nothing leaves of what is held. Each answer has the proof of what left last."""

from typing import Annotated, Any

from flask import Response
from pydantic import Field

from eed_delivery.access.rights import Right
from eed_delivery.api.keyed import once
from eed_delivery.api.masking import shown
from eed_delivery.api.routes import ApiRoutes
from eed_delivery.api.schemas import Asked, Moment, Reason, Told, Utc, as_json
from eed_delivery.api.versions import tagged
from eed_delivery.operations.holds import HoldProof, HoldRequest, HoldScope, StoredHold, hold_target
from eed_delivery.operators.shell import operations_now


class HoldPath(Asked):
    """The number of a hold in a path."""

    hold_id: Annotated[int, Field(ge=1, le=2**63 - 1)]


class HoldBody(Asked):
    """Why, and until when. Without an end it lasts until it is released."""

    reason: Reason
    until: Moment | None = None


class NewHoldBody(HoldBody):
    """What to hold. `subject` is the channel, the category or the domain, and empty for everything."""

    scope: HoldScope
    subject: Annotated[str, Field(max_length=255)] = ""


class HoldAnswer(Told):
    """A hold. From `in_force_at` on nothing of it was let go. `until_at` null: until it is released."""

    hold_id: int
    scope: HoldScope
    subject: str
    reason: str
    who: str
    held_at: Utc
    in_force_at: Utc | None
    until_at: Utc | None


class HoldsAnswer(Told):
    """The holds that last."""

    items: list[HoldAnswer]


class LastWireAnswer(Told):
    """When the last email left by a channel. `worker` null: it is on the wire, and has no answer yet."""

    channel: str
    worker: str | None
    at: Utc


class HoldingProcessAnswer(Told):
    """A worker process that is alive. `seen`: it was heard of after the hold was in force."""

    worker_id: str
    host: str
    channel: str
    last_seen: Utc
    last_wire_at: Utc | None
    seen: bool


class HoldProofAnswer(HoldAnswer):
    """A hold, what is on the wire of it, and when the last email was let go, by the database's clock."""

    emails_on_the_wire: int
    last_wire_at: Utc | None
    last_answer_at: Utc | None
    last: list[LastWireAnswer]
    processes: list[HoldingProcessAnswer]
    pending: list[str]


class ReleasedAnswer(Told):
    """What is still held."""

    held: list[HoldAnswer]


def routes() -> ApiRoutes:
    """The routes of this subject."""
    r = ApiRoutes("holds", "What is held, by whom and why.")

    @r.get("/holds", Right.VIEW, HoldsAnswer, "hold list")
    def list_holds() -> Response:
        """List the holds that last."""
        return tagged(as_json(HoldsAnswer(items=[hold_answer(one) for one in operations_now().holds.all()])))

    @r.get("/holds/<hold_id>", Right.VIEW, HoldProofAnswer, "hold list")
    def show_hold(path: HoldPath) -> Response:
        """Show a hold, with what is on the wire of it and what left last."""
        return tagged(proof_answer(operations_now().holds.view(path.hold_id)))

    @r.post("/holds", Right.OPERATE, HoldProofAnswer, "hold add --reason WHY")
    def add_hold(body: NewHoldBody) -> Response:
        """Hold everything, a channel, a category or a domain: nothing of it leaves from now on."""
        request, holds = (
            HoldRequest(hold_target(body.scope, body.subject), body.reason, body.until),
            operations_now().holds,
        )
        return once(lambda: holds.hold(request), lambda: _now(request))

    @r.delete("/holds/<hold_id>", Right.OPERATE, ReleasedAnswer, "hold release {hold_id}")
    def release_hold(path: HoldPath) -> Response:
        """End a hold."""
        holds = operations_now().holds
        return once(
            lambda: holds.release(path.hold_id),
            lambda: as_json(ReleasedAnswer(held=[hold_answer(one) for one in holds.all()])),
        )

    return r


def _now(request: HoldRequest) -> dict[str, Any]:
    """The hold of what was asked for. It may have ended meanwhile."""
    return proof_answer(operations_now().holds.view_target(request.target))


def _facts(hold: StoredHold) -> dict[str, Any]:
    return {
        "hold_id": hold.hold_id,
        "scope": hold.target.scope,
        "subject": hold.target.subject,
        "reason": shown(hold.reason),
        "who": hold.who,
        "held_at": hold.held_at,
        "in_force_at": hold.in_force_at,
        "until_at": hold.until_at,
    }


def hold_answer(hold: StoredHold) -> HoldAnswer:
    """A hold as the API tells it."""
    return HoldAnswer(**_facts(hold))


def proof_answer(proof: HoldProof) -> dict[str, Any]:
    """A hold and its proof as the API tells them."""
    return as_json(
        HoldProofAnswer(
            **_facts(proof.hold),
            emails_on_the_wire=proof.on_wire.emails,
            last_wire_at=proof.on_wire.last_wire_at,
            last_answer_at=proof.on_wire.last_at,
            last=[LastWireAnswer.model_validate(one) for one in proof.on_wire.last],
            processes=[HoldingProcessAnswer.model_validate(one) for one in proof.processes],
            pending=list(proof.pending),
        )
    )
