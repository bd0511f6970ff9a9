"""Threads that are started and ended as wanted, what they are observed to achieve, and what heartbeats say of them."""

import threading
from collections.abc import Iterator

import pytest

from eed_delivery.model import Concerns, Outcome, Verdict
from eed_delivery.worker.thread_control import ThreadChange, ThreadLimits
from eed_delivery.worker.thread_meter import ThreadMeter, resident_bytes
from eed_delivery.worker.thread_pool import EACH, LEAST_SECONDS, MOST_SECONDS, AutoThreads, ThreadPool
from tests.waiting import until

SENT = Outcome(Verdict.SENT)


class Clock:
    """Time that passes only when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Crew:
    """Threads that end when they are asked to and the test lets them."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.may_end = threading.Event()
        self.may_end.set()

    def start(self, number: int, stop: threading.Event) -> threading.Thread:
        self.begun.append(number)

        def run() -> None:
            stop.wait()
            self.may_end.wait()

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread


@pytest.fixture
def crew() -> Crew:
    return Crew()


@pytest.fixture
def pool(crew: Crew) -> Iterator[ThreadPool]:
    pool = ThreadPool(crew.start)
    yield pool
    crew.may_end.set()
    pool.stop()


def test_a_number_is_given_again_only_after_its_thread_has_ended(pool: ThreadPool, crew: Crew) -> None:
    """Under its number a thread notes what it renders, and sends its pulse."""
    pool.resize(4)
    crew.may_end.clear()
    pool.resize(2)
    ending = pool.all[2:]
    pool.resize(4)
    assert crew.begun == [0, 1, 2, 3, 4, 5]
    assert all(thread.is_alive() for thread in ending)
    assert len(pool.all) == 6, "the worker waits for those that end, too"
    crew.may_end.set()
    for thread in ending:
        thread.join()
    pool.resize(5)
    assert crew.begun[-1] == 2


def test_after_the_end_no_thread_begins(pool: ThreadPool, crew: Crew) -> None:
    pool.resize(2)
    pool.stop()
    pool.resize(8)
    assert crew.begun == [0, 1]
    until(lambda: not any(thread.is_alive() for thread in pool.all), "all have ended")


def test_the_meter_adds_up_the_time_with_emails_in_hand() -> None:
    clock = Clock()
    meter = ThreadMeter(clock)
    with meter.in_hand():
        clock.now += 3
        with meter.in_hand():
            clock.now += 1
            meter.outcome(SENT)
    clock.now += 1
    seen = meter.take(2, shut=False, memory_bytes=7)
    assert (seen.seconds, seen.answered, seen.busy, seen.memory_bytes) == (5, 1, 0.5, 7)
    clock.now += 1
    assert meter.take(2, shut=True, memory_bytes=0).busy == 0


@pytest.mark.parametrize(
    ("outcome", "refused"),
    [
        (SENT, 0),
        (Outcome(Verdict.PERMANENT, code=550), 0),
        (Outcome(Verdict.TEMPORARY, code=450), 0),
        (Outcome(Verdict.INFRASTRUCTURE), 0),
        (Outcome(Verdict.INFRASTRUCTURE, code=450, concerns=Concerns.OTHERS), 0),
        (Outcome(Verdict.INFRASTRUCTURE, code=421, concerns=Concerns.OTHERS), 1),
        (Outcome(Verdict.INFRASTRUCTURE, code=454, concerns=Concerns.EVERYBODY), 1),
        (Outcome(Verdict.THROTTLED), 1),
    ],
)
def test_what_means_too_much_at_once(outcome: Outcome, refused: int) -> None:
    meter = ThreadMeter()
    meter.outcome(outcome)
    assert meter.refused == refused


def test_memory_is_read() -> None:
    assert 1e6 < resident_bytes() < 1e11


def test_threads_are_added_and_their_number_is_told(pool: ThreadPool) -> None:
    clock = Clock()
    meter = ThreadMeter(clock)
    auto = AutoThreads(pool, ThreadLimits(1e9), meter, lambda: False, lambda: 0.0, clock)
    pool.resize(16)
    assert (auto.count.now, auto.count.least, auto.count.most, auto.count.changed_ago) == (16, 4, 128, None)
    threads = [meter.in_hand() for _ in range(16)]
    for thread in threads:
        thread.__enter__()
    clock.now += LEAST_SECONDS
    auto.step()
    assert len(pool) == 16, "so few emails say nothing yet"
    for _ in range(16 * EACH):
        meter.outcome(SENT)
    auto.step()
    clock.now += 7
    assert (auto.count.now, auto.count.why, auto.count.changed_ago) == (32, ThreadChange.TRIAL, 7)
    meter.outcome(Outcome(Verdict.THROTTLED))
    auto.step()
    assert (len(pool), auto.count.why) == (16, ThreadChange.REFUSED)
    clock.now += MOST_SECONDS
    auto.step()
    assert len(pool) == 16
