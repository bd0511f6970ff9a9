"""What the log says of emails that left without a value: at once, then by the minute, and nothing twice."""

from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from eed_delivery.worker.missing_values import AGAIN_SECONDS, LINES_AT_ONCE, MissingValues


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def lines(values: MissingValues) -> list[Any]:
    with capture_logs() as logged:
        values.step()
    return [(line.get("job_id"), line["value"], line["emails"]) for line in logged]


def test_the_first_is_told_at_once_and_the_others_by_the_minute() -> None:
    clock = Clock()
    values = MissingValues(clock)
    values.add(7, ["balance"])
    assert lines(values) == [(7, "balance", 1)]
    values.add(7, ["balance", "iban"])
    values.add(7, ["balance"])
    assert lines(values) == [(7, "iban", 1)]
    clock.now += AGAIN_SECONDS
    assert lines(values) == [(7, "balance", 2)]
    assert lines(values) == []


def test_the_line_says_what_to_do() -> None:
    values = MissingValues()
    values.add(7, ["balance"])
    with capture_logs() as logged:
        values.close()
    (line,) = logged
    assert (line["event"], line["log_level"]) == ("values_missing", "warning")
    assert "rendering.missing" in line["todo"]


def test_many_jobs_share_a_line() -> None:
    values = MissingValues()
    for job_id in range(LINES_AT_ONCE + 1):
        values.add(job_id, ["balance"])
    assert lines(values) == [(None, "balance", LINES_AT_ONCE + 1)]


@given(st.lists(st.tuples(st.integers(1, 40), st.sampled_from("abc"), st.sampled_from([0, 1, 5, 70]))))
def test_the_sum_of_all_lines_is_what_was_added(adds: list[tuple[int, str, int]]) -> None:
    clock = Clock()
    values = MissingValues(clock)
    with capture_logs() as logged:
        for job_id, name, seconds in adds:
            values.add(job_id, [name])
            clock.now += seconds
            if seconds:
                values.step()
        values.close()
    told: Counter[str] = Counter()
    for line in logged:
        told[line["value"]] += line["emails"]
    assert told == Counter(name for _, name, _ in adds)
