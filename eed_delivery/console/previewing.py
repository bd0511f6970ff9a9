"""An email as its customer would get it, in a frame that runs nothing, loads nothing and leads nowhere."""

from typing import cast
from urllib.parse import quote

from flask import Response, redirect, request

from eed_delivery.access.rights import Right
from eed_delivery.console.rendering import Crumb, page
from eed_delivery.console.routes import PageRoutes
from eed_delivery.operators.shell import HEADERS, operations_now

POLICY = "Content-Security-Policy"
AROUND = f"{HEADERS[POLICY]}; frame-src 'self'"
"""The page may show the frame, and the frame may go to no other site."""
WITHIN = (
    "sandbox; default-src 'none'; img-src data:; font-src data:; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'self'"
)
"""An email's own styles, and nothing that is loaded or run."""
IN_A_FRAME = "iframe"
SAME = {"command": "preview {key}", "call": "GET /api/v1/emails/{key}/preview"}


def add(routes: PageRoutes) -> None:
    """The routes of this subject."""

    @routes.page("/emails/<path:key>/preview", Right.SEE_CONTENT, section="Jobs", **SAME)
    def preview_email(key: str) -> Response:
        found = operations_now().previewing.preview(key)
        frame = f"{email_path(key)}/preview/html"
        crumbs = (Crumb(f"Email {key}", email_path(key)),)
        answer = page("preview.html", title=f"Preview of email {key}", crumbs=crumbs, found=found, frame=frame)
        answer.headers[POLICY] = AROUND
        return answer

    @routes.page("/emails/<path:key>/preview/html", Right.SEE_CONTENT, section="Jobs", **SAME)
    def preview_html(key: str) -> Response:
        if request.headers.get("Sec-Fetch-Dest", IN_A_FRAME) != IN_A_FRAME:
            return cast("Response", redirect(f"{email_path(key)}/preview", 303))  # by itself, a link would lead away
        found = operations_now().previewing.preview(key)
        return Response(found.html or "", 200, {POLICY: WITHIN}, mimetype="text/html")


def email_path(key: str) -> str:
    """The address of an email's page."""
    return f"/emails/{quote(key, safe='')}"
