"""Why a job does not move: the first reason that fits."""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple


class StandstillReason(StrEnum):
    """In the order in which they are asked."""

    PAUSED = "paused"
    HELD = "held"
    WINDOW_CLOSED = "window_closed"
    EXPIRED = "expired"
    BREAKER_OPEN = "breaker_open"
    NO_WORKER = "no_worker"
    NO_PUBLISHER = "no_publisher"
    QUEUE_REFUSES = "queue_refuses"
    QUOTA = "quota"
    RATE_LIMIT = "rate_limit"
    DOMAIN = "domain"
    SOURCE_SLOW = "source_slow"
    OTHERS_SHARE = "others_share"
    UNEXPLAINED = "unexplained"


class Standstill(NamedTuple):
    """The reason, and the same for people."""

    reason: StandstillReason
    words: str


def first_standstill(found: Mapping[StandstillReason, str]) -> Standstill | None:
    """The first of those that were found. None: there is none."""
    return next((Standstill(reason, found[reason]) for reason in StandstillReason if reason in found), None)
