"""Keeps the forecasts of unfinished jobs, and says when the verdict of one changes."""

from collections.abc import Callable, Sequence

import structlog

from eed_delivery.forecast.steadiness import LOOK_SECONDS
from eed_delivery.forecast.verdicts import ALARMING
from eed_delivery.ledger.duties import DutyLedger
from eed_delivery.ledger.forecasts import ForecastLedger, ForecastLook

log = structlog.get_logger(__name__)

DUTY = "forecasts"
_EARLY = 1.0
"""A loop that wakes up a little early still has its turn."""


class ForecastWatch:
    """One process's turns at it. Hosts take turns."""

    def __init__(self, ledger: ForecastLedger, duties: DutyLedger, looks: Callable[[], Sequence[ForecastLook]]) -> None:
        """`looks` makes the forecasts of now."""
        self._ledger = ledger
        self._duties = duties
        self._looks = looks

    def step(self) -> float:
        """Look, if it is this process's turn. Raises `DatabaseGone`."""
        if self._duties.take(DUTY, LOOK_SECONDS - _EARLY):
            for change in self._ledger.note(self._looks()):
                look = change.look
                facts = {
                    "job": look.key,
                    "job_id": look.job_id,
                    "verdict": change.now.value,
                    "before": change.before.value,
                    "margin_seconds": None if look.margin is None else round(look.margin),
                }
                if change.now in ALARMING:
                    log.warning("job_deadline_at_risk", **facts)
                else:
                    log.info("job_deadline_safe", **facts)
        return LOOK_SECONDS
