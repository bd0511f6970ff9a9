"""Keeps a process's metrics with prometheus_client, in files that survive the process.

Its multiprocess mode is on where the variable PROMETHEUS_MULTIPROC_DIR is set before it is imported
(https://prometheus.github.io/client_python/multiprocess/).
"""

import time
from bisect import bisect_left
from collections import Counter as Counted
from collections import deque
from contextlib import suppress
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from eed_delivery.metrics.families import FAMILIES, MetricFamily

FLUSH_SECONDS = 1.0


class ProcessFigures:
    """Every metric of `FAMILIES`. A child with labels is made once, because to look it up takes as long as to count."""

    def __init__(self, role: str, version: str, config: str) -> None:
        self.registry = CollectorRegistry()
        self._metrics = {family.name: _made(family, self.registry) for family in FAMILIES}
        self.later: deque[tuple[tuple[str, tuple[str, ...]], float]] = deque()
        self._flush_at = 0.0
        self._children: dict[tuple[str, tuple[str, ...]], Any] = {}
        self.of("eed_process_start_time_seconds", (role,)).set(time.time())
        self.of("eed_build_info", (version, config)).set(1)

    def of(self, name: str, labels: tuple[str, ...]) -> Any:
        """The metric with these values of its labels."""
        child = self._children.get((name, labels))
        if child is None:
            metric = self._metrics[name]
            child = self._children[name, labels] = metric.labels(*labels) if labels else metric
        return child

    def flush(self, *, at_once: bool = False) -> None:
        """Add what was to be added later, once a second. Equal buckets are added at once, because to write one to the
        file is what costs. prometheus_client has no call for that, so its own fields are used."""
        now = time.monotonic()
        if now < self._flush_at and not at_once:
            return
        self._flush_at = now + FLUSH_SECONDS
        found: dict[tuple[str, tuple[str, ...]], list[float]] = {}
        with suppress(IndexError):  # another thread may flush, too
            while True:
                which, seconds = self.later.popleft()
                found.setdefault(which, []).append(seconds)
        for (name, labels), all_seconds in found.items():
            child, bounds = self.of(name, labels), _BOUNDS[name]
            for bucket, count in Counted(bisect_left(bounds, seconds) for seconds in all_seconds).items():
                child._buckets[bucket].inc(count)
            child._sum.inc(sum(all_seconds))


_BOUNDS = {family.name: family.buckets for family in FAMILIES if family.kind == "histogram"}


def _made(family: MetricFamily, registry: CollectorRegistry) -> Counter | Gauge | Histogram:
    if family.kind == "counter":
        return Counter(family.name, family.help, family.labels, registry=registry)
    if family.kind == "gauge":
        return Gauge(family.name, family.help, family.labels, registry=registry, multiprocess_mode=family.mode)
    return Histogram(family.name, family.help, family.labels, registry=registry, buckets=family.buckets)
