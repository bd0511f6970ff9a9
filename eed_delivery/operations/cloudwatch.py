"""The most important figures for CloudWatch, from one host once a minute: as log lines, or by calls of its API.

A log line is in CloudWatch's embedded metric format (EMF):
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
Either has one value for each name, so states and kinds are in the metric's name. Figures of all jobs are summed.
"""

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import structlog
from botocore.exceptions import BotoCoreError, ClientError

from eed_delivery.ledger.duties import DutyLedger
from eed_delivery.operations.figures import FIGURES, LedgerFigures, Values

log = structlog.get_logger(__name__)

DUTY = "cloudwatch"
EVERY_SECONDS = 60.0
LOOK_SECONDS = 5.0
MOST_METRICS = 100
"""Of one line, by EMF's specification. PutMetricData takes 1,000 a call."""
Put = Callable[[Mapping[str, Values], str, float], None]
"""What hands figures over, in a namespace, with the time of the host's clock in seconds since 1970."""


class CloudWatchFigures:
    """Hands `figures` over, if it is this host's turn."""

    def __init__(
        self,
        figures: LedgerFigures,
        duties: DutyLedger,
        namespace: str,
        put: Put,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._figures = figures
        self._duties = duties
        self._namespace = namespace
        self._put = put
        self._clock = clock

    def step(self) -> float:
        """Raises `DatabaseGone`."""
        if self._duties.take(DUTY, EVERY_SECONDS):
            self._put(self._figures.now(), self._namespace, self._clock())
        return LOOK_SECONDS


def log_line(now: Mapping[str, Values], namespace: str, at: float) -> None:
    """Log them as one line in EMF."""
    log.info("figures", **emf_line(now, namespace, at))


class MetricData:
    """Puts them by PutMetricData. What CloudWatch does not take is logged, and lost."""

    def __init__(self, client: Callable[[], Any]) -> None:
        """`client` makes boto3's of CloudWatch."""
        self._make = client
        self._client: Any = None

    def __call__(self, now: Mapping[str, Values], namespace: str, at: float) -> None:
        """See `Put`."""
        moment = datetime.fromtimestamp(at, UTC)
        data = [
            {"MetricName": name, "Value": value, "Unit": unit, "Timestamp": moment}
            for name, (value, unit) in _named(now).items()
        ]
        if not data:
            return
        try:
            self._client = self._client or self._make()
            self._client.put_metric_data(Namespace=namespace, MetricData=data)
        except (BotoCoreError, ClientError) as error:
            log.warning("figures_not_put", reason=str(error))


def emf_line(now: Mapping[str, Values], namespace: str, at: float) -> dict[str, Any]:
    """The members of the line."""
    named = _named(now)
    metrics = [{"Name": name, "Unit": unit} for name, (_, unit) in named.items()]
    directive = {"Namespace": namespace, "Dimensions": [[]], "Metrics": metrics}
    values = {name: value for name, (value, _) in named.items()}
    return {"_aws": {"Timestamp": round(at * 1000), "CloudWatchMetrics": [directive]}, **values}


def _named(now: Mapping[str, Values]) -> dict[str, tuple[float, str]]:
    """Each metric's value and unit, by its name there. A figure that is not known is left out."""
    values: dict[str, tuple[float, str]] = {}
    for figure in FIGURES:
        if figure.unit is None:
            continue
        for labels, value in now.get(figure.name, {}).items():
            parts = [text for label, text in zip(figure.labels, labels, strict=True) if label != "job"]
            name = "_".join([figure.name, *(_ALIVE.get(part, part) for part in parts)])
            before, _ = values.get(name, (0.0, ""))
            values[name] = (before + value, figure.unit)
    return {name: values[name] for name in sorted(values)[:MOST_METRICS]}


_ALIVE = {"true": "alive", "false": "gone"}
