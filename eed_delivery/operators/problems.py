"""Errors as answers (RFC 9457): what happened, what to do, and the command that does the same."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any

from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError

from eed_delivery.database.server_words import server_words
from eed_delivery.errors import (
    ConfigError,
    DatabaseGone,
    EedError,
    InfrastructureFailure,
    NotPossible,
    QueueGone,
    RenderError,
)
from eed_delivery.operations.channels import ChannelChanged
from eed_delivery.operations.checks_at_once import TooManyChecks
from eed_delivery.operations.deciding import JobChanged
from eed_delivery.operations.doubts.workbench import DoubtsChanged
from eed_delivery.operations.long_acts.approving import SamePerson
from eed_delivery.operations.long_acts.crowds import TooManyLongActs
from eed_delivery.operations.long_acts.second_person import SecondPersonNeeded
from eed_delivery.operations.long_acts.starting import PersonNeeded
from eed_delivery.operations.long_acts.takers import NoTaker
from eed_delivery.operations.nudging import NudgeRefusal
from eed_delivery.operations.refusals import (
    InvalidRequest,
    JobNotStarted,
    JobWaits,
    NothingMatches,
    OperationRefused,
    UnknownKey,
    WrongState,
)
from eed_delivery.untrusted import mask_accounts, mask_addresses

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:eed-delivery:problem:"
RETRY_SECONDS = 5
MOST_ERRORS = 100
"""Limit: errors that one answer names."""


@dataclass
class HttpProblem(Exception):
    """An error that is an answer. `kind` is a word of docs/api.md. `facts` are further members of the answer."""

    status: int
    kind: str
    detail: str
    do: str = ""
    command: str = ""
    errors: Sequence[Mapping[str, str]] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def body(self, request_id: str) -> dict[str, Any]:
        """As JSON."""
        found: dict[str, Any] = {
            "type": TYPE_PREFIX + self.kind,
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "instance": f"urn:eed-delivery:request:{request_id}",
        }
        optional = {"do": self.do, "command": self.command, "errors": list(self.errors)}
        return {**found, **{name: value for name, value in optional.items() if value}, **self.facts}


def problem_of(error: Exception) -> HttpProblem | None:
    """An expected error as a problem. None for a defect.

    What an operation or the database says may quote an address. It is masked, whoever asks."""
    if isinstance(error, HttpProblem):
        return error
    found = _expected(error)
    return None if found is None else _masked(replace(found, detail=" ".join((found.detail, *notes_of(error)))))


def notes_of(error: Exception) -> list[str]:
    """What an error has left, in sentences (PEP 678)."""
    return [sentence(note) for note in getattr(error, "__notes__", ())]


def _masked(problem: HttpProblem) -> HttpProblem:
    mask = mask_accounts if problem.status == 422 else mask_addresses  # 422 is about what was given, in quotes
    errors = [{**one, "detail": mask(one["detail"])} for one in problem.errors]
    return replace(problem, detail=mask(problem.detail), do=mask(problem.do), errors=errors)


def _expected(error: Exception) -> HttpProblem | None:
    if isinstance(error, DatabaseGone | QueueGone):
        return gone(error)
    if isinstance(error, RenderError):
        return HttpProblem(422, "invalid", sentence(error.reply))
    if isinstance(error, InfrastructureFailure):
        return HttpProblem(503, "away", sentence(error.reply), "Nothing was done. Try again.", headers=_RETRY)
    if isinstance(error, ValidationError):
        return invalid(error)
    if isinstance(error, DBAPIError):
        detail = f"The database refused the statement: {server_words(error)}."
        return HttpProblem(503, "database_refused", detail, "Run it.", "eed-delivery db check", headers=_RETRY)
    if isinstance(error, ConfigError):
        errors = [{"pointer": f"/{one.where}", "detail": one.what, "do": one.remedy} for one in error.problems]
        return HttpProblem(422, "invalid", "Settings cannot be used.", errors=errors)
    return _refused(error) if isinstance(error, EedError) else None


_RETRY = {"Retry-After": str(RETRY_SECONDS)}
_LATER = {"Retry-After": "60"}
_STATUS_OF: Sequence[tuple[type[Exception], int, str]] = (
    (JobChanged, 412, "changed"),
    (ChannelChanged, 412, "changed"),
    (SamePerson, 403, "same_person"),
    (PersonNeeded, 403, "person_needed"),
    (SecondPersonNeeded, 409, "second_person"),
    (DoubtsChanged, 412, "changed"),
    (NoTaker, 503, "no_taker"),
    (TooManyLongActs, 429, "too_many"),
    (TooManyChecks, 429, "too_many"),
    (InvalidRequest, 422, "invalid"),
    (UnknownKey, 404, "unknown"),
    (JobWaits, 409, "scheduled"),
    (JobNotStarted, 409, "not_started"),
    (NudgeRefusal, 409, "not_nudged"),
    (NothingMatches, 409, "nothing_matches"),
    (WrongState, 409, "wrong_state"),
    (OperationRefused, 409, "refused"),
    (NotPossible, 422, "invalid"),
)
"""The first that fits."""


def _refused(error: EedError) -> HttpProblem | None:
    found = next((row for row in _STATUS_OF if isinstance(error, row[0])), None)
    if found is None:
        return None
    _, status, kind = found
    if not isinstance(error, OperationRefused):
        return HttpProblem(status, kind, sentence(str(error)))
    errors = [{"pointer": f"/{error.which}", "detail": error.what}] if status == 422 else []
    headers = _LATER if status in (429, 503) else {}
    return HttpProblem(
        status, kind, sentence(error.what), error.do, errors=errors, facts=_facts(error), headers=headers
    )


def _facts(error: EedError) -> Mapping[str, Any]:
    at = error.scheduled_at if isinstance(error, NudgeRefusal | JobWaits) else None
    facts = {"scheduled_for": f"{at.isoformat(timespec='seconds')}Z"} if at is not None else {}
    if not isinstance(error, NudgeRefusal):
        return facts
    opens = {} if error.opens_at is None else {"opens_at": f"{error.opens_at.isoformat(timespec='seconds')}Z"}
    return {**facts, **opens, "why": error.why.value}


def gone(error: Exception) -> HttpProblem:
    """The database or the queue does not answer."""
    do = "Nothing was done, or it is not known. Try again, with the same Idempotency-Key."
    return HttpProblem(503, "away", sentence(str(error)), do, headers=_RETRY)


def invalid(error: ValidationError) -> HttpProblem:
    """Where a request does not fit, MOST_ERRORS at most. What was given is not quoted: it may be personal data."""
    named = error.errors(include_input=False, include_url=False, include_context=False)[:MOST_ERRORS]
    errors = [
        {"pointer": "/" + "/".join(map(str, one["loc"])), "detail": _words(one["type"], one["msg"])} for one in named
    ]
    total = error.error_count()
    facts = {"errors_total": total} if total > MOST_ERRORS else {}
    return HttpProblem(422, "invalid", "The request does not fit. See errors.", errors=errors, facts=facts)


def _words(kind: str, message: str) -> str:
    return "There is no such parameter." if kind == "extra_forbidden" else sentence(message)


def sentence(text: str) -> str:
    """Our errors begin with a small letter, and end without a full stop."""
    whole = text[:1].upper() + text[1:]
    return whole if whole.endswith((".", "?", "!")) else f"{whole}."
