"""`[send_windows]`, and a job's own windows: what is wrong in them is said in words."""

from datetime import date, time
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from eed_delivery.config.job_windows import windows_of_job
from eed_delivery.config.send_windows import SendWindowsSettings
from eed_delivery.send_windows.rules import SendWindows, WindowRule

BERLIN = ZoneInfo("Europe/Berlin")
OPEN = {"from": "08:00", "to": "20:00", "zone": "Europe/Berlin"}


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"open": [{**OPEN, "days": ["mon", "fry"]}]}, "'fry' is not a day"),
        ({"open": [{**OPEN, "days": []}]}, "at least 1"),
        ({"open": [{**OPEN, "zone": "Mars/Olympus"}]}, "there is no time zone 'Mars/Olympus'"),
        ({"open": [{**OPEN, "zone": "../../etc/passwd"}]}, "is not a time zone"),
        ({"open": [{**OPEN, "zone": ""}]}, "is not a time zone"),
        ({"open": [{**OPEN, "zone": "localtime"}]}, "there is no time zone"),
        ({"open": [{**OPEN, "zone": "right/UTC"}]}, "there is no time zone"),
        ({"open": [{**OPEN, "to": "8:00"}]}, "begins and ends at 08:00"),
        ({"open": [{**OPEN, "from": "24:00"}]}, "cannot begin at 24:00"),
        ({"open": [{**OPEN, "from": "8"}]}, "'8' is not a time of day"),
        ({"open": [{**OPEN, "from": 8}]}, "8 is not a time of day"),
        ({"open": [{**OPEN, "from": "25:00"}]}, "'25:00' is not a time of day"),
        ({"open": [{**OPEN, "from": time(8, 0, 30)}]}, "is not a time of day"),
        ({"open": [{"from": "08:00", "to": "20:00"}]}, "Field required"),
        ({"open": [OPEN], "excluded": ["2026-02-30"]}, "'2026-02-30' is not a date"),
        ({"open": [OPEN], "excluded": [20261225]}, "'20261225' is not a date"),
        ({"excluded": ["2026-12-25"]}, "no window says in which time zone"),
        ({"category": {"urgent": {}}}, "it needs open or ignore"),
        ({"category": {"urgent": {"ignore": True, "open": OPEN}}}, "it needs open or ignore"),
    ],
)
def test_what_is_wrong_is_said(given: dict[str, object], word: str) -> None:
    with pytest.raises(ValidationError) as error:
        SendWindowsSettings.model_validate(given)
    assert word in str(error.value)


def test_windows_are_made_as_they_are_given() -> None:
    given = {
        "open": {"days": "MON", "from": time(8), "to": "24:00", "zone": "Europe/Berlin"},
        "excluded": [date(2026, 12, 25), "2026-12-26"],
    }
    monday = WindowRule(frozenset([0]), time(8), None, BERLIN)
    found = SendWindowsSettings.model_validate(given).made()
    assert found == SendWindows((monday,), frozenset([date(2026, 12, 25), date(2026, 12, 26)]))
    assert monday.words == "mon 08:00 to 24:00 Europe/Berlin"


@pytest.mark.parametrize("given", ["8:5", "08:5", "8:05", "08:05"])
def test_hours_and_minutes_may_have_one_digit(given: str) -> None:
    (found,) = SendWindowsSettings.model_validate({"open": {**OPEN, "from": given}}).made().rules
    assert found.opens == time(8, 5)


def test_a_category_is_named_as_jobs_have_it() -> None:
    found = SendWindowsSettings.model_validate({"category": {" letters ": {"ignore": True}}})
    assert [*found.category] == ["letters"]


def test_a_job_has_a_list_of_windows_or_a_table() -> None:
    listed = windows_of_job('[{"from": "22:00", "to": "6:00", "zone": "Europe/Berlin"}]')
    assert listed == SendWindows((WindowRule(frozenset(range(7)), time(22), time(6), BERLIN),))
    assert listed.rules[0].words == "every day 22:00 to 06:00 Europe/Berlin"
    with_dates = windows_of_job(
        '{"open": [{"from": "22:00", "to": "06:00", "zone": "Europe/Berlin"}], "excluded": ["2026-12-25"]}'
    )
    assert with_dates == SendWindows(listed.rules, frozenset([date(2026, 12, 25)]))


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("at night", "it is not JSON"),
        ("[" * 100_000, "it is not JSON"),
        ("[]", "it has no window"),
        ("{}", "it has no window"),
        ("7", "open: the value is not a list"),
        ('[{"from": "08:00", "to": "20:00"}]', "open.0.zone: it is not set"),
        ('[{"from": "08:00", "to": "20:00", "zone": "Mars"}]', "open.0.zone: there is no time zone"),
        ('{"opens": []}', "opens: there is no such setting"),
    ],
)
def test_what_is_wrong_with_a_jobs_own_windows_is_said(text: str, word: str) -> None:
    with pytest.raises(ValueError, match=word.replace(".", r"\.")):
        windows_of_job(text)
