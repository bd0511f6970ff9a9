"""Which windows concern a job, and how they combine."""

from datetime import date, datetime

import pytest

from eed_delivery.send_windows.plan import EVER, NEVER, NextSpans, WindowPlan
from eed_delivery.send_windows.rules import SendWindows
from eed_delivery.send_windows.spans import Span
from tests.unit.send_windows.test_rules import at, rule

DAY, NIGHT = SendWindows((rule("08:00", "20:00"),)), SendWindows((rule("22:00", "06:00"),))
MORNING = SendWindows((rule("06:00", "12:00"),))
NOW = at("2026-12-01T12:00")  # a Tuesday, 13:00 in Berlin
PLAN = WindowPlan(
    installation=DAY,
    channels={"default": SendWindows(), "statements": MORNING, "night": NIGHT},
    categories={"newsletter": NIGHT, "any": SendWindows()},
    ignoring={"urgent"},
)


def spans(*texts: str) -> NextSpans:
    moments = [at(text) for text in texts]
    return NextSpans(*(Span(*moments[n : n + 2]) for n in range(0, len(moments), 2)))


@pytest.mark.parametrize(
    ("channel", "category", "own", "expected"),
    [
        ("default", "", None, spans("2026-12-01T07:00", "2026-12-01T19:00", "2026-12-02T07:00", "2026-12-02T19:00")),
        ("default", "newsletter", None, spans("2026-12-01T21:00", "2026-12-02T05:00", "2026-12-02T21:00",
                                              "2026-12-03T05:00")),
        ("default", "newsletter", MORNING, spans("2026-12-02T05:00", "2026-12-02T11:00", "2026-12-03T05:00",
                                                 "2026-12-03T11:00")),
        ("statements", "", None, spans("2026-12-02T07:00", "2026-12-02T11:00", "2026-12-03T07:00",
                                       "2026-12-03T11:00")),
        ("default", "any", None, NextSpans(EVER)),
        ("statements", "any", None, spans("2026-12-02T05:00", "2026-12-02T11:00", "2026-12-03T05:00",
                                          "2026-12-03T11:00")),
        ("statements", "urgent", DAY, NextSpans(EVER)),
        ("night", "", None, NextSpans(NEVER)),
    ],
)  # fmt: skip
def test_the_most_special_window_of_a_job_and_that_of_its_channel_must_be_open(
    channel: str, category: str, own: SendWindows | None, expected: NextSpans
) -> None:
    assert PLAN.next_spans(NOW, channel, category, own) == expected


def test_an_override_opens_whatever_windows_say() -> None:
    override = Span(NOW, at("2026-12-01T13:00"))
    found = PLAN.next_spans(NOW, "night", "", None, [override])
    assert found == NextSpans(override)
    # one that begins within a window ends no earlier than that
    assert PLAN.next_spans(NOW, "default", "", None, [override]).first.end == at("2026-12-01T19:00")
    later = Span(NOW, at("2026-12-01T23:00"))
    assert PLAN.next_spans(NOW, "default", "", None, [later]).first == Span(at("2026-12-01T07:00"), later.end)


def test_the_installations_excluded_dates_count_for_all() -> None:
    holiday = SendWindows(DAY.rules, frozenset({date(2026, 12, 2)}))
    plan = WindowPlan(installation=holiday, categories={"newsletter": MORNING})
    assert plan.next_spans(NOW, "default", "newsletter", None).first.start == at("2026-12-03T05:00")
    assert plan.next_spans(NOW, "default", "", MORNING).first.start == at("2026-12-03T05:00")


def test_a_window_that_is_always_open_keeps_its_beginning_for_a_day() -> None:
    plan = WindowPlan(installation=SendWindows((rule("00:00", "24:00"),)))
    first, later = (plan.next_spans(at(f"2026-12-01T{hour}:00"), "default", "", None) for hour in ("00", "23"))
    assert first == later
    assert first.is_open(NOW)


def test_a_plan_without_any_window_is_empty() -> None:
    assert WindowPlan().is_empty
    assert WindowPlan(channels={"default": SendWindows()}, categories={"a": SendWindows()}).is_empty
    assert not WindowPlan(of_jobs=True).is_empty
    assert not WindowPlan(channels={"default": DAY}).is_empty


def test_a_window_is_shut_at_its_end_and_open_at_its_beginning() -> None:
    found = PLAN.next_spans(NOW, "default", "", None)

    def is_open(text: str) -> bool:
        return found.is_open(datetime.fromisoformat(text))

    assert is_open("2026-12-01T07:00") and is_open("2026-12-01T18:59:59.999999") and is_open("2026-12-02T07:00")
    assert not is_open("2026-12-01T19:00") and not is_open("2026-12-02T06:59:59.999999")
