"""Two emails with one path: the second waits for the first, and no rename replaces the first one's file."""

import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from eed_delivery.ledger.delivering.claims import Standing, new_token
from eed_delivery.ledger.delivering.ledger import DeliveryLedger
from eed_delivery.ledger.delivering.taken_paths import TakenPathsHousekeeping
from eed_delivery.ledger.schema import eed_taken_path
from eed_delivery.model import Email, File, Files, Outcome, Ticket, Verdict
from eed_delivery.transports.file_stores.folder_transport import FolderTransport
from eed_delivery.transports.ftp.connection import FtpConnection
from eed_delivery.transports.ftp.settings import FtpSettings
from eed_delivery.worker.delivery import Delivery, Draft, RetryRules
from eed_delivery.worker.journal import Journal
from tests.files import CHANNEL
from tests.servers.ftp_server import PASSWORD, USER, FtpServer
from tests.world import World

pytestmark = pytest.mark.both_databases

PATH = "1/statement.pdf"
MAKE_DUE = "UPDATE eed_email SET not_before = NULL WHERE state = 'pending'"
LEASE_IS_OVER = "UPDATE eed_email SET lease_until = '2001-01-01 00:00:00.000000' WHERE email_id = :id"
ITS_ROW = "SELECT email_id, token, former_id FROM eed_taken_path"


@pytest.fixture
def ids(world: World) -> list[int]:
    """Two emails of one job."""
    found = world.add_job(["first@example.com", "second@example.com"])
    world.enlist()
    return found


def ledger_of(world: World, channel: str = CHANNEL) -> DeliveryLedger:
    return DeliveryLedger(world.database, world.source, "test", channel=channel, sends_emails=False)


def claimed(ledger: DeliveryLedger, email_id: int) -> Email:
    (email,) = ledger.claim([Ticket(email_id, 0, 0)], new_token(), 60).emails
    return email


def fields(world: World, email_id: int, *names: str) -> list[Any]:
    row = world.row(email_id)
    return [row[name] for name in names]


class WorkerOfFiles:
    """One thread of a worker that puts files into a folder."""

    def __init__(self, world: World, connect: Callable[[], FtpConnection], settings: FtpSettings) -> None:
        self.ledger = ledger_of(world)
        self._transport = FolderTransport("ftp", settings, connect, 60)
        self._journal = Journal(self.ledger, 60, threading.Event())
        renderer: Any = None  # what it is given is rendered
        self._delivery = Delivery(renderer, self._transport, self._journal, RetryRules(), lambda: None)

    def put(self, email_id: int, content: bytes) -> Outcome | None:
        """Claim an email, put its one file and record it. None: it had no grant."""
        email = claimed(self.ledger, email_id)
        file = File(PATH, content, "application/pdf", hashlib.sha256(content).hexdigest())
        files = Files(email_id, 0, (file,))
        outcome = self._delivery.deliver(Draft(email, files, 0.0), 1)
        self._journal.flush()
        return outcome

    def close(self) -> None:
        self._transport.close()


class StopsBeforeRename(FtpConnection):
    """Has looked whether a file is there, and renames when it is told to."""

    def __init__(self, settings: FtpSettings, about_to: threading.Event, go_on: threading.Event) -> None:
        super().__init__(settings, PASSWORD)
        self._about_to, self._go_on = about_to, go_on

    def rename(self, old: str, new: str) -> None:
        self._about_to.set()
        assert self._go_on.wait(60)
        super().rename(old, new)


@pytest.fixture
def server() -> Iterator[FtpServer]:
    with FtpServer() as server:
        yield server


@pytest.mark.parametrize(("content", "verdict"), [(b"the first", Verdict.SENT), (b"another", Verdict.PERMANENT)])
def test_a_rename_that_replaces_replaces_no_file_of_another_email(
    world: World, ids: list[int], server: FtpServer, content: bytes, verdict: Verdict
) -> None:
    """The first worker stands between its look and its rename while the second puts another email's file there."""
    given: Mapping[str, Any] = {"tls": "none", "username": USER, "password": "env:FTP"}
    settings = FtpSettings(host="127.0.0.1", port=server.port, **given)
    about_to, go_on = threading.Event(), threading.Event()
    first = WorkerOfFiles(world, lambda: StopsBeforeRename(settings, about_to, go_on), settings)
    second = WorkerOfFiles(world, lambda: FtpConnection(settings, PASSWORD), settings)
    thread = threading.Thread(target=first.put, args=(ids[0], b"the first"))
    thread.start()
    try:
        assert about_to.wait(60)
        assert second.put(ids[1], content) is None
    finally:
        go_on.set()
        thread.join(60)
    assert (server.root / PATH).read_bytes() == b"the first"
    assert fields(world, ids[0], "state") == ["sent"]
    waits = f"waits for email {ids[0]}, which has the same path"
    assert fields(world, ids[1], "state", "attempts", "detail") == ["pending", 0, waits]
    assert world.row(ids[1])["not_before"] is not None
    world.execute(MAKE_DUE)
    outcome = second.put(ids[1], content)
    assert outcome is not None
    assert outcome.verdict is verdict
    assert (server.root / PATH).read_bytes() == b"the first"
    if verdict is Verdict.PERMANENT:
        assert outcome.reply.endswith(f"which stays. Email {ids[0]} has the same path")
    first.close()
    second.close()


def test_a_path_is_free_when_its_email_is_recorded_and_not_before(world: World, ids: list[int]) -> None:
    ledger = ledger_of(world)
    first, second = claimed(ledger, ids[0]), claimed(ledger, ids[1])
    assert ledger.wire(first, 60, [PATH]) is None
    assert ledger.wire(second, 60, ["1/other.pdf", PATH]) is Standing.OVER
    assert fields(world, ids[1], "state", "wire_at") == ["pending", None]
    world.execute(MAKE_DUE)
    world.execute("UPDATE eed_email SET state = 'sent' WHERE email_id = :id", id=ids[0])
    second = claimed(ledger, ids[1])
    assert ledger.wire(second, 60, [PATH]) is None
    assert world.execute(ITS_ROW + " WHERE former_id IS NOT NULL") == [(ids[1], second.token, ids[0])]
    assert ledger.rival(second, PATH) == str(ids[0])
    assert ledger.rival(second, "1/other.pdf") is None


@pytest.mark.parametrize(
    "what_came",
    [
        LEASE_IS_OVER,
        "UPDATE eed_email SET token = 5 WHERE email_id = :id",
        "DELETE FROM eed_email WHERE email_id = :id",
    ],
    ids=["killed", "claimed by another", "erased"],
)
def test_a_dead_holder_blocks_its_path_for_its_lease_and_no_longer(
    world: World, ids: list[int], what_came: str
) -> None:
    ledger = ledger_of(world)
    assert ledger.wire(claimed(ledger, ids[0]), 60, [PATH]) is None
    world.execute(what_came, id=ids[0])
    assert ledger.wire(claimed(ledger, ids[1]), 60, [PATH]) is None


def test_paths_of_two_channels_are_apart(world: World, ids: list[int]) -> None:
    ledger = ledger_of(world)
    assert ledger.wire(claimed(ledger, ids[0]), 60, [PATH]) is None
    second = claimed(ledger, ids[1])
    world.execute("UPDATE eed_taken_path SET channel = 'other'")
    assert ledger.wire(second, 60, [PATH]) is None


def test_a_retry_takes_its_own_path_again(world: World, ids: list[int]) -> None:
    ledger = ledger_of(world)
    assert ledger.wire(claimed(ledger, ids[0]), 60, [PATH]) is None
    world.execute("UPDATE eed_email SET state = 'queued' WHERE email_id = :id", id=ids[0])
    again = claimed(ledger, ids[0])
    assert ledger.wire(again, 60, [PATH]) is None
    assert world.execute(ITS_ROW) == [(ids[0], again.token, None)]


def test_who_has_lost_an_email_takes_no_path_for_it(world: World, ids: list[int]) -> None:
    """Else the row would say that no email is on its way, while the worker that has it now puts its file."""
    ledger = ledger_of(world)
    stale = claimed(ledger, ids[0])
    world.execute(LEASE_IS_OVER, id=ids[0])
    holder = claimed(ledger, ids[0])
    assert ledger.wire(holder, 60, [PATH]) is None
    assert ledger.wire(stale, 60, [PATH]) is Standing.LOST
    assert world.execute(ITS_ROW) == [(ids[0], holder.token, None)]
    assert ledger.wire(claimed(ledger, ids[1]), 60, [PATH]) is Standing.OVER


def test_a_path_itself_is_not_kept(world: World, ids: list[int]) -> None:
    ledger = ledger_of(world)
    assert ledger.wire(claimed(ledger, ids[0]), 60, [PATH]) is None
    (row,) = world.execute("SELECT * FROM eed_taken_path")
    assert not any(PATH in str(value) or PATH.encode() in bytes(value) for value in row if isinstance(value, bytes))
    assert {column.name for column in eed_taken_path.columns if "path" in column.name} == set()


def test_old_rows_go_but_for_those_of_emails_on_their_way(world: World, ids: list[int]) -> None:
    ledger = ledger_of(world)
    assert ledger.wire(claimed(ledger, ids[0]), 60, [PATH]) is None
    assert ledger.wire(claimed(ledger, ids[1]), 60, ["1/other.pdf"]) is None
    housekeeping = TakenPathsHousekeeping(world.database, 30)
    world.execute("UPDATE eed_email SET state = 'sent' WHERE email_id = :id", id=ids[1])
    assert housekeeping.step() == 30
    assert world.scalar("SELECT COUNT(*) FROM eed_taken_path") == 2
    world.execute("UPDATE eed_taken_path SET taken_at = '2001-01-01 00:00:00.000000'")
    housekeeping.step()
    assert world.execute("SELECT email_id FROM eed_taken_path") == [(ids[0],)]
