"""The night when the clock is put back, and the one when it is put forward, on a server that keeps summer time.

The session's variable `timestamp` says what time it is to NOW(): a moment is tried without waiting for it.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eed_delivery.config import SourceSettings
from eed_delivery.database.engine import make_engine
from eed_delivery.database.transactions import Database
from eed_delivery.ledger.schema import eed_job
from eed_delivery.operations.submitting.registering import Registration
from eed_delivery.source import Source
from eed_delivery.source.reference import create_reference
from eed_delivery.source.wall_clock import not_after, not_before
from tests.examples import examples
from tests.servers.database_server import DatabaseServer, NewDatabaseServer

BERLIN = "CET-1CEST,M3.5.0,M10.5.0/3"
LORD_HOWE = "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0"  # puts its clock back by half an hour
BACK = datetime(2026, 10, 25, 1, tzinfo=UTC)  # 03:00 summer time becomes 02:00
FORWARD = datetime(2026, 3, 29, 1, tzinfo=UTC)  # 02:00 becomes 03:00 summer time
CONTENT = {"name": "n", "sender": "a@example.com", "subject": "s", "text_template": "t"}


@pytest.fixture(scope="module", params=[BERLIN, LORD_HOWE])
def zone(request: pytest.FixtureRequest, new_database_server: NewDatabaseServer) -> Iterator[sa.Connection]:
    with new_database_server(time_zone=request.param) as server:
        engine = make_engine(sa.make_url(server.create_database("zone")), connections=1)
        with engine.connect() as c:
            yield c
        engine.dispose()


@pytest.fixture(scope="module")
def berlin(new_database_server: NewDatabaseServer) -> Iterator[DatabaseServer]:
    with new_database_server(time_zone=BERLIN) as server:
        yield server


@pytest.fixture
def database(berlin: DatabaseServer) -> Iterator[Database]:
    database = Database(make_engine(sa.make_url(berlin.create_database("berlin")), connections=1))
    database.run(create_reference)
    database.run(eed_job.create)
    yield database
    database.close()


def shown(c: sa.Connection, moment: datetime) -> datetime:
    """What the wall clock shows."""
    time: datetime = c.execute(sa.select(sa.func.from_unixtime(int(moment.timestamp())))).scalar_one()
    return time


# From the day before each change to the day after: in Berlin's spring and autumn, and in Lord Howe's.
MOMENTS = st.one_of(
    *(
        st.integers(0, 2 * 86_400).map(lambda second, day=day: day + timedelta(seconds=second))
        for day in (BACK - timedelta(days=1), FORWARD - timedelta(days=1))
    ),
    *(
        st.integers(0, 2 * 86_400).map(lambda second, day=day: day + timedelta(seconds=second))
        for day in (datetime(2026, 4, 3, 15, tzinfo=UTC), datetime(2026, 10, 2, 15, 30, tzinfo=UTC))
    ),
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(150))
@given(moment=MOMENTS)
def test_a_scheduled_time_is_never_early_and_an_expiry_never_late(zone: sa.Connection, moment: datetime) -> None:
    scheduled, expires = not_before(zone, moment), not_after(zone, moment)
    minutes = [moment - timedelta(seconds=1), *(moment - timedelta(minutes=n) for n in range(1, 200, 7))]
    assert all(shown(zone, minute) < scheduled for minute in minutes)
    assert shown(zone, moment + timedelta(hours=1)) >= scheduled
    taken_for = zone.execute(sa.select(sa.func.unix_timestamp(expires))).scalar_one()
    assert moment.timestamp() - 3600 - 60 <= taken_for <= moment.timestamp()


@pytest.mark.parametrize(
    ("moment", "scheduled"),
    [
        (BACK - timedelta(minutes=50), "2026-10-25 02:10:00"),  # the first 02:10
        (BACK + timedelta(minutes=10), "2026-10-25 03:00:00"),  # the second: what comes twice has ended
        (BACK, "2026-10-25 03:00:00"),
        (BACK + timedelta(minutes=60), "2026-10-25 03:00:00"),
        (BACK + timedelta(minutes=70), "2026-10-25 03:10:00"),
        (FORWARD - timedelta(seconds=1), "2026-03-29 01:59:59"),
        (FORWARD, "2026-03-29 03:00:00"),
        (BACK + timedelta(days=40, microseconds=1), "2026-12-04 02:00:01"),
    ],
)
def test_what_submit_writes(database: Database, moment: datetime, scheduled: str) -> None:
    Registration(database, SourceSettings()).begin({**CONTENT, "scheduled_for": moment, "expires_at": None}, [])
    found = database.run(lambda c: c.exec_driver_sql("SELECT scheduled_for FROM delivery_job").scalar_one())
    assert str(found) == scheduled


def starts(c: sa.Connection, at: datetime) -> list[object]:
    """The keys of the jobs that the publisher would pick up at a moment."""
    c.exec_driver_sql(f"SET timestamp = {at.timestamp()}")
    return [job.key for job in Source(SourceSettings()).ready_jobs(c, eed_job, 10)]


def test_a_job_that_was_submitted_for_the_second_time_does_not_start_at_the_first(database: Database) -> None:
    order = {**CONTENT, "scheduled_for": BACK + timedelta(minutes=10), "expires_at": None}
    registration = Registration(database, SourceSettings())
    job_id = registration.begin(order, [])
    registration.release()
    with database.engine.connect() as c:
        for minutes in (-50, -32, -1, 0, 9):  # at -32 the wall clock shows 02:28, as in the case that was reported
            assert starts(c, BACK + timedelta(minutes=minutes)) == []
        assert starts(c, BACK + timedelta(minutes=60)) == [job_id]


def add(c: sa.Connection, key: int, column: str, time: str) -> None:
    """As the delivery server writes it: in its local time."""
    c.exec_driver_sql(
        f"INSERT INTO delivery_job (id, name, status, sender, subject, {column})"
        f" VALUES ({key}, 'n', 'processing', 'a@example.com', 's', '{time}')"
    )


def test_a_local_time_that_comes_twice_starts_a_job_at_the_first(database: Database) -> None:
    with database.engine.connect() as c:
        add(c, 1, "scheduled_for", "2026-10-25 02:30:00")
        assert starts(c, BACK - timedelta(minutes=31)) == []
        assert starts(c, BACK - timedelta(minutes=30)) == [1]
        assert starts(c, BACK + timedelta(minutes=10)) == []  # it shows 02:10 again; a job that is known goes on
        assert starts(c, BACK + timedelta(minutes=30)) == [1]


def test_a_local_time_that_does_not_exist_starts_a_job_when_the_clock_is_put_forward(database: Database) -> None:
    with database.engine.connect() as c:
        add(c, 1, "scheduled_for", "2026-03-29 02:30:00")
        assert starts(c, FORWARD - timedelta(seconds=1)) == []
        assert starts(c, FORWARD) == [1]


def test_an_expiry_in_such_an_hour_is_within_an_hour_of_what_it_says(database: Database) -> None:
    with database.engine.connect() as c:
        add(c, 1, "expires_at", "2026-10-25 02:30:00")
        add(c, 2, "expires_at", "2026-03-29 02:30:00")
        for key, minutes in ((1, {-30, 30}), (2, {0, 30})):
            change = BACK if key == 1 else FORWARD
            c.exec_driver_sql(f"SET timestamp = {(change - timedelta(hours=3)).timestamp()}")
            left = {job.key: job.expires_in_seconds for job in Source(SourceSettings()).ready_jobs(c, eed_job, 10)}
            assert left[key] in {3 * 3600 + 60 * minute for minute in minutes}
