"""The rules: who goes on, who dies, what the world does to them, and what the operator wants."""

import logging
import sys
import traceback
from collections import Counter
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, ClassVar

import structlog
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from eed_delivery.ledger.operating import Selection
from eed_delivery.model import OPEN_STATES, EmailState
from eed_delivery.runtime import failpoints
from tests.faults.model.actors import TO_THE_END, Actor, Goal, attend_failpoints, leave_failpoints
from tests.faults.model.ending import come_to_rest, judge
from tests.faults.model.house import Place, Policy, PublisherPart, SweeperPart, WorkerPart
from tests.faults.model.mail import Answer, MailServer
from tests.faults.model.queue import MemoryQueue
from tests.faults.model.trouble import Kind
from tests.faults.model.watch import Watch

STEPS = 30
"""Rules in a sequence."""

_whom = st.integers(0, 7)
_goals = st.sampled_from((TO_THE_END, 1, 1, 2, 4))
_publisher_goals = st.sampled_from((TO_THE_END, TO_THE_END, 1, 3, "publisher.enlisted", "publisher.published"))
_worker_goals = st.sampled_from(
    (TO_THE_END, TO_THE_END, 1, 1, 2, "worker.before_wire", "worker.wired", "worker.sent", "worker.recorded")
)
_answers = st.sampled_from((Answer.YES, Answer.YES, *Answer))


class ServiceMachine(RuleBasedStateMachine):
    """One sequence. `over` gives it a database and a counter."""

    place: ClassVar[Place]
    tally: ClassVar[Counter[str]]
    complaints: ClassVar[list[str]]

    @initialize(
        policy=st.sampled_from(("hold", "resend")),
        emails=st.integers(1, 3),
        max_receives=st.sampled_from((10, 3)),
        published=st.sampled_from((True, True, False)),
    )
    def begin(self, policy: Policy, emails: int, max_receives: int, published: bool) -> None:
        self.place.empty()
        self.complaints.clear()
        self.queue = MemoryQueue(max_receives)
        self.mail = MailServer()
        self.policy = policy
        self.watch = Watch(self.place, self.mail, policy)
        self.jobs = 1
        self.place.add_job(self.jobs, emails, None)
        self.publisher = Actor("publisher", lambda life: PublisherPart(self.place, self.queue, life))
        self.workers = [Actor(f"worker {n}", self._worker) for n in (1, 2)]
        self.sweeper = Actor("sweeper", lambda life: SweeperPart(self.place, self.queue, policy, life))
        self.actors = [self.publisher, *self.workers, self.sweeper]
        self.tally["sequences"] += 1
        if published:
            self._go_on(self.publisher)

    def _worker(self, life: Any) -> WorkerPart:
        return WorkerPart(self.place, self.queue, self.mail, self.policy, life)

    # --- who goes on ---------------------------------------------------------------------------------------------

    @precondition(lambda self: self.publisher.at or self._is_to_publish())
    @rule(goal=_publisher_goals)
    def publisher_goes_on(self, goal: Goal) -> None:
        self._go_on(self.publisher, goal)

    @precondition(lambda self: self.workers[0].at or self.queue.has_any())
    @rule(goal=_worker_goals, answer=_answers)
    def worker_1_goes_on(self, goal: Goal, answer: Answer) -> None:
        self.mail.next = answer
        self._go_on(self.workers[0], goal)

    @precondition(lambda self: self.workers[1].at or self.queue.has_any())
    @rule(goal=_worker_goals, answer=_answers)
    def worker_2_goes_on(self, goal: Goal, answer: Answer) -> None:
        self.mail.next = answer
        self._go_on(self.workers[1], goal)

    @precondition(lambda self: self._is_to_publish())
    @rule()
    def publisher_publishes_all(self) -> None:
        self._go_on(self.publisher)
        self._go_on(self.publisher)

    @precondition(lambda self: self.queue.has_any())
    @rule(answer=_answers, which=st.sampled_from((0, 1)))
    def a_worker_sends_all(self, answer: Answer, which: int) -> None:
        self.mail.next = answer
        self._go_on(self.workers[which])

    @precondition(lambda self: self.sweeper.at or self._unfinished())
    @rule(goal=_goals)
    def sweeper_goes_on(self, goal: Goal) -> None:
        self._go_on(self.sweeper, goal)

    @precondition(lambda self: any(worker.at for worker in self.workers))
    @rule(which=_whom)
    def keeper_comes_by(self, which: int) -> None:
        standing = [worker for worker in self.workers if worker.at]
        keeper = standing[which % len(standing)].part.keeper
        keeper.step()  # what it meets for the first time it leaves alone
        keeper.step()
        self._look()

    # --- who dies ------------------------------------------------------------------------------------------------

    @precondition(lambda self: any(actor.at for actor in self.actors))
    @rule(which=_whom)
    def somebody_dies(self, which: int) -> None:
        standing = [actor for actor in self.actors if actor.at]
        self._count("crashes")
        standing[which % len(standing)].crash()

    @precondition(lambda self: self.queue.has_any() or any(worker.at for worker in self.workers))
    @rule(which=st.sampled_from((0, 1)), place=st.sampled_from(failpoints.WORKER), answer=_answers)
    def worker_dies_at(self, which: int, place: str, answer: Answer) -> None:
        self.mail.next = answer
        self._die_at(self.workers[which], place)

    @precondition(lambda self: self._is_to_publish())
    @rule(place=st.sampled_from(failpoints.PUBLISHER))
    def publisher_dies_at(self, place: str) -> None:
        self._die_at(self.publisher, place)

    @precondition(lambda self: self._in(EmailState.SENDING))
    @rule(place=st.sampled_from(failpoints.SWEEPER))
    def sweeper_dies_at(self, place: str) -> None:
        self._die_at(self.sweeper, place)

    def _die_at(self, actor: Actor, place: str) -> None:
        """It may not come by there in this step."""
        self._go_on(actor, place)
        if actor.at == place:
            self._count("crashes")
            self._count(f"died at {place}")
            actor.crash()

    @precondition(lambda self: self._open())
    @rule(which=st.sampled_from((1, 2, 0, 3)), kind=st.sampled_from(Kind))
    def trouble_comes(self, which: int, kind: Kind) -> None:
        self._count("troubles")
        self.actors[which].live().trouble.arm(kind)

    @precondition(lambda self: any(worker.at for worker in self.workers))
    @rule(which=_whom, give_up=st.booleans())
    def worker_is_to_stop(self, which: int, give_up: bool) -> None:
        standing = [worker for worker in self.workers if worker.at]
        standing[which % len(standing)].part.stop(give_up=give_up)

    # --- what the world does -------------------------------------------------------------------------------------

    @precondition(lambda self: self._open())
    @rule(seconds=st.sampled_from((9, 41, 150, 1000, 4000)))
    def time_passes(self, seconds: int) -> None:
        self.place.pass_time(seconds)
        self.queue.pass_time(seconds)

    @precondition(lambda self: self.queue.ever)
    @rule(which=_whom, what=st.sampled_from(("again", "lose", "turn")), at_most=st.sampled_from((10, 1, 2)))
    def queue_plays(self, which: int, what: str, at_most: int) -> None:
        plays = {"again": self.queue.bring_again, "lose": self.queue.lose, "turn": self.queue.turn}
        self.queue.at_most = at_most
        if plays[what](which):
            self._count(f"messages {what}")

    @precondition(lambda self: self.jobs < 2 or (self.jobs < 6 and not self._open()))
    @rule(emails=st.integers(1, 2), expires_in=st.sampled_from((None, 500)))
    def another_job_is_ready(self, emails: int, expires_in: int | None) -> None:
        self.jobs += 1
        self.place.add_job(self.jobs, emails, expires_in)

    # --- what the operator wants ---------------------------------------------------------------------------------

    @precondition(lambda self: self._unfinished())
    @rule(which=_whom, word=st.sampled_from(("pause", "resume", "resume", "pause", "resume", "cancel")))
    def operator_decides_on_job(self, which: int, word: str) -> None:
        job_id = self._unfinished()[which % len(self._unfinished())]
        if word == "resume":
            self.place.operating.resume(job_id)
        else:
            {"pause": self.place.operating.pause, "cancel": self.place.operating.cancel}[word](job_id, "his reason")
        self._look()

    @precondition(lambda self: self._in(EmailState.FAILED))
    @rule()
    def operator_requeues_failed(self) -> None:
        self.tally["requeued"] += self.place.operating.requeue(Selection(EmailState.FAILED))
        self._look()

    @precondition(lambda self: self._in(EmailState.IN_DOUBT))
    @rule(which=_whom)
    def operator_sends_doubtful_again(self, which: int) -> None:
        one = self._in(EmailState.IN_DOUBT)[which % len(self._in(EmailState.IN_DOUBT))]
        self.watch.words.again.add(one)
        self.tally["requeued"] += self.place.operating.requeue(Selection(EmailState.IN_DOUBT, emails=(one,)))
        self._look()

    @precondition(lambda self: self._in(EmailState.IN_DOUBT))
    @rule(which=_whom, state=st.sampled_from((EmailState.SENT, EmailState.FAILED)))
    def operator_settles(self, which: int, state: EmailState) -> None:
        one = self._in(EmailState.IN_DOUBT)[which % len(self._in(EmailState.IN_DOUBT))]
        (self.watch.words.sent if state is EmailState.SENT else self.watch.words.failed).add(one)
        self.place.operating.settle([one], state, "the operator knows")
        self._look()

    # --- and what must hold --------------------------------------------------------------------------------------

    def teardown(self) -> None:
        try:
            if sys.exc_info()[0] is None and hasattr(self, "actors"):
                come_to_rest(self.actors, self.place, self.queue, self.mail, self.watch)
                judge(self.place, self.queue, self.mail, self.watch, self.policy)
                self._mind_complaints()
                self._count_up()
        finally:
            for actor in getattr(self, "actors", ()):
                actor.crash()

    def _in(self, state: EmailState) -> list[int]:
        return [row.email_id for row in self.watch.emails.values() if row.state is state]

    def _is_to_publish(self) -> bool:
        return len(self.watch.jobs) < self.jobs or bool(self._in(EmailState.PENDING))

    def _open(self) -> bool:
        return self._is_to_publish() or any(row.state in OPEN_STATES for row in self.watch.emails.values())

    def _unfinished(self) -> list[int]:
        return [job.job_id for job in self.watch.jobs.values() if not job.finished]

    def _go_on(self, actor: Actor, goal: Goal = TO_THE_END) -> None:
        actor.go_on(goal)
        self._look()

    def _look(self) -> None:
        self.watch.look()
        self._mind_complaints()

    def _mind_complaints(self) -> None:
        assert not self.complaints, f"the service reports what nobody did to it: {self.complaints}"

    def _count(self, what: str) -> None:
        self.tally[what] += 1

    def _count_up(self) -> None:
        self.tally["emails"] += len(self.watch.emails)
        self.tally["tries"] += len(self.mail.tries)
        self.tally.update(row.state.value for row in self.watch.emails.values())


def run(url: str, sequences: int, number: int) -> Counter[str]:
    """This many sequences over this empty database, from this seed. Returns what was counted.

    Raises what the first violation raised, with the shortest sequence that leads to it as a note.
    """
    place = Place(url)
    counted: Counter[str] = Counter()
    complaints: list[str] = []
    machine = type("Model", (ServiceMachine,), {"place": place, "tally": counted, "complaints": complaints})
    attend_failpoints()
    try:
        with _hearing(complaints):
            run_state_machine_as_test(seed(number)(machine), settings=_settings(sequences))
    finally:
        leave_failpoints()
        place.close()
    return counted


def _settings(sequences: int) -> settings:
    return settings(
        max_examples=sequences,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        derandomize=False,
        report_multiple_bugs=False,
        print_blob=False,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )


REPORTED = frozenset(
    {
        "defect",
        "claim_failed",
        "email_cannot_be_claimed",
        "record_and_wire_failed",
        "record_refused_by_database",
        "wire_refused_by_database",
        "sweep_failed",
        "enlist_failed",
        "cannot_be_settled",
        "job_does_not_balance",
        "unknown_email",
        "not_our_message",
        "foreign_dead_letter",
    }
)
"""What the service must have no reason to log here."""


@contextmanager
def _hearing(complaints: list[str]) -> Iterator[None]:
    """No log, but the events of `REPORTED` are written down."""

    def hear(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        if event["event"] in REPORTED:
            error = "".join(traceback.format_exc(limit=-3)) if event.get("exc_info") else ""
            complaints.append(f"{event}\n{error}")
        raise structlog.DropEvent

    before = structlog.get_config()
    structlog.configure(processors=[hear], wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    try:
        yield
    finally:
        structlog.configure(**before)
