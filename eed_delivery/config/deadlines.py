"""`[deadlines]`: by when the jobs of a category are to have ended each day."""

from datetime import time
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator

from eed_delivery.config.formats import mistake
from eed_delivery.config.section import Section
from eed_delivery.config.send_windows import MIDNIGHT, Clock, ZoneName, category_name
from eed_delivery.forecast.deadlines import DailyDeadline


def _time_of_day(given: str) -> str:
    if given == MIDNIGHT:
        raise mistake("a deadline cannot be at 24:00", 'Give "00:00", which is the next one that comes.')
    return given


class DeadlineSettings(Section):
    """The time of day by which a job is to have ended: the next one after it was registered."""

    by: Annotated[Clock, AfterValidator(_time_of_day)]
    zone: ZoneName

    def made(self) -> DailyDeadline:
        """The deadline as it is calculated."""
        return DailyDeadline(time.fromisoformat(self.by), ZoneInfo(self.zone))


class DeadlinesSettings(Section):
    """Deadlines of jobs by their category. A job's own deadline goes first."""

    category: dict[Annotated[str, AfterValidator(category_name)], DeadlineSettings] = {}  # noqa: RUF012 - pydantic copies
