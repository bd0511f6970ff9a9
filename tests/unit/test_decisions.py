"""What an answer means: docs/design.md#the-answers-table, and what must hold whatever the answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eed_delivery.model import END_STATES, NEUTRAL, TRANSITIONS, EmailState, Outcome, Verdict
from eed_delivery.worker.delivery import JITTER, RetryRules, decide, retry_delay, try_number
from eed_delivery.worker.journal import Fate, fate_of

HOLD = RetryRules()
RESEND = RetryRules(doubt="resend")

outcomes = st.builds(Outcome, st.sampled_from(Verdict), st.text(max_size=20), st.none() | st.integers(200, 599))
rules = st.builds(
    RetryRules,
    max_attempts=st.integers(1, 10),
    delay=st.floats(0, 600),
    growth=st.floats(1, 10),
    max_delay=st.floats(0, 43_200),
    doubt=st.sampled_from(["hold", "resend"]),
)


@pytest.mark.parametrize(
    ("verdict", "number", "policy", "state", "fate", "counted"),
    [
        (Verdict.SENT, 1, HOLD, EmailState.SENT, Fate.ACK, True),
        (Verdict.PERMANENT, 1, HOLD, EmailState.FAILED, Fate.ACK, True),
        (Verdict.TEMPORARY, 1, HOLD, EmailState.QUEUED, Fate.LATER, True),
        (Verdict.TEMPORARY, 2, HOLD, EmailState.QUEUED, Fate.LATER, True),
        (Verdict.TEMPORARY, 3, HOLD, EmailState.FAILED, Fate.ACK, True),
        (Verdict.THROTTLED, 9, HOLD, EmailState.QUEUED, Fate.COPY, False),
        (Verdict.INFRASTRUCTURE, 9, HOLD, EmailState.QUEUED, Fate.COPY, False),
        (Verdict.IN_DOUBT, 1, HOLD, EmailState.IN_DOUBT, Fate.ACK, True),
        (Verdict.IN_DOUBT, 1, RESEND, EmailState.QUEUED, Fate.LATER, True),
        (Verdict.IN_DOUBT, 3, RESEND, EmailState.IN_DOUBT, Fate.ACK, True),
    ],
)
def test_the_answers_table(
    verdict: Verdict, number: int, policy: RetryRules, state: EmailState, fate: Fate, counted: bool
) -> None:
    decision = decide(Outcome(verdict, "said so"), number, policy)
    assert (decision.state, fate_of(decision), decision.counted) == (state, fate, counted)


@given(outcomes, st.integers(1, 20), rules)
def test_whatever_comes_back(outcome: Outcome, number: int, policy: RetryRules) -> None:
    decision = decide(outcome, number, policy)
    assert decision.state in TRANSITIONS[EmailState.SENDING]
    assert decision.outcome is outcome
    assert decision.counted is (outcome.verdict not in NEUTRAL)  # G4
    assert (decision.state is EmailState.SENT) is (outcome.verdict is Verdict.SENT)
    if outcome.verdict is Verdict.IN_DOUBT and policy.doubt == "hold":
        assert decision.state is EmailState.IN_DOUBT  # G2: never resent silently
    if decision.counted and number >= policy.max_attempts:
        assert decision.state in END_STATES  # no email is tried for ever
    assert (fate_of(decision) is Fate.ACK) is (decision.state in END_STATES)


@given(st.integers(1, 20), rules)
def test_delays_are_jittered_around_a_capped_growth(number: int, policy: RetryRules) -> None:
    middle = min(policy.max_delay, policy.delay * policy.growth ** (number - 1))
    assert middle * (1 - JITTER) <= retry_delay(number, policy) <= middle * (1 + JITTER)


@pytest.mark.parametrize(
    ("number", "again", "middle"), [(1, 0, 60), (2, 0, 240), (3, 0, 960), (3, 1, 3600), (3, 9, 3600)]
)
def test_what_is_not_counted_any_more_goes_on_with_longer_delays(number: int, again: int, middle: float) -> None:
    outcome = Outcome(Verdict.INFRASTRUCTURE, "450 4.2.1 Mailbox busy", 450, "4.2.1", again=again)
    delay = decide(outcome, number, HOLD).delay
    assert middle * (1 - JITTER) <= delay <= middle * (1 + JITTER)


@given(st.integers(0, 50), st.integers(1, 50), st.integers(0, 50))
def test_a_receive_that_was_no_try_is_not_counted(base: int, receives: int, attempts: int) -> None:
    number = try_number(base, receives, attempts)
    assert number <= attempts + 1
    assert number <= base + receives


def test_the_queue_counts_the_tries() -> None:
    assert [try_number(0, receives, attempts) for receives, attempts in ((1, 0), (2, 1), (3, 2))] == [1, 2, 3]
    assert try_number(2, 1, 2) == 3  # a neutral copy goes on where its forerunner stood
    assert try_number(0, 7, 1) == 2  # a worker was killed before the wire five times


def test_every_state_can_be_left_or_is_an_end() -> None:
    assert {state for state in EmailState if not TRANSITIONS[state]} <= END_STATES
    assert set(TRANSITIONS) == set(EmailState)
