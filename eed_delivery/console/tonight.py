"""Tonight: what runs, and what stands still."""

from flask import Response

from eed_delivery.access.rights import Right
from eed_delivery.console.rendering import page
from eed_delivery.console.routes import PageRoutes
from eed_delivery.operations.jobs import JobsRequest
from eed_delivery.operators.shell import operations_now

JOBS_SHOWN = 20


def add(routes: PageRoutes) -> None:
    """The routes of this subject."""

    @routes.page(
        "/", Right.VIEW, section="Tonight", command="jobs --unfinished", call="GET /api/v1/jobs?unfinished=true"
    )
    def tonight() -> Response:
        found = operations_now().jobs.page(JobsRequest(JOBS_SHOWN, unfinished_only=True))
        return page("tonight.html", title="Tonight", jobs=found.jobs)
