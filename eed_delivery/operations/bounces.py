"""One bounce, as a mail server hands it over."""

from dataclasses import dataclass
from typing import BinaryIO

from eed_delivery.tracking.bounces.intake import BounceIntake
from eed_delivery.tracking.bounces.parsing import MAX_BYTES, BounceVerdict

__all__ = ["BounceRequest", "BounceVerdict", "Bounces"]

BLOCK = 65_536


@dataclass(frozen=True, slots=True)
class BounceRequest:
    """A message that came for `recipient`, the envelope's. It is read to its end, and only its start is parsed."""

    recipient: str
    message: BinaryIO


class Bounces:
    """Stores what bounces say."""

    def __init__(self, intake: BounceIntake) -> None:
        self._intake = intake

    def take(self, request: BounceRequest) -> BounceVerdict:
        """Read a message and store what it says. The same message again changes nothing. Raises `DatabaseGone`. Then
        nothing is stored, and it is to be brought again."""
        return self._intake.take(_start_of(request.message), request.recipient)


def _start_of(stream: BinaryIO) -> bytes:
    """The part of it that is parsed. The rest is read and dropped, so that the writer does not find a broken pipe."""
    content = stream.read(MAX_BYTES)
    while stream.read(BLOCK):
        pass
    return content
