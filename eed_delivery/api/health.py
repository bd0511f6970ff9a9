"""Whether this process answers, and whether the service is ready. Neither is a reason to restart anything."""

from collections.abc import Callable, Sequence

from flask import Response, request

from eed_delivery.access.callers import Caller, NoRole, NotKnown
from eed_delivery.access.rights import Right
from eed_delivery.access.same_origin import GivenHeaders
from eed_delivery.api.routes import ApiRoutes
from eed_delivery.api.schemas import Told, as_json
from eed_delivery.errors import DatabaseGone
from eed_delivery.operations.readiness import ReadinessFinding
from eed_delivery.operators.routes import OPEN
from eed_delivery.operators.shell import json_answer


class AliveAnswer(Told):
    """This process answers. Nothing else was asked."""

    status: str


class FindingAnswer(Told):
    """One thing that the service needs."""

    name: str
    good: bool
    what: str


class ReadyAnswer(Told):
    """Whether the service can do its work. `findings` are for callers with a token."""

    status: str
    findings: list[FindingAnswer] | None


Look = Callable[[], Sequence[ReadinessFinding]]
Find = Callable[[GivenHeaders, str | None], Caller | None]


def routes(look: Look, find: Find) -> ApiRoutes:
    """The routes of this subject."""
    r = ApiRoutes("health", "Whether the service is alive and ready.", prefix="")

    @r.get("/healthz", OPEN, AliveAnswer, errors=())
    def is_alive() -> Response:
        """Say that this process answers."""
        return json_answer(as_json(AliveAnswer(status="alive")))

    @r.get("/readyz", OPEN, ReadyAnswer, errors=(), away=ReadyAnswer)
    def is_ready() -> Response:
        """Say whether the service is ready: database, tables, publisher and sweeper."""
        found = look()
        ready = all(one.good for one in found)
        listed = [FindingAnswer(name=one.name, good=one.good, what=one.what) for one in found]
        answer = ReadyAnswer(status="ready" if ready else "not ready", findings=listed if _may_see(find) else None)
        return json_answer(as_json(answer), 200 if ready else 503)

    return r


def _may_see(find: Find) -> bool:
    """Whether the caller gave a token that may view. While the database is away, no token can be checked."""
    if "Authorization" not in request.headers:
        return False
    try:
        caller = find(request.headers, None)
    except (NotKnown, NoRole, DatabaseGone):
        return False
    return caller is not None and caller.may(Right.VIEW)
