"""Why a job stands still: the first reason that fits, in words."""

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from eed_delivery.ledger.acts import ActKind, ActReport
from eed_delivery.ledger.holds.ledger import StoredHold
from eed_delivery.ledger.reporting import JobReport
from eed_delivery.ledger.windows.reading import JobWindow
from eed_delivery.ledger.workers import SeenProcess
from eed_delivery.model import EmailState, HoldScope, HoldTarget, JobState
from eed_delivery.operations.job_counts import CountedJob
from eed_delivery.operations.standing import ServiceFacts, StandingKind, standing_of

AT = datetime(2026, 11, 30, 2, 14)  # noqa: DTZ001 - as the ledger keeps times


def process(role: str, *, sending: bool = False, detail: str | None = None, channel: str = "default") -> SeenProcess:
    return SeenProcess(f"{role}-1", "mail-1", role, channel, 8, sending, detail, AT, 1.0, None, "0.1.0", "abcdef")


ALL_WELL = (process("publisher"), process("sweeper"), process("worker", sending=True))


def job(state: JobState = JobState.ACTIVE, *, reason: str | None = None, **counts: int) -> CountedJob:
    found = {one: counts.get(one.value, 0) for one in EmailState}
    total = sum(found.values())
    report = JobReport(42, "42", "", state, reason, total, 0, True, found, AT, None, 60.0, watched=True)
    return CountedJob(report, AT, 12.5, None, is_expired=False, category="letters")


def facts(*alive: SeenProcess, holds: tuple[StoredHold, ...] = (), stops: Any = ()) -> ServiceFacts:
    return ServiceFacts(alive, holds, dict(stops))


def with_window(job: CountedJob, window: JobWindow) -> CountedJob:
    return replace(job, report=replace(job.report, window=window))


ANNA = {42: ActReport(AT, ActKind.PAUSE, "anna", None, "wrong rate")}
HOLD = StoredHold(1, HoldTarget(HoldScope.CHANNEL, "default"), "relay is down", "bert", AT, AT, None, None)
EVERYTHING = replace(HOLD, target=HoldTarget(HoldScope.ALL))
CATEGORY = replace(HOLD, target=HoldTarget(HoldScope.CATEGORY, "letters"))
OTHERS = (replace(HOLD, target=HoldTarget(HoldScope.DOMAIN, "default")),)
WAITING = job(queued=5, sent=5)


BOUND = {42: "gmail.com is the bound: 20 a second, 280,000 left"}


@pytest.mark.parametrize(
    ("rate", "words"),
    [
        (20.0, "20.0 emails a second. gmail.com is the bound: 20 a second, 280,000 left."),
        (None, "Its speed is being measured. gmail.com is the bound: 20 a second, 280,000 left."),
        (0.0, "No email has ended within the last half minute. gmail.com is the bound: 20 a second, 280,000 left."),
    ],
)
def test_a_job_that_goes_on_names_the_domain_that_holds_it_up(rate: float | None, words: str) -> None:
    found = standing_of(replace(WAITING, rate=rate), replace(facts(*ALL_WELL), bounds=BOUND))
    assert (found.why, found.bound) == (words, BOUND[42])
    assert not found.needs_somebody


def test_why_a_job_stands_still_is_no_domain() -> None:
    paused = standing_of(job(JobState.PAUSED, reason="bounces"), replace(facts(*ALL_WELL), bounds=BOUND))
    assert (paused.why, paused.bound) == ("Paused: bounces.", "")


@pytest.mark.parametrize(
    ("job", "facts", "standing", "words"),
    [
        (
            job(JobState.PAUSED, reason="wrong rate", queued=1),
            facts(stops=ANNA.items()),
            StandingKind.PAUSED,
            "Paused by anna at 2026-11-30T02:14:00Z: wrong rate.",
        ),
        (job(JobState.PAUSED, reason="bounces"), facts(), StandingKind.PAUSED, "Paused: bounces."),
        (job(JobState.HELD, queued=1), facts(*ALL_WELL), StandingKind.NO_CHANNEL, "There is no channel default."),
        (job(JobState.CANCELLED), facts(*ALL_WELL), StandingKind.ENDING, "being ended"),
        (
            WAITING,
            facts(*ALL_WELL, holds=(HOLD,)),
            StandingKind.HELD,
            "by bert since 2026-11-30T02:14:00Z",
        ),
        (WAITING, facts(*ALL_WELL, holds=(EVERYTHING,)), StandingKind.HELD, "Everything is held"),
        (WAITING, facts(*ALL_WELL, holds=(CATEGORY,)), StandingKind.HELD, "Category letters is held"),
        (WAITING, facts(*ALL_WELL, holds=OTHERS), StandingKind.MOVES, "12.5 emails a second."),
        (
            replace(WAITING, is_expired=True, expires_at=AT),
            facts(*ALL_WELL),
            StandingKind.EXPIRED,
            "2026-11-30T02:14:00Z",
        ),
        (
            with_window(WAITING, JobWindow(False, AT)),
            facts(*ALL_WELL),
            StandingKind.WINDOW_CLOSED,
            "It stands still: its send window is closed until 2026-11-30T02:14:00Z.",
        ),
        (with_window(WAITING, JobWindow(True, AT)), facts(*ALL_WELL), StandingKind.MOVES, "12.5 emails a second."),
        (
            replace(with_window(WAITING, JobWindow(False, AT)), expires_at=AT),
            facts(*ALL_WELL),
            StandingKind.EXPIRES_UNSENT,
            "It expires at 2026-11-30T02:14:00Z, and will expire unsent.",
        ),
        (with_window(WAITING, JobWindow(False, None)), facts(*ALL_WELL), StandingKind.EXPIRES_UNSENT, "never opens"),
        (
            with_window(WAITING, JobWindow(False, None, is_known=False)),
            facts(*ALL_WELL),
            StandingKind.WAITS,
            "is being calculated",
        ),
        (
            with_window(WAITING, JobWindow(False, None, is_known=False)),
            facts(process("publisher")),
            StandingKind.NO_SWEEPER,
            "no sweeper is alive",
        ),
        (
            with_window(WAITING, JobWindow(False, None, problem="it is not JSON")),
            facts(*ALL_WELL),
            StandingKind.EXPIRES_UNSENT,
            "its own send window cannot be used: it is not JSON.",
        ),
        (WAITING, facts(process("publisher")), StandingKind.NO_WORKER, "No worker of its channel default is alive."),
        (WAITING, facts(process("worker", sending=True, channel="other")), StandingKind.NO_WORKER, "is alive"),
        (
            WAITING,
            facts(process("worker", detail="421 closing")),
            StandingKind.BREAKER,
            "No worker sends now: 421 closing.",
        ),
        (job(pending=3), facts(process("worker", sending=True)), StandingKind.NO_PUBLISHER, "No publisher is alive"),
        (
            job(pending=3),
            facts(process("publisher", detail="access denied"), process("worker", sending=True)),
            StandingKind.QUEUE_REFUSES,
            "cannot be put into the queue: access denied.",
        ),
        (job(sent=3), facts(*ALL_WELL), StandingKind.ENDING, "The sweeper finishes it."),
        (job(sent=3), facts(process("worker")), StandingKind.NO_SWEEPER, "no sweeper is alive"),
        (WAITING, facts(*ALL_WELL), StandingKind.MOVES, "12.5 emails a second."),
        (replace(WAITING, rate=0.0), facts(*ALL_WELL), StandingKind.WAITS, "within the last half minute"),
        (replace(WAITING, rate=None), facts(*ALL_WELL), StandingKind.MOVES, "being measured"),
    ],
)
def test_the_first_reason_that_fits(job: CountedJob, facts: ServiceFacts, standing: StandingKind, words: str) -> None:
    found = standing_of(job, facts)
    assert found.standing is standing
    assert words in found.why
    goes_on = (StandingKind.MOVES, StandingKind.WAITS, StandingKind.ENDING, StandingKind.WINDOW_CLOSED)
    assert found.needs_somebody == (standing not in goes_on)
