"""The breaker, the pace and the watch for equal answers, each on its own, with clocks that a test moves."""

import threading
from collections.abc import Callable

import pytest

from eed_delivery.errors import InfrastructureFailure, Stopping
from eed_delivery.model import Concerns, Email, Outcome, Verdict
from eed_delivery.worker.breaker import Breaker
from eed_delivery.worker.delivery import RetryRules, decide
from eed_delivery.worker.job_refusals import SameAnswers, Suspects, sameness
from eed_delivery.worker.send_rate import SendRate


class Clock:
    """Time that passes only when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Door:
    """A way out that can be shut."""

    def __init__(self) -> None:
        self.shut = False
        self.knocks = 0

    def probe(self) -> None:
        self.knocks += 1
        if self.shut:
            raise InfrastructureFailure("connection refused")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def door() -> Door:
    return Door()


@pytest.fixture
def breaker(door: Door, clock: Clock) -> Breaker:
    return Breaker(door.probe, max_pause_seconds=10, clock=clock)


def in_another_thread(question: Callable[[], bool]) -> bool:
    answers: list[bool] = []
    thread = threading.Thread(target=lambda: answers.append(question()))
    thread.start()
    thread.join()
    return answers[0]


def test_a_closed_breaker_lets_everybody_through_and_probes_nothing(breaker: Breaker, door: Door) -> None:
    assert breaker.enter() and in_another_thread(breaker.enter)
    breaker.step()
    assert door.knocks == 0


def test_an_open_breaker_lets_nobody_through_until_a_probe_succeeds(breaker: Breaker, door: Door, clock: Clock) -> None:
    door.shut = True
    breaker.trip("connection refused")
    assert breaker.open and not breaker.enter()
    breaker.step()
    assert door.knocks == 0  # the first pause has not passed
    clock.now += 1
    breaker.step()
    assert (door.knocks, breaker.open) == (1, True)
    door.shut = False
    clock.now += 2
    breaker.step()
    assert (door.knocks, breaker.open) == (2, False)


def test_after_a_probe_one_thread_is_on_trial_until_there_is_an_answer(breaker: Breaker, clock: Clock) -> None:
    breaker.trip("421")
    clock.now += 1
    breaker.step()
    assert breaker.enter()
    assert not in_another_thread(breaker.enter)
    breaker.leave()  # the queue was empty: no verdict
    assert in_another_thread(lambda: breaker.enter() and (breaker.leave() is None))
    assert breaker.enter()
    breaker.answered()
    assert breaker.reason is None
    assert in_another_thread(breaker.enter)


def test_pauses_double_until_an_answer_and_never_pass_their_limit(breaker: Breaker, door: Door, clock: Clock) -> None:
    door.shut = True
    breaker.trip("refused")
    waits = []
    for _ in range(7):
        before, knocks = clock.now, door.knocks
        while door.knocks == knocks:
            clock.now += 0.5
            breaker.step()
        waits.append(clock.now - before)
    assert waits == [1, 2, 4, 8, 10, 10, 10]


def test_a_door_that_passes_every_probe_and_refuses_every_email_is_tried_less_and_less(
    breaker: Breaker, clock: Clock
) -> None:
    breaker.trip("421 too busy")
    clock.now += 1
    breaker.step()
    breaker.trip("421 too busy")
    clock.now += 1
    breaker.step()
    assert breaker.open
    clock.now += 1
    breaker.step()
    assert not breaker.open


def test_an_answer_that_was_on_its_way_does_not_open_the_door(breaker: Breaker) -> None:
    breaker.trip("refused")
    breaker.answered()
    assert breaker.open


@pytest.fixture
def stop() -> threading.Event:
    return threading.Event()


@pytest.fixture
def pace(stop: threading.Event, clock: Clock) -> SendRate:
    return SendRate(stop, clock)


def waits(pace: SendRate, clock: Clock, turns: int) -> list[float]:
    """Take so many turns, each as soon as it is due; how long each had to be waited for."""
    waited = []
    for _ in range(turns):
        before = clock.now
        while (wait := pace.turn()) > 0:
            clock.now += wait
        waited.append(round(clock.now - before, 3))
    return waited


def test_the_pace_spaces_sends_evenly(pace: SendRate, clock: Clock) -> None:
    pace.set_share(10)
    assert waits(pace, clock, 4) == [0, 0.1, 0.1, 0.1]
    clock.now += 100
    assert waits(pace, clock, 2) == [0, 0.1]  # idle time is not saved up


def test_without_a_limit_nobody_waits(pace: SendRate, clock: Clock) -> None:
    pace.set_share(None)
    assert waits(pace, clock, 3) == [0, 0, 0]


def test_a_rate_that_rises_is_felt_at_the_next_turn(pace: SendRate, clock: Clock) -> None:
    pace.set_share(0.01)
    assert waits(pace, clock, 2) == [0, 100]
    pace.set_share(10)
    assert waits(pace, clock, 2) == [100, 0.1]


def test_nothing_is_sent_before_the_share_is_known(pace: SendRate, stop: threading.Event) -> None:
    stop.set()
    with pytest.raises(Stopping):
        pace.take()


def test_whoever_waits_for_a_turn_hears_of_the_stop(pace: SendRate, stop: threading.Event) -> None:
    pace.set_share(0.001)
    pace.take()
    threading.Timer(0.05, stop.set).start()
    with pytest.raises(Stopping):
        pace.take()


def test_throttling_halves_the_pace_and_holds_the_next_send(pace: SendRate, clock: Clock) -> None:
    pace.set_share(10)
    pace.slow_down()
    pace.slow_down()  # an answer of the same crowd
    first, second = waits(pace, clock, 2)
    assert first == 1.0
    assert 0.15 < second < 0.2  # five a second, and recovering
    clock.now += 60
    pace.accepted()
    assert waits(pace, clock, 2) == [0, 0.1]


def test_pauses_grow_while_throttling_goes_on_even_without_a_rate(pace: SendRate, clock: Clock) -> None:
    pace.set_share(None)
    pauses = []
    for _ in range(7):
        pace.slow_down()
        pauses += waits(pace, clock, 1)
    assert pauses == [1, 2, 4, 8, 16, 30, 30]


def test_a_newcomer_waits_until_the_others_have_made_room(pace: SendRate, clock: Clock) -> None:
    pace.set_share(10)
    pace.hold_off(5)
    assert waits(pace, clock, 1) == [5]


def test_lost_answers_in_a_row_open_the_breaker(breaker: Breaker) -> None:
    for _ in range(4):
        breaker.doubted("no answer")
    breaker.answered()
    for _ in range(4):
        breaker.doubted("no answer")
    assert not breaker.open
    breaker.doubted("no answer")
    assert breaker.open and "in doubt" in (breaker.reason or "")


def hung_up(email_id: int, suspects: Suspects) -> Verdict:
    email = Email(email_id, 1, str(email_id), 0, 1, 0, "a@example.com")
    return suspects.judge(email, Outcome(Verdict.INFRASTRUCTURE, "the server hung up")).verdict


def test_an_email_that_breaks_the_way_out_is_told_from_a_broken_way_out() -> None:
    answers = iter(range(1000))
    suspects = Suspects(lambda *_: next(answers), limit=5)
    assert [hung_up(7, suspects) for _ in range(6)] == [Verdict.INFRASTRUCTURE] * 4 + [Verdict.TEMPORARY] * 2
    assert hung_up(8, suspects) is Verdict.INFRASTRUCTURE


def test_in_an_outage_nobody_is_suspected_however_long_it_lasts() -> None:
    suspects = Suspects(lambda *_: 17, limit=5)
    assert {hung_up(7, suspects) for _ in range(100)} == {Verdict.INFRASTRUCTURE}


def test_what_anybody_would_have_got_makes_nobody_suspect() -> None:
    """A rate shared with other senders throttles one email many times by bad luck alone: it costs no attempt (G4)."""
    answers = iter(range(1000))
    suspects = Suspects(lambda *_: next(answers), limit=5)
    email = Email(7, 1, "7", 0, 1, 0, "a@example.com")
    throttled = Outcome(Verdict.THROTTLED, "SES 429 TooManyRequestsException", 429, for_all=True)
    assert {suspects.judge(email, throttled).verdict for _ in range(20)} == {Verdict.THROTTLED}
    assert [hung_up(7, suspects) for _ in range(5)][-1] is Verdict.TEMPORARY, "what it does by itself still counts"


def refused(reply: str) -> Outcome:
    return Outcome(Verdict.PERMANENT, reply, 550, "5.7.1")


def test_one_refusal_of_everything_is_noticed_whatever_differs_in_it() -> None:
    watch = SameAnswers(limit=100, window=200)
    told = [watch.seen(1, refused(f"550 5.7.1 <c{n}@example.com> sender 'x{n}' not allowed")) for n in range(101)]
    assert told[:100] == [None] * 100
    assert told[100] == "550 5.7.1 <c100@example.com> sender 'x100' not allowed"
    assert watch.seen(1, refused("550 5.7.1 <c0@example.com> sender 'x0' not allowed")) is None  # a clean slate


def test_refusals_among_successes_or_of_many_kinds_or_of_other_jobs_are_none() -> None:
    watch = SameAnswers(limit=100, window=200)
    for n in range(600):
        assert watch.seen(1, Outcome(Verdict.SENT) if n % 2 else refused("no such user")) is None
        assert watch.seen(2, refused(f"kind {'abc'[n % 3]}")) is None
        assert watch.seen(n + 10, refused("no such user")) is None


def test_what_differs_from_email_to_email_does_not_count() -> None:
    assert sameness(refused("<a@example.com>: user 17 unknown")) == sameness(refused("<b@example.org>: user 4 unknown"))
    assert sameness(refused("user unknown")) != sameness(refused("mailbox full"))


def test_a_server_that_says_why_is_believed_for_hours_before_an_email_is_counted(clock: Clock) -> None:
    """Its disk is full, for a tenth of the emails: they wait, longer each time, and fail only if that never ends."""
    answers = iter(range(10_000))
    suspects = Suspects(lambda *_: next(answers), limit=5, patience=3600, clock=clock)
    email = Email(7, 1, "7", 0, 1, 0, "a@example.com")
    full = Outcome(Verdict.INFRASTRUCTURE, "452 4.3.1 disk full", 452, "4.3.1", concerns=Concerns.OTHERS)
    delays = []
    for _ in range(600):
        judged = suspects.judge(email, full)
        assert judged.verdict is Verdict.INFRASTRUCTURE
        delays.append(decide(judged, 1, RetryRules(delay=60, growth=2, max_delay=900)).delay)
        clock.now += 5
    assert delays[0] < delays[2] < delays[4]
    assert max(delays) <= 900 * 1.25
    clock.now += 3600
    assert suspects.judge(email, full).verdict is Verdict.TEMPORARY
