"""The tag of a selection: how many it had when it was counted, when that was, and a digest of what was asked for."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from eed_delivery.ledger.operating import JobChanged
from eed_delivery.operations.refusals import InvalidRequest, OperationRefused

_TAG = re.compile(r"([0-9]{1,12})-([0-9]{8}T[0-9]{12})-([0-9a-f]{16})")
_TIME = "%Y%m%dT%H%M%S%f"


class SelectionChanged(JobChanged, OperationRefused):
    """More match than were counted. Nothing was done."""


@dataclass(frozen=True, slots=True)
class CountedSelection:
    """What was counted: so many, at this time of the database's clock, of what the digest stands for."""

    count: int
    at: datetime
    digest: str

    @property
    def etag(self) -> str:
        """As a caller keeps it."""
        return f"{self.count}-{self.at.strftime(_TIME)}-{self.digest}"


def digest_of(kind: str, selection: Mapping[str, Any], parameters: Mapping[str, Any]) -> str:
    """What a tag is bound to."""
    text = json.dumps([kind, selection, parameters], sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:16]


def confirmed(etag: str | None, digest: str) -> CountedSelection:
    """What a tag says. Raises `InvalidRequest` for one that is none, or of another selection."""
    found = _TAG.fullmatch(etag or "")
    if found is None:
        raise InvalidRequest(
            "it is no tag of a selection", which="selection_etag", do="Count first, with dry_run=true."
        )
    if found[3] != digest:
        raise InvalidRequest("it was made for another selection", which="selection_etag", do="Count again.")
    try:
        return CountedSelection(int(found[1]), datetime.strptime(found[2], _TIME), found[3])  # noqa: DTZ007 - UTC, without a zone
    except ValueError as error:
        raise InvalidRequest("it is no tag of a selection", which="selection_etag") from error


def refuse_grown(counted: int, now: int, new: int, tolerance: int) -> None:
    """Raises `SelectionChanged` where more match than were counted, or some have come since."""
    more = max(now - counted, new)
    if more > tolerance:
        raise SelectionChanged(
            f"the selection has changed since it was counted: {counted:,} matched then, {now:,} match now, "
            f"and {new:,} of these are new",
            do="Count again, and look at what has come.",
        )
