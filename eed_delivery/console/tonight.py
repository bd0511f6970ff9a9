"""Tonight: what runs, what stands still and why, and whether anything needs a person."""

from typing import Any

from flask import Response

from eed_delivery.access.rights import Right
from eed_delivery.console.rendering import is_renewal, page, shared_fragment
from eed_delivery.console.routes import PageRoutes
from eed_delivery.operations.forecasts.words import end_sentence, verdict_sentence
from eed_delivery.operations.gates import gate_words
from eed_delivery.operations.holds import called
from eed_delivery.operations.standing import scheduled_words
from eed_delivery.operators.shell import operations_now

OLD_SECONDS = 300
"""An email that has waited longer than this in the queue is worth a look."""


def add(routes: PageRoutes) -> None:
    """The routes of this subject."""

    @routes.page(
        "/",
        Right.VIEW,
        section="Tonight",
        command=("jobs --unfinished", "processes", "check"),
        call="GET /api/v1/tonight",
    )
    def tonight() -> Response:
        if is_renewal():
            return shared_fragment("tonight_figures.html", _facts)
        return page("tonight.html", title="Tonight", **_facts())


def _facts() -> dict[str, Any]:
    found = operations_now().tonight
    night = found.look()
    forecasts = {one.key: one for one in operations_now().forecasts.all().jobs}
    return {
        "night": night,
        "queues": found.queues(),
        "scheduled": [(job, scheduled_words(job.scheduled_at)) for job in night.scheduled],
        "old": OLD_SECONDS,
        "ends": {key: f"{verdict_sentence(one)} {end_sentence(one)}".rstrip() for key, one in forecasts.items()},
        "called": called,
        "gate_words": gate_words,
    }
