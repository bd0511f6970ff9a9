"""`[deadlines]`: the next time of day after a job was registered, by its zone's clock."""

from datetime import datetime

import pytest
from pydantic import ValidationError

from eed_delivery.config.deadlines import DeadlinesSettings


def after(moment: str, by: str = "06:00", zone: str = "Europe/Berlin") -> str:
    settings = DeadlinesSettings.model_validate({"category": {" statements ": {"by": by, "zone": zone}}})
    found = settings.category["statements"].made().after(datetime.fromisoformat(moment))
    return found.isoformat(timespec="minutes")


@pytest.mark.parametrize(
    ("moment", "by", "expected"),
    [
        ("2026-12-01T02:00", "06:00", "2026-12-01T05:00"),
        ("2026-12-01T05:00", "06:00", "2026-12-02T05:00"),
        ("2026-12-01T23:30", "06:00", "2026-12-02T05:00"),
        ("2026-12-01T22:00", "00:00", "2026-12-01T23:00"),
        ("2026-03-28T23:30", "02:30", "2026-03-29T01:00"),
        ("2026-10-24T23:30", "02:30", "2026-10-25T00:30"),
    ],
)
def test_it_is_the_next_one_by_the_zones_clock(moment: str, by: str, expected: str) -> None:
    assert after(moment, by) == expected


@pytest.mark.parametrize("given", [{"by": "24:00"}, {"by": "6"}, {"by": "06:00", "zone": "Mars"}])
def test_what_is_wrong_is_said(given: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        DeadlinesSettings.model_validate({"category": {"statements": {"by": "06:00", "zone": "UTC"} | given}})
