"""The most important figures as log lines in CloudWatch's embedded metric format, from one host once a minute.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
A line has one value for each dimension, so states and kinds are in the metric's name. Figures of all jobs are summed.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

import structlog

from eed_delivery.ledger.duties import DutyLedger
from eed_delivery.operations.figures import FIGURES, LedgerFigures, Values

log = structlog.get_logger(__name__)

DUTY = "emf"
EVERY_SECONDS = 60.0
LOOK_SECONDS = 5.0
MOST_METRICS = 100
"""Of one line, by the specification."""


class EmfLog:
    """Logs `figures`, if it is this host's turn."""

    def __init__(
        self, figures: LedgerFigures, duties: DutyLedger, namespace: str, clock: Callable[[], float] = time.time
    ) -> None:
        self._figures = figures
        self._duties = duties
        self._namespace = namespace
        self._clock = clock

    def step(self) -> float:
        """Raises `DatabaseGone`."""
        if self._duties.take(DUTY, EVERY_SECONDS):
            log.info("figures", **emf_line(self._figures.now(), self._namespace, self._clock()))
        return LOOK_SECONDS


def emf_line(now: Mapping[str, Values], namespace: str, at: float) -> dict[str, Any]:
    """The members of the line. A figure that is not known is not in it."""
    values: dict[str, float] = {}
    units: dict[str, str] = {}
    for figure in FIGURES:
        if figure.unit is None:
            continue
        for labels, value in now.get(figure.name, {}).items():
            parts = [text for label, text in zip(figure.labels, labels, strict=True) if label != "job"]
            name = "_".join([figure.name, *(_ALIVE.get(part, part) for part in parts)])
            values[name] = values.get(name, 0.0) + value
            units[name] = figure.unit
    metrics = [{"Name": name, "Unit": units[name]} for name in sorted(values)][:MOST_METRICS]
    directive = {"Namespace": namespace, "Dimensions": [[]], "Metrics": metrics}
    return {"_aws": {"Timestamp": round(at * 1000), "CloudWatchMetrics": [directive]}, **values}


_ALIVE = {"true": "alive", "false": "gone"}
