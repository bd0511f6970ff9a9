"""What `eed-delivery db check` reports."""

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding of a check: its level, its place, what is the case, and what to do about it.

    An "error" would stop the service, lose emails or mix up statuses. A "warning" costs speed, or safety in a rare
    case. `remedy` is "" when there is nothing to do.
    """

    level: Level
    where: str
    what: str
    remedy: str = ""
