"""What the sweeper forecast last. To ask loads nothing that makes forecasts, so a list of jobs stays quick."""

from collections.abc import Callable, Mapping, Sequence

from eed_delivery.ledger.forecasts import StoredForecast

__all__ = ["KeptForecasts", "StoredForecast"]


class KeptForecasts:
    """Forecasts of unfinished jobs as they were kept. Each call is one small query and raises `DatabaseGone`."""

    def __init__(self, fresh: Callable[[], Sequence[StoredForecast]]) -> None:
        """`fresh`: those of the last two minutes."""
        self._fresh = fresh

    def all(self) -> Mapping[str, StoredForecast]:
        """By the jobs' keys."""
        return {one.key: one for one in self._fresh()}
