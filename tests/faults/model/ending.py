"""What must hold at the end. All faults are gone, all processes go on, and every job must come to its end."""

from collections.abc import Sequence

from eed_delivery.ledger.sweeping import POISON
from eed_delivery.model import END_STATES, EmailState
from eed_delivery.queue import read
from tests.faults.model.actors import Actor
from tests.faults.model.house import MAX_ATTEMPTS, Place, Policy
from tests.faults.model.mail import NEVER, Answer, MailServer
from tests.faults.model.queue import MemoryQueue
from tests.faults.model.trouble import Trouble
from tests.faults.model.watch import Row, Watch

ROUNDS = 12
"""Of everybody's steps: so many are enough for the longest way there is."""
LONG_SECONDS = 4000
"""Longer than any lease, delay or visibility."""


def come_to_rest(actors: Sequence[Actor], place: Place, queue: MemoryQueue, mail: MailServer, watch: Watch) -> None:
    """Heal everything, and let all processes (publisher, workers, sweeper) go on until all jobs have finished.

    Raises AssertionError if they do not.
    """
    publisher, *workers, sweeper = actors
    mail.next = Answer.YES
    queue.at_most = 10
    for actor in actors:
        actor.live().trouble = Trouble()
        if actor.at is not None:
            actor.go_on()
            watch.look()
    for _ in range(ROUNDS):
        _resume(place, watch)
        for actor in (publisher, publisher, workers[0], sweeper):
            actor.go_on()
        watch.look()
        if _all_finished(place, watch):
            return
        place.pass_time(LONG_SECONDS)
        queue.pass_time(LONG_SECONDS)
    states = [(row.email_id, row.state.value) for row in watch.emails.values()]
    raise AssertionError(f"something is lost (G1): in {ROUNDS} rounds it comes to no end: {watch.jobs}, {states}")


def _resume(place: Place, watch: Watch) -> None:
    for job in watch.jobs.values():
        if job.state == "paused":
            place.operating.resume(job.job_id)


def _all_finished(place: Place, watch: Watch) -> bool:
    ((there,),) = place.read("SELECT COUNT(*) FROM delivery_job")
    return len(watch.jobs) == there and all(job.finished for job in watch.jobs.values())


def judge(place: Place, queue: MemoryQueue, mail: MailServer, watch: Watch, policy: Policy) -> None:
    """Nothing is lost, nothing happened without a reason. Raises AssertionError."""
    sources = place.read("SELECT id FROM delivery_email")
    attempts = place.read("SELECT email_id, gen, verdict FROM eed_attempt WHERE counted")
    assert {row[0] for row in sources} == watch.emails.keys(), "an email of the source is not in the ledger (G1)"
    doubts = {email_id for email_id, _, verdict in attempts if verdict == "in_doubt"}
    for row in watch.emails.values():
        assert row.state in END_STATES, f"lost (G1): {row}"
        _judge_arrival(row, mail, watch, doubts if policy == "resend" else set())
        if row.state is EmailState.IN_DOUBT:
            tries = mail.of(row.email_id, row.gen)
            assert any(t.leaves_doubt for t in tries), f"why is it in doubt? {row}, {tries}"
        if row.state is EmailState.FAILED and row.email_id not in watch.words.failed:
            verdicts = [verdict for email_id, gen, verdict in attempts if (email_id, gen) == (row.email_id, row.gen)]
            assert _has_failed(row, queue, mail, verdicts), f"why has it failed (G4)? {row}, {mail.of(row.email_id)}"


def _judge_arrival(row: Row, mail: MailServer, watch: Watch, resendable: set[int]) -> None:
    if row.email_id in watch.words.risked | resendable:
        return
    assert mail.taken[row.email_id] < 2, f"sent twice, and no doubt on record: {row}, {mail.of(row.email_id)}"
    if mail.taken[row.email_id] and row.email_id not in watch.words.sent:
        says_so = row.state in (EmailState.SENT, EmailState.IN_DOUBT)
        assert says_so, f"arrived, but the ledger says otherwise: {row}, {mail.of(row.email_id)}"


def _has_failed(row: Row, queue: MemoryQueue, mail: MailServer, verdicts: Sequence[str]) -> bool:
    """The server said never, or not now often enough; or its messages ended in the dead-letter queue."""
    if row.detail == POISON:
        return any(read(body).email_id == row.email_id for body in queue.died)
    if any(t.answer in NEVER for t in mail.of(row.email_id, row.gen)):
        return True
    return sum(verdict in ("temporary", "in_doubt") for verdict in verdicts) >= MAX_ATTEMPTS
