"""ETag, If-None-Match and If-Match (RFC 9110, section 13).

The ETag of a job or channel begins with the version that decisions change.
"""

import hashlib
import re
from typing import Any

from flask import Response, request

from eed_delivery.access.rights import Right
from eed_delivery.operators.problems import HttpProblem
from eed_delivery.operators.shell import caller_now, json_answer
from eed_delivery.untrusted import json_text

_TAG = re.compile(r'"([a-z0-9]{1,32})\.[0-9a-f]{16}"')
PRIVATE = {"Cache-Control": "private, no-cache"}
"""For callers who see masked addresses only. Answers with full addresses are not stored, like all others."""


def tagged(data: Any, version: str = "") -> Response:
    """An answer with its ETag, or 304 if the caller has it already."""
    digest = hashlib.sha256(json_text(data, default=str).encode()).hexdigest()[:16]
    tag = f'"{version or "r"}.{digest}"'
    given = [word.strip().removeprefix("W/") for word in request.headers.get("If-None-Match", "").split(",")]
    headers = {"ETag": tag} if caller_now().may(Right.SEE_RECIPIENTS) else {**PRIVATE, "ETag": tag}
    if tag in given:
        return Response(status=304, headers=headers)
    return json_answer(data, headers=headers)


def version_wanted(*, required: bool = False) -> str | None:
    """The version of a job or channel that `If-Match` names. None: any. Raises `HttpProblem`."""
    given = request.headers.get("If-Match")
    if given is None and required:
        what = "This needs the header If-Match, with the ETag of what you saw."
        raise HttpProblem(428, "if_match_needed", what, "Read it, and decide on what you see.")
    if given is None or given.strip() == "*":
        return None
    found = _TAG.fullmatch(given.strip())
    if found is None:
        raise HttpProblem(412, "changed", "If-Match has no ETag of it.", "Read it again.")
    return found[1]
