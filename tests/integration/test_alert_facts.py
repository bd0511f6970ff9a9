"""The facts that somebody may be told about, as the ledger, the queue and SES know them."""

from collections.abc import Iterator

import pytest

from eed_delivery.alerts.facts import FactWatch, measures
from eed_delivery.config import AlertFact
from eed_delivery.errors import DatabaseGone
from eed_delivery.ledger.alerts.facts import AlertFacts
from eed_delivery.ledger.delivering.recording import Decision
from eed_delivery.model import EmailState, Outcome, Verdict
from eed_delivery.queue import Queue
from tests.numbers import numbers
from tests.servers.ministack import MiniStack
from tests.servers.ses_stub import Refuse, SesStub
from tests.world import World

YES = Decision(EmailState.SENT, Outcome(Verdict.SENT, "250 ok", 250, message_id="<m@x>"), counted=True)
NO = Decision(EmailState.FAILED, Outcome(Verdict.PERMANENT, "550 no", 550), counted=True)
DOUBT = Decision(EmailState.IN_DOUBT, Outcome(Verdict.IN_DOUBT, "lost after the dot"), counted=True)


@pytest.fixture
def facts(world: World) -> AlertFacts:
    return AlertFacts(world.database)


@pytest.fixture
def emails(world: World) -> list[int]:
    ids = world.add_job([f"{n}@example.com" for n in range(4)])
    world.enlist()
    return ids


def ago(world: World, seconds: float) -> str:
    """A moment as SQL."""
    if world.database.dialect == "sqlite":
        return f"strftime('%Y-%m-%d %H:%M:%f000', 'now', '-{seconds} seconds')"
    return f"UTC_TIMESTAMP(6) - INTERVAL {seconds} SECOND"


def queue_all(world: World, seconds_ago: float) -> None:
    world.execute(f"UPDATE eed_email SET state = 'queued', queued_at = {ago(world, seconds_ago)}")


def end(world: World, email_id: int, decision: Decision, seconds_ago: float) -> None:
    """Come to an end with an email, so long ago."""
    email = world.claimed(email_id)
    assert world.delivering.wire(email, 60) is None
    assert world.delivering.record(email, decision, 12)
    world.execute(f"UPDATE eed_attempt SET ended_at = {ago(world, seconds_ago)} WHERE email_id = :id", id=email_id)


def test_nothing_waits_and_nothing_is_silent(world: World, facts: AlertFacts, emails: list[int]) -> None:
    for email_id in emails:
        end(world, email_id, YES, 9999)
    assert (facts.silence_seconds(), facts.oldest_queued_seconds(), facts.in_doubt()) == (0, 0, 0)


def test_an_empty_ledger_is_neither_silent_nor_in_doubt(facts: AlertFacts) -> None:
    assert (facts.silence_seconds(), facts.oldest_queued_seconds(), facts.in_doubt()) == (0, 0, 0)


def test_silence_lasts_since_the_last_email_or_since_something_waits(
    world: World, facts: AlertFacts, emails: list[int]
) -> None:
    end(world, emails[0], YES, 500)
    world.execute(f"UPDATE eed_email SET state = 'queued', queued_at = {ago(world, 800)} WHERE state = 'pending'")
    assert facts.silence_seconds() == pytest.approx(500, abs=9)
    world.execute(f"UPDATE eed_email SET queued_at = {ago(world, 100)} WHERE state = 'queued'")
    assert facts.silence_seconds() == pytest.approx(100, abs=9), "a job that has just begun after a quiet night"


def test_refusals_do_not_end_the_silence(world: World, facts: AlertFacts, emails: list[int]) -> None:
    end(world, emails[0], YES, 700)
    end(world, emails[1], NO, 5)
    world.execute(f"UPDATE eed_email SET state = 'queued', queued_at = {ago(world, 900)} WHERE state = 'pending'")
    assert facts.silence_seconds() == pytest.approx(700, abs=9)


def test_where_nothing_was_ever_sent_it_is_silent_since_the_first_try(
    world: World, facts: AlertFacts, emails: list[int]
) -> None:
    queue_all(world, 900)
    assert facts.silence_seconds() == pytest.approx(900, abs=9)
    end(world, emails[1], NO, 300)
    assert facts.silence_seconds() == pytest.approx(300, abs=9)


def test_a_publisher_that_does_nothing_is_silence_too(world: World, facts: AlertFacts, emails: list[int]) -> None:
    world.execute(f"UPDATE eed_email SET changed_at = {ago(world, 700)}")
    assert facts.silence_seconds() == pytest.approx(700, abs=9)
    assert facts.oldest_queued_seconds() == 0


def test_what_waits_for_its_time_or_for_an_operator_is_not_late(
    world: World, facts: AlertFacts, emails: list[int]
) -> None:
    queue_all(world, 900)
    assert facts.oldest_queued_seconds() == pytest.approx(900, abs=9)
    world.execute("UPDATE eed_email SET not_before = '2999-01-01 00:00:00.000000'")
    assert (facts.oldest_queued_seconds(), facts.silence_seconds()) == (0, 0)
    world.execute(f"UPDATE eed_email SET not_before = {ago(world, 60)}")
    assert facts.oldest_queued_seconds() == pytest.approx(60, abs=9)
    world.operating.pause(1, "wait")
    assert (facts.oldest_queued_seconds(), facts.silence_seconds()) == (0, 0)


def test_doubts_are_counted_in_jobs_of_this_week(world: World, facts: AlertFacts, emails: list[int]) -> None:
    for email_id in emails:
        end(world, email_id, DOUBT if email_id != emails[0] else YES, 1)
    assert facts.in_doubt() == 3
    assert world.sweeping.finish(1) is True
    assert facts.in_doubt() == 3
    world.execute(f"UPDATE eed_job SET finished_at = {ago(world, 8 * 86_400)}")
    assert facts.in_doubt() == 0


def test_differences_are_those_of_the_last_comparisons_of_this_week(
    world: World, facts: AlertFacts, emails: list[int]
) -> None:
    assert facts.source_differences() == 0
    world.execute("UPDATE eed_job SET differences = 3")
    assert facts.source_differences() == 3
    world.execute(f"UPDATE eed_job SET finished_at = {ago(world, 8 * 86_400)}")
    assert facts.source_differences() == 0


def test_a_manifest_is_outstanding_from_the_end_of_its_job_until_it_is_put(world: World, facts: AlertFacts) -> None:
    assert facts.oldest_manifest_seconds() == 0
    for its_round, seconds in ((1, 600), (2, 60)):
        world.execute(
            "INSERT INTO eed_manifest (job_id, round, number, channel, wanted_at, tries)"
            f" VALUES (1, :round, :round, 'files', {ago(world, seconds)}, 0)",
            round=its_round,
        )
    assert 600 <= facts.oldest_manifest_seconds() < 700
    world.execute("UPDATE eed_manifest SET put_at = wanted_at WHERE round = 1")
    assert 60 <= facts.oldest_manifest_seconds() < 160


@pytest.fixture
def ses() -> Iterator[SesStub]:
    with SesStub() as ses:
        yield ses


def test_dead_letters_and_the_quota_are_measured(
    ministack: MiniStack, queue_urls: tuple[str, str], facts: AlertFacts, ses: SesStub
) -> None:
    sqs = ministack.client("sqs")
    known = measures(facts, Queue(sqs, *queue_urls), ses.client)
    assert known["dead_letters"]() == 0
    sqs.send_message(QueueUrl=queue_urls[1], MessageBody="foreign")
    assert known["dead_letters"]() == 1
    ses.account["SendQuota"] = {"Max24HourSend": 50_000.0, "SentLast24Hours": 36_000.0, "MaxSendRate": 14.0}
    assert known["ses_quota_percent"]() == pytest.approx(72)
    ses.account["SendQuota"]["Max24HourSend"] = -1.0
    assert known["ses_quota_percent"]() == 0


def watched(*facts: AlertFact, **numbers: object) -> tuple[FactWatch, list[tuple[str, float]]]:
    told: list[tuple[str, float]] = []

    def measure(name: str) -> float:
        found = numbers[name].pop(0)  # type: ignore[attr-defined]
        if isinstance(found, Exception):
            raise found
        return float(found)

    known = {name: lambda name=name: measure(name) for name in numbers}
    return FactWatch(facts, known, lambda fact, value: told.append((fact.name, value)), 60), told


def fact(name: str, at_least: float, what: str = "ses_quota_percent") -> AlertFact:
    return AlertFact(name=name, fact=what, at_least=at_least, audience=("dev",))


def test_a_fact_must_be_beyond_its_limit_twice_in_a_row() -> None:
    watch, told = watched(fact("q", 70), ses_quota_percent=[80, 60, 70, 71, 90])
    looks = []
    for _ in range(5):
        assert watch.step() == 60
        looks.append(list(told))
    assert looks == [[], [], [], [("q", 71)], [("q", 71), ("q", 90)]]


def test_two_limits_of_one_fact_are_one_look() -> None:
    watch, told = watched(fact("high", 70), fact("full", 90), ses_quota_percent=[80, 95, 95])
    for _ in range(3):
        watch.step()
    assert told == [("high", 95), ("high", 95), ("full", 95)]


def test_a_fact_that_cannot_be_known_keeps_no_other_from_being_told() -> None:
    gone = DatabaseGone("away")
    doubts = fact("doubts", 1, "in_doubt")
    watch, told = watched(fact("q", 70), doubts, ses_quota_percent=[80, 80, 80], in_doubt=[5, gone, 5])
    for _ in range(3):
        watch.step()
    assert told == [("q", 80), ("q", 80)]


def test_a_quota_that_ses_does_not_tell_is_said_and_not_raised(facts: AlertFacts, ses: SesStub) -> None:
    ses.account_answer = Refuse(403, "AccessDeniedException")
    watch = FactWatch(
        [fact("q", 70)],
        measures(facts, Queue(None, ""), ses.client),
        lambda *_: pytest.fail("not known"),
        60,  # type: ignore[arg-type]
    )
    assert watch.step() == watch.step() == 60


def test_a_look_reads_a_bounded_part_however_much_there_is(database_url: str) -> None:
    world = World(database_url)
    facts = AlertFacts(world.database)
    world.add_job(["a@example.com"])
    world.enlist()
    for state, first in (("queued", 100_000), ("pending", 200_000), ("in_doubt", 300_000), ("sent", 400_000)):
        world.execute(
            "INSERT INTO eed_email (email_id, job_id, recipient, state, gen, attempts, queued_at, changed_at)"
            " SELECT :first + seq, 1, 'a@example.com', :state, 0, 0, UTC_TIMESTAMP(6) - INTERVAL 1 HOUR,"
            f" UTC_TIMESTAMP(6) FROM {numbers(40_000)}",
            first=first, state=state,
        )  # fmt: skip
    world.execute(
        "INSERT INTO eed_attempt (email_id, gen, attempt, verdict, counted, ended_at)"
        " SELECT 100000 + seq, 0, 1, 'temporary', 1, UTC_TIMESTAMP(6) - INTERVAL 5 MINUTE"
        f" FROM {numbers(60_000)}"
    )
    world.execute("ANALYZE TABLE eed_email, eed_attempt, eed_job")
    before = rows_read(world)
    assert facts.silence_seconds() == pytest.approx(300, abs=60)
    assert facts.oldest_queued_seconds() == pytest.approx(3600, abs=60)
    assert rows_read(world) - before < 60_000
    before = rows_read(world)
    assert facts.in_doubt() == 40_000
    assert rows_read(world) - before < 45_000
    world.close()


def rows_read(world: World) -> int:
    """What this connection (there is but one at work) has had the storage engine read."""
    return sum(int(row[1]) for row in world.execute("SHOW SESSION STATUS LIKE 'Handler_read%'"))
