"""A channel's gate: why it sends nothing at all, and sending again at once."""

from collections.abc import Mapping

from flask import Response

from eed_delivery.access.rights import Right
from eed_delivery.console.acting import ActDone, Confirmation, confirmed
from eed_delivery.console.rendering import Crumb
from eed_delivery.console.routes import BOTH, PageRoutes
from eed_delivery.operations.gates import GateOpening, gate_words
from eed_delivery.operators.shell import operations_now

TONIGHT = Crumb("Tonight", "/")
WHAT = ("Its emails leave again at once. The next answer that concerns all emails shuts the gate again.",)


def add(routes: PageRoutes) -> None:
    """The routes of this subject."""

    @routes.page(
        "/gates/<channel>/open",
        Right.OPERATE,
        section="Tonight",
        command="gate open {channel} --reason WHY",
        call="POST /api/v1/gates/{channel}/open",
        methods=BOTH,
    )
    def open_gate(channel: str) -> Response:
        def act(given: Mapping[str, str]) -> ActDone:
            operations_now().gates.open(GateOpening(channel, given["reason"]))
            return ActDone(f"The gate of channel {channel} is open.", TONIGHT.path)

        return confirmed(lambda: _asking(channel), act)


def _asking(channel: str) -> Confirmation:
    words = gate_words(operations_now().gates.view(channel))
    return Confirmation(f"Open the gate of channel {channel}?", (words, *WHAT), "Open it", TONIGHT)
