"""Several threads in one commit: the statements of a group all match their rows, or nothing is written. Each thread
meets its own errors, and none is left waiting."""

import random
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from sqlalchemy import Connection, make_url

from eed_delivery.database.engine import make_engine
from eed_delivery.database.multi_statement import BoundStatement
from eed_delivery.database.transactions import Database
from eed_delivery.ledger.delivering.claims import Standing
from eed_delivery.ledger.delivering.group_commit import MOST, GroupCommit, GroupResult, Statements
from eed_delivery.ledger.delivering.recording import Decision
from eed_delivery.model import Email, EmailState, Outcome, Verdict
from tests.integration.test_multi_statement import ADD, CHANGE, LINES, line, words
from tests.servers.mysql_proxy import MySqlProxy
from tests.waiting import until
from tests.world import World

pytestmark = pytest.mark.both_databases

SOON = 60
YES = Decision(EmailState.SENT, Outcome(Verdict.SENT, "250 ok", 250, message_id="<m@x>"), counted=True)


class Desk:
    """A group commit over SQLite whose leader can be held at the database's door, while others gather behind it."""

    def __init__(self, database: Database, pool: ThreadPoolExecutor) -> None:
        self.database = database
        self.group = GroupCommit(self.once, patience_seconds=SOON)
        self.commits = 0
        self.faults: list[BaseException | None] = []
        """What comes to the next leaders once their work is committed."""
        self._pool = pool
        self.door = threading.Event()
        self.door.set()
        self.inside = threading.Event()
        self._admitted = threading.Semaphore(0)

    def once(self, work: Callable[[Connection], bool]) -> bool:
        self.inside.set()
        until(lambda: self.door.is_set() or self._admitted.acquire(blocking=False))
        done = self.database.once(work)
        self.commits += done
        fault = self.faults.pop(0) if self.faults else None
        if fault is not None:
            raise fault
        return done

    def let_one_in(self) -> None:
        """Through the closed door."""
        self._admitted.release()

    def commit(self, statements: Statements) -> "Future[GroupResult]":
        return self._pool.submit(self.group.commit, statements)

    def behind_a_leader(self, *asked: Statements) -> "list[Future[GroupResult]]":
        """Have these gather behind somebody who is at work; return their results."""
        self.door.clear()
        self.inside.clear()
        leader = self.commit(lambda c: [])
        assert self.inside.wait(SOON)
        futures = []
        for n, statements in enumerate(asked, start=1):
            futures.append(self.commit(statements))
            until(lambda n=n: self.group.waiting == n)  # type: ignore[misc]
        self.door.set()
        assert leader.result(SOON) is GroupResult.DONE
        wait(futures, SOON)
        return futures

    def written(self) -> list[int]:
        return sorted(words(self.database))


def adding(*numbers: int) -> Statements:
    return lambda c: [BoundStatement(ADD, line(number, "new")) for number in numbers]


def missing(c: Connection) -> Iterable[BoundStatement]:
    return [BoundStatement(ADD, line(500, "new")), BoundStatement(CHANGE, line(999, "nobody has this number"))]


def unable(c: Connection) -> Iterable[BoundStatement]:
    raise ValueError("a value that cannot be written")


def told(futures: "Iterable[Future[GroupResult]]") -> list[GroupResult]:
    return [future.result(SOON) for future in futures]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    database = Database(make_engine(make_url(f"sqlite:///{tmp_path}/x.sqlite3"), connections=2))
    LINES.metadata.create_all(database.engine)
    with ThreadPoolExecutor(40) as pool:
        yield Desk(database, pool)
    database.close()


def test_one_alone_does_not_wait_for_company(desk: Desk) -> None:
    assert told([desk.commit(adding(1))]) == [GroupResult.DONE]
    assert told([desk.commit(missing)]) == [GroupResult.MISSED]
    assert told([desk.commit(adding(1))]) == [GroupResult.UNKNOWN]
    assert (desk.written(), desk.commits, desk.group.waiting) == ([1], 1, 0)


def test_those_that_gather_share_a_commit(desk: Desk) -> None:
    assert told(desk.behind_a_leader(*[adding(n, 100 + n) for n in range(MOST)])) == [GroupResult.DONE] * MOST
    assert desk.commits == 1 + 1
    assert desk.written() == [*range(MOST), *range(100, 100 + MOST)]


def test_more_than_fit_into_one_make_two(desk: Desk) -> None:
    assert told(desk.behind_a_leader(*[adding(n) for n in range(MOST + 1)])) == [GroupResult.DONE] * (MOST + 1)
    assert desk.commits == 1 + 2
    assert told([desk.commit(adding(77))]) == [GroupResult.DONE]


@pytest.mark.parametrize(
    ("spoiler", "result"),
    [(missing, GroupResult.MISSED), (adding(2, 2), GroupResult.UNKNOWN), (unable, GroupResult.UNKNOWN)],
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_that_spoils_it_sends_all_to_go_alone(
    desk: Desk, spoiler: Statements, result: GroupResult, place: int
) -> None:
    asked = [adding(7), adding(8)]
    asked.insert(place, spoiler)
    assert told(desk.behind_a_leader(*asked)) == [result] * 3
    assert desk.written() == []
    assert told([desk.commit(adding(7))]) == [GroupResult.DONE]


def test_what_is_to_come_last_comes_after_what_others_write(desk: Desk) -> None:
    change = BoundStatement(CHANGE, line(2, "changed"), last=True)
    assert told(desk.behind_a_leader(lambda c: [change], adding(2))) == [GroupResult.DONE] * 2
    assert words(desk.database) == {2: "changed"}


def test_an_answer_that_is_lost_is_no_word_about_the_commit(desk: Desk) -> None:
    desk.faults = [None, ConnectionError("the answer to COMMIT")]
    assert told(desk.behind_a_leader(adding(1), adding(2))) == [GroupResult.UNKNOWN] * 2
    assert desk.written() == [1, 2]


def test_a_leader_that_is_torn_away_leaves_nobody_waiting(desk: Desk) -> None:
    desk.faults = [None, SystemExit("the leader's own end")]
    first, *others, last = desk.behind_a_leader(*[adding(n) for n in range(MOST + 1)])
    with pytest.raises(SystemExit):
        first.result(SOON)
    assert told(others) == [GroupResult.UNKNOWN] * (MOST - 1)
    assert told([last, desk.commit(adding(77))]) == [GroupResult.DONE] * 2


def test_who_waits_too_long_behind_a_leader_that_hangs_goes_alone(desk: Desk) -> None:
    desk.group = GroupCommit(desk.once, patience_seconds=0.01)
    desk.door.clear()
    leader = desk.commit(adding(1))
    assert desk.inside.wait(SOON)
    assert told([desk.commit(adding(2)), desk.commit(adding(3))]) == [GroupResult.MISSED] * 2
    assert desk.group.waiting == 0
    desk.door.set()
    assert told([leader]) == [GroupResult.DONE]
    assert told([desk.commit(adding(4))]) == [GroupResult.DONE]
    assert desk.written() == [1, 4]


def test_who_is_in_a_group_that_hangs_waits_for_its_word(desk: Desk) -> None:
    """It may be committed: only the leader can tell."""
    desk.group = GroupCommit(desk.once, patience_seconds=2)
    desk.door.clear()
    leader = desk.commit(lambda c: [])
    assert desk.inside.wait(SOON)
    group = [desk.commit(adding(1)), desk.commit(adding(2))]
    until(lambda: desk.group.waiting == 2)
    desk.inside.clear()
    desk.let_one_in()
    assert desk.inside.wait(SOON)  # the two are in the second group
    assert told([leader]) == [GroupResult.DONE]
    wait(group, 3)  # longer than they are patient
    assert [one.done() for one in group] == [False, False]
    desk.door.set()
    assert told(group) == [GroupResult.DONE] * 2
    assert desk.written() == [1, 2]


def test_in_a_crowd_what_is_told_as_done_is_written_and_nothing_else(desk: Desk) -> None:
    def one(seed: int) -> list[int]:
        chance = random.Random(seed)
        return [
            number
            for number in range(seed * 1000, seed * 1000 + 50)
            if desk.group.commit(adding(number) if chance.random() < 0.9 else missing) is GroupResult.DONE
        ]

    with ThreadPoolExecutor(12) as crowd:
        done = [number for numbers in crowd.map(one, range(12)) for number in numbers]
    assert desk.written() == sorted(done)
    assert done


# --- the ledger's own ----------------------------------------------------------------------------------------------


@pytest.fixture
def world(proxy: MySqlProxy, database_url: str) -> Iterator[World]:
    world = World(proxy.url(database_url))
    yield world
    world.close()


@pytest.fixture
def emails(world: World) -> list[Email]:
    """Claimed, and those of even places on the wire: each of these is followed by one that waits for it."""
    ids = world.add_job([f"p{n}@example.com" for n in range(8)])
    world.enlist()
    emails = [world.claimed(email_id, lease=3600) for email_id in ids]
    for email in emails[::2]:
        assert world.delivering.wire(email, 3600) is None
    return emails


def gathered(
    world: World,
    proxy: MySqlProxy,
    emails: Sequence[Email],
    before: Callable[[], object],
    outcomes: Mapping[int, Outcome] = MappingProxyType({}),
) -> list[Any]:
    """Every second one's outcome with its follower's wire, all in one group; `before` it, this is done."""

    def done(email: Email) -> list[tuple[Email, Decision, int]]:
        return [(email, replace(YES, outcome=outcomes.get(email.email_id, YES.outcome)), 1)]

    held = threading.Event()
    may_go_on = threading.Event()

    def hold(statement: str) -> None:
        if statement.startswith("UPDATE eed_email") and not held.is_set():
            held.set()
            assert may_go_on.wait(SOON)  # in the proxy's own thread: nobody else comes through meanwhile

    pairs = list(zip(emails[2::2], emails[3::2], strict=True))
    record = world.delivering.record_and_wire
    with ThreadPoolExecutor(8) as pool:
        proxy.on_statement = hold
        leader = pool.submit(record, done(emails[0]), emails[1], 3600)
        assert held.wait(SOON)
        asked = [pool.submit(record, done(one), after, 3600) for one, after in pairs]
        until(lambda: world.delivering.waiting == len(pairs))
        before()
        may_go_on.set()
        return [leader.result(SOON), *[one.result(SOON) for one in asked]]


def test_no_lease_of_a_wire_begins_before_the_groups_other_statements(
    world: World, proxy: MySqlProxy, emails: list[Email]
) -> None:
    """They may wait for locks, and what is left of the lease must be enough for the send."""
    seen: list[str] = []

    def listen() -> None:
        proxy.on_statement = seen.append  # nobody needs to be held any more

    assert gathered(world, proxy, emails, listen) == [None] * 4
    (together,) = [text for text in seen if "INSERT INTO eed_attempt" in text]
    *outcomes, wires = together.split(";")
    assert [statement.split()[1] for statement in outcomes] == ["eed_email", "INTO", "`delivery_email`"]
    assert "wire_at=UTC_TIMESTAMP(6)" in wires
    assert "IN (1003,1005,1007)" in wires


def test_what_is_stale_gets_no_wire_by_the_token_of_another_that_asks_beside_it(
    world: World, proxy: MySqlProxy, emails: list[Email]
) -> None:
    """A thread has lost its email to one whose next email's wire is asked for in the same statement."""
    world.lapse(emails[5].email_id, 7200)
    world.lapse(emails[7].email_id, 7200)
    anew = world.claim(emails[5].email_id, emails[7].email_id, lease=3600).emails
    assert anew[0].token == anew[1].token
    emails[7] = anew[1]
    assert gathered(world, proxy, emails, lambda: None) == [None, None, Standing.LOST, None]
    assert [world.row(email.email_id)["wire_at"] is None for email in emails] == [n == 5 for n in range(8)]


def attempts(world: World) -> list[tuple[int, int]]:
    return [tuple(row) for row in world.execute("SELECT email_id, COUNT(*) FROM eed_attempt GROUP BY 1 ORDER BY 1")]


def test_each_of_a_group_gets_its_own_answer(world: World, proxy: MySqlProxy, emails: list[Email]) -> None:
    """They are recorded by one statement, in the ledger and in the source."""
    sent = {email.email_id: replace(YES.outcome, reply=f"250 '{email.key}%") for email in emails}
    sent[emails[2].email_id] = Outcome(Verdict.SENT, "", 250)
    assert gathered(world, proxy, emails, lambda: None, sent) == [None] * 4
    for email in emails[::2]:
        row, its = world.row(email.email_id), sent[email.email_id]
        assert (row["detail"] or "", row["message_id"], row["attempts"]) == (its.reply, its.message_id, 1)
        assert world.scalar("SELECT status_detail FROM delivery_email WHERE id = :id", id=email.email_id) == its.reply


def test_threads_share_a_commit(world: World, proxy: MySqlProxy, emails: list[Email]) -> None:
    before = proxy.counts["statements"]
    assert gathered(world, proxy, emails, lambda: None) == [None] * 4
    assert proxy.counts["statements"] - before == 2 * 2  # one request and its COMMIT, for one and for three
    assert [world.state(email.email_id) for email in emails] == ["sent", "sending"] * 4
    assert [world.row(email.email_id)["wire_at"] is not None for email in emails] == [True] * 8
    assert attempts(world) == [(email.email_id, 1) for email in emails[::2]]


def test_one_whose_token_is_gone_is_refused_and_the_others_are_not(
    world: World, proxy: MySqlProxy, emails: list[Email], database_url: str
) -> None:
    def take_over() -> None:
        other = World(database_url)  # not through the proxy, which is held
        other.lapse(emails[5].email_id, 7200)
        other.claimed(emails[5].email_id)
        other.close()

    assert gathered(world, proxy, emails, take_over) == [None, None, Standing.LOST, None]
    assert [world.state(email.email_id) for email in emails] == ["sent", "sending"] * 4
    assert [world.row(email.email_id)["wire_at"] is None for email in emails] == [n == 5 for n in range(8)]
    assert attempts(world) == [(email.email_id, 1) for email in emails[::2]]


def test_a_job_that_is_paused_meanwhile_gets_no_wire(
    world: World, proxy: MySqlProxy, emails: list[Email], database_url: str
) -> None:
    def pause() -> None:
        other = World(database_url)
        other.execute("UPDATE eed_job SET state = 'paused'")
        other.close()

    assert gathered(world, proxy, emails, pause) == [Standing.OVER] * 4
    assert [world.state(email.email_id) for email in emails] == ["sent", "pending"] * 4


def test_a_commit_whose_answer_is_lost_counts_for_each_of_them(
    world: World, proxy: MySqlProxy, emails: list[Email]
) -> None:
    assert gathered(world, proxy, emails, lambda: proxy.cut_after_commit(2)) == [None] * 4
    assert proxy.counts["cut after commit"] == 2
    assert [world.state(email.email_id) for email in emails] == ["sent", "sending"] * 4
    assert [world.row(email.email_id)["wire_at"] is not None for email in emails] == [True] * 8
    assert attempts(world) == [(email.email_id, 1) for email in emails[::2]]


def test_a_deadlock_of_the_group_is_not_the_end_of_anybody(
    world: World, proxy: MySqlProxy, emails: list[Email]
) -> None:
    struck = gathered(world, proxy, emails, lambda: proxy.contend(0.5))
    proxy.contend(0)
    assert struck == [None] * 4
    assert attempts(world) == [(email.email_id, 1) for email in emails[::2]]
