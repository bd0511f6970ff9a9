"""What a worker has claimed. It says which emails, of which jobs, under which token, and why one is not claimed."""

import secrets
from dataclasses import dataclass
from enum import Enum, auto

from eed_delivery.light_dataclass import light_dataclass
from eed_delivery.model import Email, Ticket


class Standing(Enum):
    """Why a message was not turned into a claim, or a wire not granted. It decides the message's fate."""

    UNKNOWN = auto()  # no such email, or a gen from the future: not ours
    OVER = auto()  # an end state or an older gen: the message has done its work
    LATER = auto()  # another worker holds it, or its time has not come
    LOST = auto()  # our token or lease is gone: the row belongs to the sweeper or to another worker


@dataclass(frozen=True, slots=True)
class Refusal:
    """A ticket that gave no claim. `seconds` is when it is worth another look (LATER only)."""

    ticket: Ticket
    standing: Standing
    seconds: float = 0.0


@light_dataclass
class JobRef:
    """Which job, and in which revision. This is enough to find its compiled templates in a cache, or to load them."""

    job_id: int
    key: str
    revision: int


@dataclass(frozen=True, slots=True)
class Claim:
    """What a claim gave, which is claimed emails with their content, and the tickets that gave none."""

    emails: tuple[Email, ...]
    jobs: dict[int, JobRef]  # by job_id: the jobs of these emails
    refusals: tuple[Refusal, ...]


@dataclass(frozen=True, slots=True)
class Fence:
    """What an email is held by. Nothing is written where these are not its row's."""

    email_id: int
    gen: int
    token: int


def new_token() -> int:
    """A unique fencing token of 62 random bits, never 0."""
    return secrets.randbits(62) | 1


def fence(email: Email) -> dict[str, int]:
    """What a statement is fenced by. Nothing is written under a token or a generation that is not ours any more."""
    return {"id": email.email_id, "of_gen": email.gen, "our_token": email.token}


def fences(email: Email) -> dict[str, object]:
    """The same for a statement that several emails share."""
    return {"ids": [email.email_id], "fences": [(email.email_id, email.gen, email.token)]}
