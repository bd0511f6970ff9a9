"""Metrics in Prometheus's text format: those of this host's processes, and those of the ledger."""

from collections.abc import Callable, Iterator
from pathlib import Path

from flask import Flask, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Metric, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from eed_delivery.access.rights import Right
from eed_delivery.metrics.directory import exposed
from eed_delivery.operations.figures import FIGURES, LedgerFigures
from eed_delivery.operators.problems import HttpProblem
from eed_delivery.operators.routes import needs


class LedgerCollector(Collector):
    """The ledger's figures as gauges. What is not known is not there."""

    def __init__(self, figures: LedgerFigures) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        """One round of figures."""
        now = self._figures.now()
        for figure in FIGURES:
            if figure.name in now:
                gauge = GaugeMetricFamily(figure.name, figure.help, labels=figure.labels)
                for labels, value in sorted(now[figure.name].items()):
                    gauge.add_metric(labels, value)
                yield gauge


def add_metrics(app: Flask, directory: Path | None, figures: Callable[[], LedgerFigures]) -> None:
    """Add `/metrics` and `/metrics/ledger`."""

    @needs(Right.METRICS)
    def of_processes() -> Response:
        if directory is None:
            do = "Set metrics.directory, and restart the service. /metrics/ledger needs no setting."
            raise HttpProblem(404, "not_kept", "The processes of this host keep no metrics.", do)
        return _text(exposed(directory))

    @needs(Right.METRICS)
    def of_ledger() -> Response:
        registry = CollectorRegistry(auto_describe=False)
        registry.register(LedgerCollector(figures()))
        return _text(generate_latest(registry))

    app.add_url_rule("/metrics", "metrics", of_processes)
    app.add_url_rule("/metrics/ledger", "metrics_of_ledger", of_ledger)


def _text(content: bytes) -> Response:
    return Response(content, content_type=CONTENT_TYPE_LATEST)
