"""The archiver over a real spool and ledger: what becomes of copies that are damaged, refused, or in its way."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from eed_delivery.archive.archiver import REFUSED_SECONDS, Archiver
from eed_delivery.archive.directory import DirectoryStore
from eed_delivery.archive.names import DRAFT, ON_WIRE, CopyName
from eed_delivery.archive.spool import Spool
from eed_delivery.ledger.archiving import ArchiveLedger, JobArchive
from eed_delivery.ledger.delivering.recording import Decision
from eed_delivery.model import Email, EmailState, Outcome, Verdict
from tests.world import World

pytestmark = pytest.mark.also_on_sqlite

CONTENT = b"Subject: yours\r\n\r\nDear Anna\r\n"


class StaleSpool(Spool):
    """A spool of which a pass may have read names that are not those of now."""

    stale: Sequence[tuple[CopyName, str]] = ()

    def copies(self) -> Iterator[tuple[CopyName, str]]:
        stale, self.stale = self.stale, ()
        return iter(stale) if stale else super().copies()


class House:
    """A spool, an archive in a directory, and a clock."""

    def __init__(self, world: World, directory: Path) -> None:
        self.world = world
        self.archive = directory / "archive"
        self.spool = StaleSpool(directory / "spool", 10_000)
        self.ledger = ArchiveLedger(world.database)
        self.now = 0.0
        store = DirectoryStore(self.archive)
        self.archiver = Archiver("default", self.spool, self.ledger, lambda: store, 2, clock=lambda: self.now)

    def sent(self, email: Email, content: bytes = CONTENT, kept: bytes | None = None) -> CopyName:
        """Send an email with a copy; `kept`: what the spool has in place of its content."""
        digest = hashlib.sha256(content)
        name = CopyName(email.job_id, email.email_id, email.gen, email.token, digest.hexdigest())
        self.spool.write(name, content if kept is None else kept)
        assert self.world.delivering.wire(email, 60) is None
        self.spool.put_on_wire(name)
        outcome = Outcome(Verdict.SENT, "250 ok", 250, sha256=digest.digest())
        assert self.world.delivering.record(email, Decision(EmailState.SENT, outcome, counted=True), 5)
        return name

    def waiting(self) -> list[str]:
        return sorted(copy.key for copy, _ in self.spool.copies())

    def archived(self) -> dict[str, bytes]:
        return {str(path.relative_to(self.archive)): path.read_bytes() for path in self.archive.rglob("*.eml")}


@pytest.fixture
def house(world: World, tmp_path: Path) -> Iterator[House]:
    house = House(world, tmp_path)
    yield house
    house.archiver.close()


def emails(world: World, count: int) -> list[Email]:
    ids = world.add_job([f"{n}@example.com" for n in range(count)])
    world.enlist()
    return [world.claimed(i) for i in ids]


def test_copies_of_more_than_one_batch_go_at_once(house: House) -> None:
    names = [house.sent(email, CONTENT + b"%d" % n) for n, email in enumerate(emails(house.world, 30))]
    assert house.archiver.step() == 0.0
    assert house.archived() == {name.key: CONTENT + b"%d" % n for n, name in enumerate(names)}
    assert (house.waiting(), house.spool.used_bytes) == ([], 0)
    assert house.archiver.step() > 0
    assert house.archiver.drained


def test_a_copy_with_other_bytes_than_were_sent_is_not_archived_and_counts_as_not_kept(house: House) -> None:
    """The end of it was lost in a power cut."""
    house.sent(emails(house.world, 1)[0], kept=CONTENT[:-5])
    house.archiver.step()
    assert (house.archived(), house.waiting()) == ({}, [])
    assert house.ledger.of_job(1, 1) == JobArchive(1, 0, 1)


def test_other_bytes_in_the_archive_stay_and_the_copy_waits(house: House) -> None:
    first, second = emails(house.world, 2)
    name = house.sent(first)
    place = house.archive / name.key
    place.parent.mkdir(parents=True)
    place.write_bytes(b"of another installation")
    house.archiver.step()
    house.sent(second)
    house.archiver.step()
    assert (house.waiting(), sorted(house.archived())) == (
        [name.key],
        [f"1/{e.email_id}.0.eml" for e in (first, second)],
    )
    assert "1 are refused" in house.archiver.detail
    place.unlink()
    house.archiver.step()
    assert house.waiting() == [name.key], "it is not tried each second"
    house.now += REFUSED_SECONDS
    house.archiver.step()
    assert (house.waiting(), house.archived()[name.key]) == ([], CONTENT)


def test_what_was_stored_and_not_recorded_is_stored_once_more_without_harm(house: House) -> None:
    name = house.sent(emails(house.world, 1)[0])
    house.archiver.step()
    house.world.execute("DELETE FROM eed_archive_copy")
    house.spool.write(name, CONTENT)
    house.spool.put_on_wire(name)
    house.archiver.step()
    assert (house.waiting(), house.ledger.of_job(1, 1)) == ([], JobArchive(1, 1, 0))


def test_a_copy_that_is_recorded_is_only_removed(house: House) -> None:
    name = house.sent(emails(house.world, 1)[0])
    house.archiver.step()
    (house.archive / name.key).unlink()
    house.spool.write(name, CONTENT)
    house.archiver.step()
    assert (house.waiting(), house.archived()) == ([], {}), "whoever deletes from the archive has their way"


def test_an_archive_that_is_away_is_asked_less_often_and_found_again(house: House) -> None:
    house.archive.write_text("no directory")
    name = house.sent(emails(house.world, 1)[0])
    pauses = [house.archiver.step() for _ in range(7)]
    assert pauses == [2, 4, 8, 16, 32, 60, 60]
    assert "the archive is away" in house.archiver.detail
    assert not house.archiver.drained
    house.archive.unlink()
    assert house.archiver.step() == 0.0
    assert (list(house.archived()), house.archiver.away) == ([name.key], "")


def test_copies_in_doubt_keep_no_other_from_the_archive(house: House) -> None:
    *doubtful, last = emails(house.world, 4)
    for email in doubtful:
        digest = hashlib.sha256(CONTENT).hexdigest()
        house.spool.write(CopyName(email.job_id, email.email_id, email.gen, email.token, digest), CONTENT)
    name = house.sent(last)
    house.archiver.step()
    assert (list(house.archived()), len(house.waiting())) == ([name.key], 3)
    assert "3 copies wait for their emails" in house.archiver.detail


def test_a_draft_that_nobody_sends_any_more_is_removed(house: House) -> None:
    (email,) = emails(house.world, 1)
    digest = hashlib.sha256(CONTENT).hexdigest()
    house.spool.write(CopyName(email.job_id, email.email_id, email.gen, email.token, digest), CONTENT)
    house.world.lapse(email.email_id)
    house.world.claimed(email.email_id)
    house.archiver.step()
    assert house.waiting() == []


def test_a_copy_of_an_email_that_the_ledger_does_not_know_stays(house: House) -> None:
    name = CopyName(9, 9, 0, 1, hashlib.sha256(CONTENT).hexdigest())
    house.spool.write(name, CONTENT)
    house.archiver.step()
    assert list(house.spool.copies()) == [(name, DRAFT)]


def test_a_copy_that_gets_the_wire_while_it_is_looked_at_is_found_by_the_next_pass(house: House) -> None:
    """Its name is read as a draft's, and then its worker renames it and its email is sent."""
    (email,) = emails(house.world, 1)
    name = house.sent(email)
    house.spool.stale = [(name, DRAFT)]
    house.archiver.step()
    assert (list(house.spool.copies()), house.archiver.away) == ([(name, ON_WIRE)], "")
    house.archiver.step()
    assert house.waiting() == []
