"""One suite for every kind that puts files: what `FileTransport` promises holds for S3, SFTP and FTP alike.

S3 is moto and ministack, SFTP is OpenSSH, FTP is pyftpdlib with TLS. Each is behind a proxy that cuts connections.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from hashlib import sha256
from mmap import ACCESS_READ, mmap
from pathlib import Path
from tempfile import TemporaryFile
from threading import Barrier

import pytest

from eed_delivery.errors import DatabaseGone, InDoubt, InfrastructureFailure, NoGrant, PermanentFailure
from eed_delivery.model import Accepted, File, Files
from eed_delivery.transports import FileTransport
from eed_delivery.transports.kind import kinds
from eed_delivery.untrusted import mask_locations
from tests.contract.file_stores import (
    FileStore,
    file,
    files,
    ftp_directory,
    ministack_bucket,
    moto_bucket,
    sftp_directory,
)
from tests.contract.messages import Wire, no_grant

STORES = ("moto", "ministack", "sftp", "ftps", "ftp")
MIB = 1 << 20
NAMES = (
    "Kontoauszug März 2026.pdf",
    "выписка по счёту.pdf",
    "对账单-三月.pdf",
    "كشف حساب.pdf",
    "דף חשבון.pdf",
    "ใบแจ้งยอด.pdf",
    "खाता विवरण.pdf",
    "お取引明細😀.pdf",
    "50% off + a&b=c #1 'q' (x) ~!@$^,;[]{}.pdf",
    "-rf",
    "a" * 200,
)


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FileStore]:
    with ExitStack() as opened:
        match request.param:
            case "moto":
                yield opened.enter_context(moto_bucket())
            case "ministack":
                yield opened.enter_context(ministack_bucket(request.getfixturevalue("ministack")))
            case "sftp":
                yield opened.enter_context(sftp_directory(request.getfixturevalue("sshd")))
            case name:
                yield opened.enter_context(ftp_directory(tmp_path, tls=name == "ftps"))


@pytest.fixture
def transport(store: FileStore) -> Iterator[FileTransport]:
    made = store.transport()
    yield made
    made.close()


def test_a_file_arrives_once_and_unchanged(store: FileStore, transport: FileTransport) -> None:
    wire = Wire()
    answer = transport.send(files(), wire)
    assert isinstance(answer, Accepted)
    assert "1 " in answer.reply
    assert answer.code in (200, 250)  # without a code the breaker would take it for no answer
    assert store.arrived() == {"job-1/statement.pdf": file().content}
    assert wire.asked == 1


def test_nothing_is_seen_when_the_wire_is_asked_for(store: FileStore, transport: FileTransport) -> None:
    seen: list[list[str]] = []
    transport.send(files(), lambda: seen.append([path for path in store.arrived() if ".eed-" not in path]))
    assert seen == [[]]


def test_the_channels_own_root_is_made_too(store: FileStore) -> None:
    transport = store.transport(**({"prefix": "deep/er/"} if store.kind == "s3" else {"directory": "deep/er"}))
    transport.send(files(), Wire())
    assert store.arrived() == {"deep/er/job-1/statement.pdf": file().content}
    assert transport.settle(files()) is not None
    transport.close()


def test_the_files_of_an_email_are_put_one_after_the_other(store: FileStore, transport: FileTransport) -> None:
    several = [file(f"job-1/{n}/{n}.pdf", b"%d" % n) for n in range(5)]
    wire = Wire()
    answer = transport.send(files(*several), wire)
    assert "5 " in answer.reply
    assert store.arrived() == {one.path: one.content for one in several}
    assert wire.asked == 1


def test_the_same_bytes_again_count_as_put(store: FileStore, transport: FileTransport) -> None:
    transport.send(files(), Wire())
    again = Wire()
    assert isinstance(transport.send(files(file(), file("job-1/second.pdf", b"2")), again), Accepted)
    assert again.asked == 1
    assert store.arrived() == {"job-1/statement.pdf": file().content, "job-1/second.pdf": b"2"}


@pytest.mark.parametrize("others", [b"other bytes", b"%PDF-1.7 A STATEMENT", b""], ids=["other", "same size", "none"])
def test_other_bytes_that_are_there_stay(store: FileStore, transport: FileTransport, others: bytes) -> None:
    store.place("job-1/statement.pdf", others)
    with pytest.raises(PermanentFailure, match=r"statement\.pdf.*other bytes, which stays"):
        transport.send(files(), Wire())
    assert store.arrived() == {"job-1/statement.pdf": others}
    with pytest.raises(PermanentFailure):
        transport.settle(files())


def test_other_bytes_that_come_while_the_wire_is_asked_for_stay(store: FileStore, transport: FileTransport) -> None:
    with pytest.raises(PermanentFailure, match="other bytes"):
        transport.send(files(), lambda: store.place("job-1/statement.pdf", b"other bytes"))
    assert store.arrived() == {"job-1/statement.pdf": b"other bytes"}


def test_the_same_bytes_that_come_while_the_wire_is_asked_for_count(store: FileStore, transport: FileTransport) -> None:
    transport.send(files(), lambda: store.place("job-1/statement.pdf", file().content))
    assert store.arrived() == {"job-1/statement.pdf": file().content}


@pytest.mark.parametrize("refusal", [NoGrant("paused"), DatabaseGone("gone"), RuntimeError("a defect")])
def test_without_a_grant_nothing_is_there_and_the_next_one_is(
    store: FileStore, transport: FileTransport, refusal: Exception
) -> None:
    wire = Wire(refusal)
    with pytest.raises(type(refusal)) as raised:
        transport.send(files(file(), file("job-1/second.pdf", b"2")), wire)
    assert raised.value is refusal
    assert wire.asked == 1
    assert store.arrived() == {}
    transport.send(files(email_id=18), Wire())
    assert store.arrived() == {"job-1/statement.pdf": file().content}


def test_settle_knows_what_is_there(store: FileStore, transport: FileTransport) -> None:
    both = files(file(), file("job-1/second.pdf", b"2"))
    assert transport.settle(both) is None
    transport.send(files(), Wire())
    assert transport.settle(both) is None
    transport.send(both, Wire())
    assert isinstance(transport.settle(both), Accepted)


def test_an_empty_file(store: FileStore, transport: FileTransport) -> None:
    transport.send(files(file(content=b"")), Wire())
    assert store.arrived() == {"job-1/statement.pdf": b""}
    assert transport.settle(files(file(content=b""))) is not None
    with pytest.raises(PermanentFailure):
        transport.send(files(file(content=b"1")), Wire())


def test_a_file_of_30_mb(store: FileStore, transport: FileTransport) -> None:
    large = file(content=bytes(range(256)) * (30 * MIB // 256))
    transport.send(files(large), Wire())
    assert transport.settle(files(large)) is not None
    assert len(store.arrived()["job-1/statement.pdf"]) == 30 * MIB


@pytest.mark.parametrize("name", NAMES)
def test_names_in_many_scripts(store: FileStore, transport: FileTransport, name: str) -> None:
    named = file(f"Auszüge 三月/{name}", b"1")
    transport.send(files(named), Wire())
    assert store.arrived() == {named.path: b"1"}
    assert transport.settle(files(named)) is not None


def test_what_is_mapped_from_the_disk_is_put_as_any_other(store: FileStore, transport: FileTransport) -> None:
    """A job's manifest is, because it may be large. The last of the files is there last."""
    content = bytes(range(256)) * 10_000
    with TemporaryFile() as spool:
        spool.write(content)
        spool.flush()
        with mmap(spool.fileno(), 0, access=ACCESS_READ) as mapped:
            digest = sha256(content).hexdigest()
            table = File("1/manifest.csv", mapped, "text/csv", digest)
            document = File("1/manifest.json", mapped, "application/json", digest)
            transport.send(Files(0, 1, (table,)), Wire())
            assert transport.settle(Files(0, 1, (table, document))) is None
            transport.send(Files(0, 1, (table, document)), Wire())
            assert transport.settle(Files(0, 1, (table, document))) is not None
    assert store.arrived() == {"1/manifest.csv": content, "1/manifest.json": content}


def test_with_the_hash_read_back(store: FileStore) -> None:
    if store.kind == "s3":
        pytest.skip("S3 checks the SHA-256 of each PUT")
    transport = store.transport(verify="hash")
    transport.send(files(), Wire())
    transport.close()
    assert store.arrived() == {"job-1/statement.pdf": file().content}


def test_an_error_hides_in_the_log_what_its_path_says(store: FileStore, transport: FileTransport) -> None:
    store.place("Anna Smith 47110815.pdf", b"other bytes")
    with pytest.raises(PermanentFailure) as raised:
        transport.send(files(file("Anna Smith 47110815.pdf")), Wire())
    assert "Anna Smith 47110815.pdf" in raised.value.reply
    assert "Anna" not in mask_locations(raised.value.reply)


def test_a_probe_and_a_check_leave_nothing(store: FileStore, transport: FileTransport) -> None:
    transport.probe()
    assert len(store.check()) >= 2
    assert store.arrived() == {}


def test_close_may_come_at_any_time(store: FileStore, transport: FileTransport) -> None:
    transport.close()
    transport.send(files(), Wire())
    transport.close()
    transport.close()
    transport.send(files(file("job-1/second.pdf", b"2")), Wire())
    with pytest.raises(NoGrant):
        transport.send(files(file("job-1/third.pdf", b"3")), no_grant())
    transport.close()
    assert sorted(store.arrived()) == ["job-1/second.pdf", "job-1/statement.pdf"]


def test_it_says_how_long_the_wire_can_be_held(store: FileStore, transport: FileTransport) -> None:
    assert transport.wire_seconds >= 10
    assert transport.name == store.kind
    assert kinds()[store.kind].longest_send(store.checked()) == transport.wire_seconds


def test_a_kept_connection_that_is_dead_is_replaced_before_the_grant(
    store: FileStore, transport: FileTransport
) -> None:
    transport.send(files(), Wire())
    store.proxy.cut()
    wire = Wire()
    transport.send(files(file("job-1/second.pdf", b"2")), wire)
    assert wire.asked == 1
    assert sorted(store.arrived()) == ["job-1/second.pdf", "job-1/statement.pdf"]


def test_a_store_that_is_gone_is_an_infrastructure_failure(store: FileStore, transport: FileTransport) -> None:
    transport.send(files(), Wire())
    store.proxy.__exit__(None, None, None)
    with pytest.raises(InfrastructureFailure) as raised:
        transport.send(files(file("job-1/second.pdf", b"2")), Wire())
    assert raised.value.reply
    with pytest.raises(InfrastructureFailure):
        transport.probe()
    with pytest.raises(InfrastructureFailure):
        transport.settle(files())


def test_a_connection_cut_in_the_middle_of_a_file_leaves_nothing(store: FileStore, transport: FileTransport) -> None:
    large = file(content=bytes(4 * MIB))
    if store.kind == "ftp":
        store.server.cut_uploads_after = MIB  # type: ignore[attr-defined]
    else:
        store.proxy.cut_after(MIB)
    with pytest.raises((InfrastructureFailure, InDoubt)):
        transport.send(files(large), Wire())
    assert [path for path in store.arrived() if ".eed-" not in path] == []
    if store.kind == "ftp":
        store.server.cut_uploads_after = None  # type: ignore[attr-defined]
    assert transport.settle(files(large)) is None
    transport.send(files(large), Wire())
    assert list(store.arrived()) == ["job-1/statement.pdf"]  # and no temporary file


def test_an_answer_that_is_lost_is_in_doubt_and_settled(store: FileStore, transport: FileTransport) -> None:
    transport.probe()  # so that a connection is there
    with pytest.raises(InDoubt):
        transport.send(files(), lambda: store.proxy.lose_answer(**store.yes))
    assert store.proxy.cuts == 1
    assert store.arrived() == {"job-1/statement.pdf": file().content}
    assert isinstance(transport.settle(files()), Accepted)
    wire = Wire()
    assert isinstance(transport.send(files(), wire), Accepted)
    assert store.arrived() == {"job-1/statement.pdf": file().content}


def test_a_connection_that_ends_before_a_name_is_given_leaves_no_temporary_file(
    store: FileStore, transport: FileTransport
) -> None:
    if store.kind == "s3":
        pytest.skip("S3 has no temporary files, and a PUT takes another connection")
    both = files(file(), file("job-1/second.pdf", b"2"))
    with pytest.raises(InDoubt):
        transport.send(both, store.proxy.cut)
    assert len(store.arrived()) == 2  # both under temporary names
    assert transport.settle(both) is None
    assert store.arrived() == {}
    transport.send(both, Wire())
    assert sorted(store.arrived()) == ["job-1/second.pdf", "job-1/statement.pdf"]


def test_several_who_put_the_same_file_at_once_all_succeed(store: FileStore) -> None:
    """A worker that comes back late, beside the one that has its email now."""
    transports = [store.transport() for _ in range(4)]
    at_the_wire = Barrier(len(transports))
    with ThreadPoolExecutor(len(transports)) as pool:
        answers = [
            pool.submit(transport.send, files(file("a/b/c.pdf", bytes(100_000))), lambda: at_the_wire.wait(60) and None)
            for transport in transports
        ]
        assert all(isinstance(answer.result(), Accepted) for answer in answers)
    for transport in transports:
        transport.close()
    assert store.arrived() == {"a/b/c.pdf": bytes(100_000)}


def test_a_wrong_password(store: FileStore) -> None:
    if store.kind == "s3":
        pytest.skip("the emulators take any key")
    changes = {"password": "env:WRONG"} | ({"private_key": None} if store.kind == "sftp" else {})
    transport = store.transport(**changes)
    wire = Wire()
    with pytest.raises(InfrastructureFailure, match=r"Check username and password") as raised:
        transport.send(files(), wire)
    assert "not the password" not in str(raised.value)
    assert wire.asked == 0
    assert store.arrived() == {}
