"""What requests and answers of the API have in common."""

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
)

REASON = "Kept in the audit."
MOST = 1000
"""Limit: items of a page."""


def _utc(moment: datetime) -> str:
    """The ledger keeps UTC without a zone."""
    return f"{moment.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


Utc = Annotated[
    datetime,
    PlainSerializer(_utc, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}, mode="serialization"),
]
"""A time of the ledger, in UTC with a Z (RFC 3339)."""


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("it is before the year 1 or beyond the year 9999") from None


Moment = Annotated[AwareDatetime, AfterValidator(_in_utc), Field(description="RFC 3339, with its zone.")]
"""A time of a caller, in UTC as operations take it."""


class Asked(BaseModel):
    """A request. What it does not know is refused: a mistyped filter would match everything."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Told(BaseModel):
    """An answer."""

    model_config = ConfigDict(frozen=True, from_attributes=True, extra="ignore")


def _key(value: object) -> object:
    if isinstance(value, str) and not (value and value.isprintable()):
        raise ValueError("a key must not be empty, and has only printable characters")
    return value


Key = Annotated[str, BeforeValidator(_key), Field(min_length=1, max_length=191)]
"""A key of the source's tables. It is text also where it is a number."""
Reason = Annotated[str, Field(min_length=1, max_length=400, description=REASON)]
PageSize = Annotated[int, Field(ge=1, le=MOST, description="Items of a page.")]
Cursor = Annotated[str, Field(max_length=2000, description="What `next` of the page before has as `after`.")]


class OneKey(Asked):
    """The key in a path."""

    key: Key


class ProblemModel(Told):
    """An error (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    do: str | None = Field(None, description="What to do about it.")
    command: str | None = Field(None, description="The command line that does the same.")
    errors: list[dict[str, Any]] | None = Field(None, description="Where the request is wrong.")


def as_json(told: BaseModel) -> dict[str, Any]:
    """An answer as JSON has it."""
    return told.model_dump(mode="json", by_alias=True)
