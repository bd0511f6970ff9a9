"""Has a process keep its metrics. prometheus_client is loaded only where it does."""

from eed_delivery import __version__
from eed_delivery.config import Settings
from eed_delivery.config.digest import digest_of
from eed_delivery.metrics import observing
from eed_delivery.metrics.recording import ProcessFigures


def keep_metrics(settings: Settings, role: str) -> None:
    """From now on, this process keeps its metrics."""
    observing.keep(ProcessFigures(role, __version__, digest_of(settings)))
