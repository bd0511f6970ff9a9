"""`[send_windows]`, and the windows of channels and jobs: when emails may leave."""

from datetime import date, datetime, time
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, model_validator

from eed_delivery.config.formats import mistake
from eed_delivery.config.section import Section
from eed_delivery.send_windows.rules import DAYS, SendWindows, WindowRule

MIDNIGHT = "24:00"
_HOURS = 'Give hours and minutes in quotes, like "08:00", or "24:00" for the end of the day.'
_ZONES = "Give a name of the IANA time zone database, like Europe/Berlin. The host needs its package tzdata."


_NO_ZONES = ("localtime", "posixrules", "Factory")
"""Files beside the zones. What they say is another thing on each host, or nothing."""
CATEGORY_LENGTH = 191


def category_name(name: str) -> str:
    """The name of a category as a job's is kept."""
    return name.strip()[:CATEGORY_LENGTH].rstrip()


def _one_or_more(given: Any) -> Any:
    return (given,) if isinstance(given, str | dict) else given


def _day(given: Any) -> Any:
    if not isinstance(given, str) or given.lower() not in DAYS:
        raise mistake(f"{given!r} is not a day", f"Possible are {', '.join(DAYS)}.")
    return given.lower()


def _clock(given: Any) -> Any:
    if isinstance(given, time):
        given = given.strftime("%H:%M" if given.replace(second=0, microsecond=0) == given else "%H:%M:%S.%f")
    try:
        return given if given == MIDNIGHT else datetime.strptime(given, "%H:%M").strftime("%H:%M")  # noqa: DTZ007
    except (ValueError, TypeError):
        raise mistake(f"{given!r} is not a time of day", _HOURS) from None


def _zone(given: Any) -> Any:
    if isinstance(given, str) and (given in _NO_ZONES or given.startswith(("posix/", "right/"))):
        raise mistake(f"there is no time zone {given!r}", _ZONES)
    try:
        return ZoneInfo(given).key
    except (ValueError, OSError, TypeError, AttributeError):  # ZoneInfoNotFoundError is a KeyError
        raise mistake(f"{given!r} is not a time zone", _ZONES) from None
    except KeyError:
        raise mistake(f"there is no time zone {given!r}", _ZONES) from None


def _date(given: Any) -> Any:
    try:
        is_day = isinstance(given, date) and not isinstance(given, datetime)
        return given if is_day else date.fromisoformat(given)
    except (ValueError, TypeError):
        raise mistake(f"{str(given)[:40]!r} is not a date", 'Give year, month and day, like "2026-12-25".') from None


Day = Annotated[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], BeforeValidator(_day)]
Clock = Annotated[str, BeforeValidator(_clock)]
ZoneName = Annotated[str, BeforeValidator(_zone)]
ExcludedDate = Annotated[date, BeforeValidator(_date)]


class OpenSettings(Section):
    """One window. `to` at or before `from` is on the following day."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, validate_by_name=False)

    days: Annotated[tuple[Day, ...], BeforeValidator(_one_or_more), Field(min_length=1)] = DAYS  # type: ignore[assignment]
    opens: Annotated[Clock, Field(alias="from")]
    closes: Annotated[Clock, Field(alias="to")]
    zone: ZoneName

    @model_validator(mode="after")
    def _lasts(self) -> Self:
        if self.opens == MIDNIGHT:
            raise mistake("a window cannot begin at 24:00", 'Give "00:00" and the following day.')
        if self.opens == self.closes:
            raise mistake(
                f"the window begins and ends at {self.opens}",
                'Give another time. A whole day is from "00:00" to "24:00".',
            )
        return self

    def made(self) -> WindowRule:
        """The window as it is calculated."""
        closes = None if self.closes == MIDNIGHT else time.fromisoformat(self.closes)
        days = frozenset(DAYS.index(day) for day in self.days)
        return WindowRule(days, time.fromisoformat(self.opens), closes, ZoneInfo(self.zone))


Opens = Annotated[tuple[OpenSettings, ...], BeforeValidator(_one_or_more), Field(max_length=50)]
Dates = Annotated[tuple[ExcludedDate, ...], BeforeValidator(_one_or_more), Field(max_length=1000)]


class WindowSettings(Section):
    """When a channel is open. Without `open` always."""

    open: Opens = ()
    excluded: Dates = ()

    @model_validator(mode="after")
    def _has_a_zone(self) -> Self:
        if self.excluded and not self.open:
            what = "dates are excluded, and no window says in which time zone"
            raise mistake(what, 'Give a window in open, like { from = "00:00", to = "24:00", zone = "Europe/Berlin" }.')
        return self

    def made(self) -> SendWindows:
        """The windows as they are calculated."""
        return SendWindows(tuple(one.made() for one in self.open), frozenset(self.excluded))


class CategoryWindows(WindowSettings):
    """When jobs of one category may leave. With `ignore` at any time, whatever window there is."""

    ignore: bool = False

    @model_validator(mode="after")
    def _says_one(self) -> Self:
        if self.ignore == bool(self.open):
            raise mistake("it needs open or ignore = true, and not both", "Give one of the two.")
        return self


class SendWindowsSettings(WindowSettings):
    """When emails may leave, of the whole installation and by category."""

    category: dict[Annotated[str, AfterValidator(category_name)], CategoryWindows] = {}  # noqa: RUF012 - pydantic copies it


NO_WINDOWS = WindowSettings.left_out()
