"""Manifests on their way into a directory: put once, put again after anything, and never two versions of one."""

import hashlib
import json
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from eed_delivery.archive.directory import DirectoryStore
from eed_delivery.config.file_channels import FileChannelSettings
from eed_delivery.errors import ConfigError, InDoubt, Problem
from eed_delivery.ledger.actor import SERVICE
from eed_delivery.ledger.holds.ledger import HoldLedger
from eed_delivery.ledger.manifests import JobManifest, ManifestLedger
from eed_delivery.ledger.operating import Selection
from eed_delivery.ledger.persons.erasing import ErasingLedger
from eed_delivery.manifests.putter import ManifestPutter
from eed_delivery.model import Accepted, EmailState, Files, HoldScope, HoldTarget
from eed_delivery.pseudonyms import Pseudonyms
from eed_delivery.rendering.manifest_paths import ManifestPaths
from eed_delivery.transports import FileTransport, Grant
from tests.files import CHANNEL, fail, finish, finished_job, put_files
from tests.world import World

pytestmark = pytest.mark.both_databases

MAKE_DUE = "UPDATE eed_manifest SET not_before = NULL, lease_until = NULL"


class Store(DirectoryStore):
    """A directory that may lose an answer, before or after the files are there. `at_grant` happens before the wire."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.lost: str | None = None
        self.at_grant: Callable[[], object] = lambda: None

    def send(self, message: Files, grant: Grant) -> Accepted:
        lost, self.lost = self.lost, None
        self.at_grant()
        if lost == "before":
            raise InDoubt("the connection was lost")
        accepted = super().send(message, grant)
        if lost == "after":
            raise InDoubt("the connection was lost")
        return accepted


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def store(root: Path) -> Store:
    return Store(root)


@pytest.fixture
def putter(world: World, store: Store) -> ManifestPutter:
    return new_putter(world, store)


def new_putter(
    world: World, store: FileTransport, template: str | None = FileChannelSettings().manifest
) -> ManifestPutter:
    paths = ManifestPaths(template) if template else None
    return ManifestPutter(CHANNEL, ManifestLedger(world.database), paths, lambda: store)


def there(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def manifest_of(world: World) -> JobManifest:
    (manifest,) = ManifestLedger(world.database).of_job(1)
    return manifest


def acts(world: World) -> int:
    return int(world.scalar("SELECT COUNT(*) FROM eed_audit WHERE act = 'manifest_put'"))


def test_a_finished_job_gets_its_csv_and_its_json(world: World, putter: ManifestPutter, root: Path) -> None:
    first, second = finished_job(world)
    assert putter.step() == 0.0
    assert putter.step() > 0
    files = there(root)
    assert files.keys() == {"1/manifest.csv", "1/manifest.json"}
    said = json.loads(files["1/manifest.json"])
    assert [(one["name"], one["email"]) for one in said["files"]] == [
        (f"1/{first}.pdf", str(first)),
        (f"1/{second}.pdf", str(second)),
    ]
    assert said["csv"]["sha256"] == hashlib.sha256(files["1/manifest.csv"]).hexdigest()
    kept = manifest_of(world)
    assert kept.put_at is not None
    assert (kept.path, kept.sha256, kept.files, kept.size) == (
        "1/manifest.json",
        hashlib.sha256(files["1/manifest.json"]).hexdigest(),
        2,
        10,
    )


@pytest.mark.parametrize("left", [(), ("1/manifest.csv",), ("1/manifest.csv", "1/manifest.json")])
def test_a_worker_that_dies_anywhere_leaves_no_second_version(
    world: World, putter: ManifestPutter, store: Store, root: Path, left: tuple[str, ...]
) -> None:
    """Killed after the claim, between the two files, and before what was put is noted."""
    finished_job(world)
    putter.step()
    put = there(root)
    for name in put.keys() - set(left):
        (root / name).unlink()
    world.execute("UPDATE eed_manifest SET put_at = NULL, path = NULL, files = NULL, size = NULL")
    assert new_putter(world, store).step() == 0.0
    assert there(root) == put
    assert manifest_of(world).put_at is not None


def test_without_its_csv_no_json_says_that_the_job_is_complete(
    world: World, putter: ManifestPutter, root: Path
) -> None:
    finished_job(world)
    (root / "1").mkdir(parents=True)
    (root / "1" / "manifest.csv").write_bytes(b"another's")
    putter.step()
    assert there(root) == {"1/manifest.csv": b"another's"}
    assert manifest_of(world).put_at is None


@pytest.mark.parametrize("lost", ["before", "after"])
def test_after_a_lost_answer_the_store_is_asked(
    world: World, putter: ManifestPutter, store: Store, root: Path, lost: str
) -> None:
    finished_job(world)
    store.lost = lost
    putter.step()
    assert (manifest_of(world).put_at is None) == (lost == "before")
    world.execute(MAKE_DUE)
    putter.step()
    assert manifest_of(world).put_at is not None
    assert there(root).keys() == {"1/manifest.csv", "1/manifest.json"}
    assert acts(world) == 1


def test_a_store_that_is_away_costs_nothing_and_the_job_says_why(
    world: World, putter: ManifestPutter, root: Path
) -> None:
    finished_job(world)
    root.write_text("in the way")
    for tries in range(1, 4):
        world.execute(MAKE_DUE)
        with capture_logs() as logs:
            putter.step()
        assert [log["event"] for log in logs] == ["manifest_not_put"]
        assert manifest_of(world).tries == tries
        assert manifest_of(world).detail
    root.unlink()
    world.execute(MAKE_DUE)
    putter.step()
    assert manifest_of(world).put_at is not None and manifest_of(world).detail is None


def test_another_file_under_its_name_stays_and_the_manifest_waits(
    world: World, putter: ManifestPutter, root: Path
) -> None:
    finished_job(world)
    (root / "1").mkdir(parents=True)
    (root / "1" / "manifest.json").write_bytes(b"another's")
    putter.step()
    assert there(root)["1/manifest.json"] == b"another's"
    assert manifest_of(world).put_at is None
    assert world.scalar(f"SELECT not_before > {world.earlier(world.now, -300)} FROM eed_manifest")
    (root / "1" / "manifest.json").unlink()
    world.execute(MAKE_DUE)
    putter.step()
    assert manifest_of(world).put_at is not None


@pytest.mark.parametrize("held", [HoldTarget(HoldScope.CHANNEL, CHANNEL), HoldTarget(HoldScope.ALL)])
def test_a_channel_that_is_held_at_the_last_moment_puts_nothing(
    world: World, putter: ManifestPutter, store: Store, root: Path, held: HoldTarget
) -> None:
    finished_job(world)
    holds = HoldLedger(world.database)
    store.at_grant = lambda: holds.hold(held, "looked at", None)
    putter.step()
    assert there(root) == {} and manifest_of(world).put_at is None
    assert putter.step() > 0
    store.at_grant = lambda: None
    assert [holds.release(hold.hold_id) for hold in holds.all()]
    world.execute(MAKE_DUE)
    putter.step()
    assert manifest_of(world).put_at is not None


def test_a_person_who_was_erased_between_two_tries_is_in_no_later_version(
    world: World, putter: ManifestPutter, store: Store, root: Path
) -> None:
    first, second = finished_job(world)
    putter.step()
    (root / "1" / "manifest.json").unlink()  # a worker that died after the CSV
    world.execute("UPDATE eed_manifest SET put_at = NULL, path = NULL, files = NULL, size = NULL")
    pseudonyms = Pseudonyms(("a secret of the bank" * 2,))
    ErasingLedger(world.database, pseudonyms, SERVICE).erase("c0@example.com", "asked")
    assert world.execute("SELECT email_id FROM eed_file WHERE path IS NULL") == [(first,)]
    new_putter(world, store).step()
    files = there(root)
    assert files.keys() == {"1/manifest.csv", "1/manifest-2.csv", "1/manifest-2.json"}
    assert [one["email"] for one in json.loads(files["1/manifest-2.json"])["files"]] == [str(second)]
    assert (manifest_of(world).number, manifest_of(world).path) == (2, "1/manifest-2.json")


def test_one_that_would_change_while_a_later_one_is_wanted_leaves_it_the_highest_number(
    world: World, putter: ManifestPutter, root: Path
) -> None:
    first, second = world.add_job(["c0@example.com", "c1@example.com"])
    world.enlist()
    put_files(world, first, "1/a.pdf")
    fail(world, second)
    finish(world)
    world.execute("UPDATE eed_manifest SET sha256 = :other, tries = 1", other=b"\x01" * 32)  # its JSON may be there
    world.operating.requeue(Selection(EmailState.FAILED, jobs=(1,)))
    put_files(world, second, "1/b.pdf", gen=1)
    finish(world)
    while putter.step() == 0.0:
        world.execute(MAKE_DUE)
    assert there(root).keys() == {"1/manifest-2.csv", "1/manifest-2.json"}
    names = [one["name"] for one in json.loads(there(root)["1/manifest-2.json"])["files"]]
    assert names == ["1/a.pdf", "1/b.pdf"]


def test_a_host_without_room_for_it_says_so_and_tries_again(
    world: World, putter: ManifestPutter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished_job(world)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    putter.step()
    assert "cannot be written on this host" in (manifest_of(world).detail or "")
    monkeypatch.setattr("tempfile.tempdir", None)
    world.execute(MAKE_DUE)
    putter.step()
    assert manifest_of(world).put_at is not None


def test_files_that_a_requeue_adds_are_in_the_next_manifest_and_the_first_one_stays(
    world: World, putter: ManifestPutter, root: Path
) -> None:
    first, second = world.add_job(["a@example.com", "b@example.com"])
    world.enlist()
    put_files(world, first, "1/a.pdf")
    fail(world, second)
    finish(world)
    putter.step()
    before = there(root)
    world.operating.requeue(Selection(EmailState.FAILED, jobs=(1,)))
    put_files(world, second, "1/b.pdf", gen=1)
    finish(world)
    putter.step()
    after = there(root)
    assert after.items() > before.items()
    names = [one["name"] for one in json.loads(after["1/manifest-2.json"])["files"]]
    assert names == ["1/a.pdf", "1/b.pdf"]


def test_a_channel_without_manifests_drops_those_that_wait(world: World, store: Store, root: Path) -> None:
    finished_job(world)
    with capture_logs() as logs:
        assert new_putter(world, store, "").step() > 0
    assert [log["event"] for log in logs] == ["manifests_dropped"]
    assert there(root) == {} and ManifestLedger(world.database).of_job(1) == ()


def test_a_lease_is_kept_while_a_manifest_is_in_hand_and_only_then(
    world: World, putter: ManifestPutter, store: Store
) -> None:
    finished_job(world)
    left: list[float] = []

    def renew() -> None:
        world.execute("UPDATE eed_manifest SET lease_until = :soon", soon="2998-01-01 00:00:00.000000")
        putter.renew()
        left.append(int(str(world.scalar("SELECT lease_until FROM eed_manifest"))[:4]))

    store.at_grant = renew
    putter.step()
    assert left and left[0] < 2998
    assert manifest_of(world).put_at is not None
    putter.renew()  # nothing is in hand


def test_a_job_whose_key_leaves_the_root_has_its_manifest_refused(world: World, putter: ManifestPutter) -> None:
    finished_job(world)
    world.execute("UPDATE eed_job SET source_key = '../1'")
    putter.step()
    assert "leaves the directory" in (manifest_of(world).detail or "")


def test_files_of_emails_that_an_earlier_release_put_are_missed_by_their_number(
    world: World, putter: ManifestPutter, root: Path
) -> None:
    """The ledger after migration 0018: the job's first emails have no files on record. One of them was sent by mail, in
    an earlier round of the job."""
    first, second, third = finished_job(world, emails=3)
    world.execute("DELETE FROM eed_file WHERE email_id IN (:first, :second)", first=first, second=second)
    world.execute("UPDATE eed_email SET detail = '250 2.0.0 Ok: queued' WHERE email_id = :id", id=second)
    putter.step()
    said = json.loads(there(root)["1/manifest.json"])
    assert (said["complete"], said["unlisted"]) == (False, 1)
    assert [one["email"] for one in said["files"]] == [str(third)]
    assert manifest_of(world).unlisted == 1


class Unusable(Store):
    """A store whose settings this host cannot use: it says so when it is made, or when it is first asked."""

    def probe(self) -> None:
        raise ConfigError([Problem("ca_file", "it cannot be used", "Give a file.")])


@pytest.mark.parametrize("says_so", ["when it is made", "when it is asked"])
def test_a_host_that_cannot_use_the_channel_says_why_at_the_job(
    world: World, root: Path, store: Store, says_so: str
) -> None:
    finished_job(world)

    def make() -> Unusable:
        if says_so == "when it is made":
            Unusable(root).probe()
        return Unusable(root)

    paths = ManifestPaths(FileChannelSettings().manifest)
    ManifestPutter(CHANNEL, ManifestLedger(world.database), paths, make).step()
    found = manifest_of(world)
    assert (found.tries, found.detail) == (
        1,
        f"{socket.gethostname()} cannot use the channel: ca_file: it cannot be used. Give a file.",
    )
    world.execute(MAKE_DUE)
    new_putter(world, store).step()
    assert manifest_of(world).put_at is not None and manifest_of(world).detail is None


def test_a_channel_whose_workers_cannot_start_has_its_reason_at_the_job(world: World, putter: ManifestPutter) -> None:
    finished_job(world)
    ledger = ManifestLedger(world.database)
    ledger.unusable("another", "not this one")
    ledger.unusable(CHANNEL, "the package paramiko is not installed")
    assert (manifest_of(world).tries, manifest_of(world).detail) == (0, "the package paramiko is not installed")
    assert ledger.claim(CHANNEL, 60) is not None
    ledger.unusable(CHANNEL, "of a host that does not have it in hand")
    assert manifest_of(world).detail == "the package paramiko is not installed"
    world.execute(MAKE_DUE)
    putter.step()
    ledger.unusable(CHANNEL, "too late")
    assert manifest_of(world).put_at is not None and manifest_of(world).detail is None
