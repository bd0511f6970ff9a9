"""The models of benchmarks/scaling/ agree with what can be calculated without them, and documents with their output."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.scaling import prices
from benchmarks.scaling.day_model import HOUR, Day, Group, Job, Limits
from benchmarks.scaling.host_model import Demand, Plant, emails_a_second
from benchmarks.scaling.law import little, utilisation
from benchmarks.scaling.predicting import OUTCOME, PREDICTION

ROOT = Path(__file__).parents[2]
IDLE = Plant(hosts=1, processes=2, threads=4, idle_cores=0.0)
WAITS = Demand(0.0, 0.0, 0.0, 0.0, 0.0, flush=0.0, answer=lambda _: 0.1)
"""An email that nothing works on: it waits for SES."""
WORKS = Demand(0.002, 0.0, 0.001, 0.0005, 0.0005, relay=0.0005, flush=0.001)


def test_threads_that_only_wait_follow_littles_law() -> None:
    assert emails_a_second(WAITS, IDLE, 800) == pytest.approx(little(IDLE, 0.1), rel=0.01)


@pytest.mark.parametrize("hosts", [1, 2])
@pytest.mark.parametrize("shares_cores", [True, False])
def test_no_schedule_is_faster_than_utilisation_allows(hosts: int, shares_cores: bool) -> None:
    plant = Plant(hosts, 2, 16, shares_cores=shares_cores, idle_cores=0.0)
    speed, bound = emails_a_second(WORKS, plant, 800), utilisation(WORKS, plant)
    assert 0.8 * bound <= speed <= bound


def test_more_threads_and_shared_commits_help_until_the_cores_are_busy() -> None:
    slow = replace(WORKS, flush=0.02)
    speeds = [emails_a_second(slow, replace(IDLE, threads=threads), 600) for threads in (1, 4, 16)]
    assert speeds[0] < speeds[1] < speeds[2]
    assert speeds[2] > 2 / slow.flush, "a write of the log is for several emails"


def day(limits: Limits, group: Group, jobs: list[Job]) -> Day:
    return Day(jobs, limits, group, lambda hosts: 100.0 * hosts)


def test_a_fixed_number_of_hosts_takes_as_long_as_one_calculates() -> None:
    result = day(Limits(150), Group(1, 1, 1e9), [Job(HOUR, 360_000)]).run()
    assert result.ended == pytest.approx(HOUR, abs=10)
    assert (result.most_hosts, result.host_hours) == (1, pytest.approx(24, abs=0.1))
    both = day(Limits(150), Group(2, 2, 1e9), [Job(HOUR, 360_000)]).run()
    assert both.ended == pytest.approx(360_000 / 150, abs=10), "SES's rate bounds two hosts"


def test_hosts_follow_the_backlog_out_and_in_with_their_delays() -> None:
    group = Group(1, 4, each=60_000)
    result = day(Limits(1000), group, [Job(HOUR, 720_000)]).run()
    assert result.most_hosts == 4
    most = 720_000 / 400
    assert most + group.warm_up < (result.ended or 0) < most + group.warm_up + 6 * group.period
    assert result.host_hours < 26, "they went again"


def test_a_day_ends_with_the_quota_of_ses() -> None:
    result = day(Limits(150, quota=100_000), Group(1, 1, 1e9), [Job(0, 360_000)]).run()
    assert (result.ended, round(result.sent)) == (None, 100_000)


def test_the_document_has_the_prices_as_they_are_calculated() -> None:
    price, assumed, data = prices.load()
    assert prices.table(prices.costs(price, assumed)) in (ROOT / "docs" / "aws.md").read_text()
    assert all(one["source"] and one["date"] and one["unit"] for one in data.values())


def test_the_prediction_is_older_than_what_came_of_it() -> None:
    prediction, outcome = json.loads(PREDICTION.read_text()), json.loads(OUTCOME.read_text())
    assert outcome["predicted_at"] == prediction["predicted_at"]
    assert outcome["predicted"] == prediction["two_hosts_emails_per_s"]
    document = (ROOT / "docs" / "scaling.md").read_text()
    for figure in (outcome["predicted"], outcome["measured"], outcome["one_host_then"]):
        assert f"| {figure:,.0f} |" in document
