"""When something ends by itself: a hold, a pace, an entry, a token. A choice, so that no time zone is mistaken."""

from collections.abc import Mapping, Sequence

from eed_delivery.console.acting import FormField

MINUTE, HOUR, DAY = 60, 3600, 86_400
NEVER = ("", "not by itself")
SOON = (
    NEVER,
    (str(15 * MINUTE), "in 15 minutes"),
    (str(HOUR), "in an hour"),
    (str(2 * HOUR), "in 2 hours"),
    (str(4 * HOUR), "in 4 hours"),
    (str(8 * HOUR), "in 8 hours"),
    (str(DAY), "in a day"),
)

LATER = (NEVER, *((str(days * DAY), f"in {days} days") for days in (1, 7, 30, 90, 180, 365)))


def end_field(choices: Sequence[tuple[str, str]] = SOON, *, required: bool = False) -> FormField:
    """The field of a form."""
    return FormField("ends", "Ends", kind="select", choices=choices, required=required, value=choices[0][0])


def seconds_until_end(given: Mapping[str, str]) -> float | None:
    """What was chosen. None: it does not end by itself."""
    chosen = given.get("ends", "")
    return float(chosen) if chosen else None
