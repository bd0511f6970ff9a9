"""Who asks for a long act, and whether they may."""

from collections.abc import Collection

from eed_delivery.access.rights import Right
from eed_delivery.model import EmailState
from eed_delivery.operations.long_acts.requests import KINDS
from eed_delivery.operations.long_acts.starting import Asker, LongAct, LongActKind
from eed_delivery.operators.problems import HttpProblem
from eed_delivery.operators.shell import caller_now


def asker_now() -> Asker:
    """Who asks, for what a second person has to approve."""
    caller = caller_now()
    return Asker(caller.subject or caller.name, caller.is_person)


def require(right: Right, what: str) -> None:
    """Raises `HttpProblem` where the caller lacks a right."""
    if not caller_now().may(right):
        detail = f"{what} needs the right {right.value}."
        raise HttpProblem(403, "no_right", detail, "Ask an admin for it.", facts={"right": right.value})


def refuse_beyond(rights: Collection[Right]) -> None:
    """A person can give only rights that they have. Raises `HttpProblem`."""
    if beyond := sorted(right.value for right in rights if not caller_now().may(right)):
        what = f"You do not have the right {' and '.join(beyond)}, and cannot give it."
        raise HttpProblem(403, "no_right", what, "Ask an admin who has it.", facts={"right": beyond[0]})


def require_for(act: LongAct) -> None:
    """Who stops or continues an operation must be allowed to start it. Raises `HttpProblem`."""
    if act.kind is LongActKind.REPORT:
        return
    if act.kind in (LongActKind.REHEARSE, LongActKind.SHADOW):
        require(Right.OPERATE, "This operation")
        return
    if act.kind is LongActKind.SUBMIT:
        require(Right.SUBMIT, "This operation")
        return
    kind = KINDS.get(act.kind)
    doubts = act.selection.get("state") == EmailState.IN_DOUBT and act.kind is LongActKind.REQUEUE
    require(Right.ADMIN if doubts or kind is None else kind.right, "This operation")
