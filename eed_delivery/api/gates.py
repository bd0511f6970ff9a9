"""Gates: why a channel sends nothing at all, and sending again at once."""

from typing import Annotated, Any

from flask import Response
from pydantic import Field

from eed_delivery.access.rights import Right
from eed_delivery.api.keyed import once
from eed_delivery.api.masking import shown, shown_or_none
from eed_delivery.api.routes import ApiRoutes
from eed_delivery.api.schemas import Asked, Reason, Told, Utc, as_json
from eed_delivery.api.versions import tagged
from eed_delivery.operations.gates import GateOpening, ShutGate, gate_words
from eed_delivery.operators.shell import operations_now


class GatePath(Asked):
    """The name of a channel in a path."""

    channel: Annotated[str, Field(min_length=1, max_length=32)]


class GateBody(Asked):
    """Why it is opened by hand."""

    reason: Reason


class GateAnswer(Told):
    """A channel's gate that is shut. `reason` null: it is open, and its event source mapping is off."""

    channel: str
    reason: str | None
    shut_at: Utc | None
    tried_in_seconds: float = Field(description="0: it is to be tried now.")
    mapping_off_at: Utc | None = Field(description="Since when the event source mapping of its function is off.")
    why: str = Field(description="The same in sentences.")


class GatesAnswer(Told):
    """The gates that are shut."""

    items: list[GateAnswer]


def routes() -> ApiRoutes:
    """The routes of this subject."""
    r = ApiRoutes("gates", "Whether each channel's way out works.")

    @r.get("/gates", Right.VIEW, GatesAnswer, "gate list")
    def list_gates() -> Response:
        """List the channels whose gate is shut, since when and why."""
        return tagged(_answer(operations_now().gates.all()))

    @r.post("/gates/<channel>/open", Right.OPERATE, GatesAnswer, "gate open {channel} --reason WHY")
    def open_gate(path: GatePath, body: GateBody) -> Response:
        """Let a channel send again at once. The next answer that concerns all emails shuts its gate again."""
        gates, opening = operations_now().gates, GateOpening(path.channel, body.reason)
        return once(lambda: gates.open(opening), lambda: _answer(gates.all()))

    return r


def gate_answer(gate: ShutGate) -> GateAnswer:
    """A gate as the API tells it."""
    return GateAnswer(
        channel=gate.channel,
        reason=shown_or_none(gate.reason),
        shut_at=gate.shut_at,
        tried_in_seconds=round(gate.seconds, 1),
        mapping_off_at=gate.mapping_off_at,
        why=shown(gate_words(gate)),
    )


def _answer(found: tuple[ShutGate, ...]) -> dict[str, Any]:
    return as_json(GatesAnswer(items=[gate_answer(one) for one in found]))
