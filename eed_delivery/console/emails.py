"""One email: each try, what was heard of it afterwards, and what people did."""

from flask import Response, url_for

from eed_delivery.access.rights import Right
from eed_delivery.console.one_job import JOBS, job_crumb
from eed_delivery.console.rendering import page
from eed_delivery.console.routes import PageRoutes
from eed_delivery.operators.shell import operations_now


def email_path(key: str) -> str:
    """The address of an email's page."""
    return url_for("console.show_email", key=key)


def add(routes: PageRoutes) -> None:
    """The routes of this subject."""

    @routes.page(
        "/emails/<path:key>", Right.VIEW, section="Jobs", command="email {key}", call="GET /api/v1/emails/{key}"
    )
    def show_email(key: str) -> Response:
        """To look is in the audit."""
        view = operations_now().emails.view(key)
        return page(
            "email.html", title=f"Email {key}", crumbs=(JOBS, job_crumb(view.job_key)), view=view, report=view.report
        )
