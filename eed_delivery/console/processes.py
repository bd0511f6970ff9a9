"""The processes of all hosts."""

from flask import Response

from eed_delivery.access.rights import Right
from eed_delivery.console.rendering import is_renewal, page, shared_fragment
from eed_delivery.console.routes import PageRoutes
from eed_delivery.operators.shell import operations_now


def add(routes: PageRoutes) -> None:
    """The routes of this subject."""

    @routes.page("/processes", Right.VIEW, section="Processes", command="processes", call="GET /api/v1/processes")
    def list_processes() -> Response:
        if is_renewal():
            return shared_fragment("processes_figures.html", lambda: {"found": operations_now().processes.look()})
        return page("processes.html", title="Processes", found=operations_now().processes.look())
