"""Jobs whose last row is not in: the list, and a page that asks before one is discarded."""

from collections.abc import Mapping

from flask import Response

from eed_delivery.access.rights import Right
from eed_delivery.console.acting import ActDone, Confirmation, confirmed
from eed_delivery.console.one_job import JOBS
from eed_delivery.console.rendering import Crumb, page
from eed_delivery.console.routes import BOTH, PageRoutes
from eed_delivery.operators.shell import operations_now

LIST = Crumb("Jobs that are not complete", "/submissions")


def add(routes: PageRoutes) -> None:
    """The routes of this subject."""

    @routes.page("/submissions", Right.VIEW, section="Jobs", command="submission list", call="GET /api/v1/submissions")
    def submissions() -> Response:
        found = operations_now().incomplete_jobs.all()
        return page("submissions.html", title=LIST.name, crumbs=(JOBS,), found=found)

    @routes.page(
        "/submissions/<path:key>/discard",
        Right.SUBMIT,
        section="Jobs",
        command="submission discard {key} --reason WHY",
        call="POST /api/v1/submissions/{key}/discard",
        methods=BOTH,
    )
    def discard_submission(key: str) -> Response:
        jobs = operations_now().incomplete_jobs

        def ask() -> Confirmation:
            job = jobs.one(key)
            what = [
                f"Its name is {job.name}.",
                f"The operation {job.operation} still registers it. Stop that first." if job.operation else "",
                "It is marked as cancelled in the source, and its rows stay there.",
                "To send it, submit its file again.",
            ]
            title = f"Discard job {key}, which is not complete?"
            return Confirmation(title, [*filter(None, what)], "Discard it", LIST, crumbs=(JOBS,))

        def discard(given: Mapping[str, str]) -> ActDone:
            jobs.discard(key, given["reason"])
            return ActDone(f"Job {key} is discarded. None of its emails was sent.", LIST.path)

        return confirmed(ask, discard)
