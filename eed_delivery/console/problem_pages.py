"""Errors as pages, for browsers. Anything else gets problem+json."""

from flask import Response, g, request

from eed_delivery.console.rendering import page
from eed_delivery.operators.problems import HttpProblem

TITLES = {
    400: "The request is malformed",
    401: "Your session has ended",
    403: "This is not allowed",
    404: "There is no such page",
    405: "This page takes no such request",
    409: "This is not possible now",
    412: "It has changed meanwhile",
    413: "This is too large",
    422: "There is a problem",
    429: "There were too many requests",
    500: "This is a defect of the service",
    503: "The service cannot answer now",
}
OTHER_TITLE = "This did not work"
SECRETS = ("password", "private_key", "passphrase")
"""Fields with such a name are on no page again. A channel's have `settings.` before it."""


def problem_page(problem: HttpProblem) -> Response:
    """An error as a page. What was typed into a form is on it, to be sent again."""
    known = problem.kind == "unknown" and request.endpoint is not None
    title = "There is no such thing" if known else TITLES.get(problem.status, OTHER_TITLE)
    lost = problem.status in (401, 503) and request.method == "POST" and request.endpoint != "console.log_in"
    answer = page(
        "problem.html",
        title=title,
        status=problem.status,
        problem=problem,
        request_id=g.get("request_id", ""),
        again=[pair for pair in request.form.items(multi=True) if lost and not _is_secret(pair[0])],
        path=request.full_path.rstrip("?"),
        is_get=request.method == "GET",
    )
    answer.headers.update(problem.headers)
    return answer


def _is_secret(field: str) -> bool:
    return any(word in field.lower() for word in SECRETS)
