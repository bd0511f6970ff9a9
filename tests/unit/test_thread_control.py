"""The controller of threads: against simulated mail servers, and whatever it observes."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eed_delivery.worker.thread_control import IDLE_SECONDS, ThreadChange, ThreadLimits, ThreadPlan, ThreadsObserved

MEMORY = 512e6
LIMITS = ThreadLimits(MEMORY)
SECONDS = 4.0
Server = Callable[[int], float]
"""Emails a second that so many threads send."""


def far_away(answer_seconds: float, capacity: float) -> Server:
    """Each email takes three answers, and the server or our processors end it at `capacity`."""
    return lambda threads: min(threads / (3 * answer_seconds), capacity)


def observed(server: Server, threads: int) -> ThreadsObserved:
    return ThreadsObserved(SECONDS, round(server(threads) * SECONDS), 1.0)


def path(server: Server, times: int, plan: ThreadPlan | None = None) -> list[ThreadPlan]:
    plans = [plan or ThreadPlan(LIMITS.first)]
    for _ in range(times):
        plans.append(plans[-1].next(observed(server, plans[-1].wanted), LIMITS))
    return plans


def test_a_server_far_away_gets_as_many_threads_as_it_needs_within_half_a_minute() -> None:
    plans = path(far_away(0.1, 10_000), 8)
    assert plans[-1].wanted == LIMITS.most
    assert plans[-1].why is ThreadChange.TRIAL


@pytest.mark.parametrize(("answer_seconds", "capacity", "most"), [(0.001, 300, 20), (0.02, 300, 40), (0.1, 200, 80)])
def test_no_threads_are_kept_that_bring_nothing(answer_seconds: float, capacity: float, most: int) -> None:
    server = far_away(answer_seconds, capacity)
    plans = path(server, 200)
    kept = [plan.wanted for plan in plans[20:] if plan.before is None]
    assert max(kept) <= most
    assert min(server(threads) for threads in kept) >= 0.95 * capacity


def test_trials_that_bring_nothing_become_rare() -> None:
    plans = path(far_away(0.001, 300), 300)
    trials = [n for n, plan in enumerate(plans[1:], 1) if plan.before is not None and plans[n - 1].before is None]
    assert 2 <= len(trials) <= 10


def test_a_server_that_gets_slow_gets_fewer_connections_and_more_again_afterwards() -> None:
    well = far_away(0.1, 200)
    before = path(well, 60)[-1]
    crushed = before.next(observed(lambda _: 60, before.wanted), LIMITS)
    while crushed.before is not None or crushed.settling:
        crushed = crushed.next(observed(lambda _: 60, crushed.wanted), LIMITS)

    assert min(plan.wanted for plan in path(lambda _: 60, 6, before)) < before.wanted

    assert well(path(well, 100, crushed)[-1].wanted) >= 0.9 * 200


def test_a_limit_of_connections_is_found_and_respected() -> None:
    """As of Postfix, whose smtpd_client_connection_count_limit is 50."""
    plan, refusals = ThreadPlan(LIMITS.first), 0
    for _ in range(300):
        refused = plan.wanted > 50
        refusals += refused
        seen = ThreadsObserved(SECONDS, round(min(plan.wanted, 50) / 0.3 * SECONDS), 1.0, refused=int(refused))
        plan = plan.next(seen, LIMITS)
    assert refusals <= 8
    assert 24 <= plan.wanted <= 60


def test_a_trial_that_opens_the_breaker_is_taken_back() -> None:
    plan = next(one for one in path(far_away(0.1, 10_000), 8) if one.before is not None)
    shut = plan.next(ThreadsObserved(SECONDS, 0, 0.0, shut=True), LIMITS)
    assert (shut.wanted, shut.why) == (16, ThreadChange.REFUSED)


def test_an_outage_takes_no_threads() -> None:
    plan = ThreadPlan(LIMITS.first)
    for _ in range(100):
        plan = plan.next(ThreadsObserved(SECONDS, 0, 0.0, shut=True), LIMITS)
    assert plan.wanted == LIMITS.first


def test_memory_ends_threads() -> None:
    plan = ThreadPlan(64)
    after = plan.next(ThreadsObserved(SECONDS, 100, 1.0, memory_bytes=MEMORY + 1), LIMITS)
    assert (after.wanted, after.why) == (48, ThreadChange.MEMORY)
    for _ in range(50):
        after = after.next(ThreadsObserved(SECONDS, 100, 1.0, memory_bytes=MEMORY * 0.95), LIMITS)
    assert after.wanted == 48, "so close to the limit no threads are added"


def test_threads_go_when_there_are_no_emails_and_not_when_there_are_few() -> None:
    few = many = ThreadPlan(100)
    for _ in range(int(IDLE_SECONDS / SECONDS) + 1):
        few = few.next(ThreadsObserved(SECONDS, 4, 0.2), LIMITS)
        many = many.next(ThreadsObserved(SECONDS, 0, 0.0), LIMITS)
    assert few.wanted == 100
    assert (many.wanted, many.why) == (LIMITS.first, ThreadChange.IDLE)


def test_emails_that_run_out_during_a_trial_take_it_back_and_the_next_one_is_as_large() -> None:
    plan = next(one for one in path(far_away(0.1, 10_000), 8) if one.before is not None)
    for _ in range(2):
        plan = plan.next(ThreadsObserved(SECONDS, 10, 0.1), LIMITS)
    assert (plan.wanted, plan.before) == (16, None)
    assert path(far_away(0.1, 10_000), 20, plan)[-1].wanted == LIMITS.most


def test_threads_that_send_more_are_kept_though_the_queue_is_soon_empty() -> None:
    plan = next(one for one in path(far_away(0.1, 10_000), 8) if one.before is not None)
    assert plan.per_second is not None
    for _ in range(20):
        plan = plan.next(
            ThreadsObserved(SECONDS, round(plan.per_second * 1.5 * SECONDS) if plan.before else 400, 0.7), LIMITS
        )
    assert (plan.wanted, plan.before) == (32, None)


def test_near_the_limit_threads_are_not_doubled_any_more() -> None:
    plans = path(far_away(0.02, 320), 40)
    assert max(plan.wanted for plan in plans) <= 40, "32 have brought a fifth more than 16, so 64 are not tried"


def test_the_wait_after_a_trial_is_kept() -> None:
    plans = path(far_away(0.001, 300), 40)
    back = next(n for n, plan in enumerate(plans) if plan.why is ThreadChange.NO_GAIN)
    again = next(n for n, plan in enumerate(plans) if n > back and plan.before is not None)
    assert (again - back) * SECONDS >= plans[back].wait


OBSERVATIONS = st.builds(
    ThreadsObserved,
    seconds=st.floats(0.1, 20),
    answered=st.integers(0, 10_000),
    busy=st.floats(0, 1),
    refused=st.integers(0, 3),
    shut=st.booleans(),
    memory_bytes=st.floats(0, 2 * MEMORY),
)


@given(st.lists(OBSERVATIONS, max_size=60))
def test_the_number_stays_within_its_limits_and_each_change_has_a_reason(seen: list[ThreadsObserved]) -> None:
    plan = ThreadPlan(LIMITS.first)
    for one in seen:
        before, plan = plan, plan.next(one, LIMITS)
        assert LIMITS.least <= plan.wanted <= LIMITS.most
        assert plan.wanted == before.wanted or plan.why is not None
        assert plan.before is None or plan.before < plan.wanted
        if one.refused or one.memory_bytes > MEMORY:
            assert plan.wanted <= before.wanted
