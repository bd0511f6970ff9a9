"""What goes wrong with stores of files, each in its own way: full disks, lost rights, keys, regions, lax servers."""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from eed_delivery.errors import (
    ConfigError,
    DeliveryFailure,
    InDoubt,
    InfrastructureFailure,
    PermanentFailure,
    Throttled,
    TransientFailure,
)
from eed_delivery.model import Concerns, Verdict
from eed_delivery.transports.kind import kinds
from eed_delivery.transports.sftp.host_key import fingerprint, parsed
from tests.contract.file_stores import (
    BUCKET,
    REGION,
    FileStore,
    KindSurroundings,
    below,
    file,
    files,
    ftp_directory,
    ministack_bucket,
    moto_bucket,
    s3_client,
    sftp_directory,
)
from tests.contract.messages import Wire
from tests.servers import lax_sftp
from tests.servers import small_disk as mounted
from tests.servers.certificates import make_certificate
from tests.servers.ftp_server import FtpServer
from tests.servers.lax_sftp import LaxSftp
from tests.servers.openssh import OpenSsh, new_key
from tests.servers.scripted_http import HANG_UP, ScriptedHttp, answer

MIB = 1 << 20


@pytest.fixture
def sftp(sshd: OpenSsh) -> Iterator[FileStore]:
    with sftp_directory(sshd) as store:
        yield store


@pytest.fixture
def ftps(tmp_path: Path) -> Iterator[FileStore]:
    with ftp_directory(tmp_path, tls=True) as store:
        yield store


@contextmanager
def small_disk(directory: Path) -> Iterator[Path]:
    """A file system of 1 MB at a directory; the test is skipped where none can be mounted."""
    with ExitStack() as opened:
        try:
            yield opened.enter_context(mounted.small_disk(directory))
        except mounted.NoMount as error:
            pytest.skip(str(error))


def test_a_full_disk_behind_sftp_is_named(sftp: FileStore, sshd: OpenSsh) -> None:
    disk = sshd.root / "disk"
    disk.mkdir()
    transport = sftp.transport(directory="disk")
    with small_disk(disk):
        wire = Wire()
        with pytest.raises(InfrastructureFailure, match=r"disk is full: [\d,]+ bytes are free"):
            transport.send(files(file("large.pdf", bytes(4 * MIB))), wire)
        assert wire.asked == 0
        assert below(disk) == {}
        transport.send(files(file("small.pdf", b"1")), Wire())
        assert below(disk) == {"small.pdf": b"1"}
        transport.close()


def test_a_full_disk_behind_ftp_leaves_nothing(ftps: FileStore) -> None:
    root: Path = ftps.server.root  # type: ignore[attr-defined]
    disk = root / "disk"
    disk.mkdir()
    transport = ftps.transport(directory="disk")
    with small_disk(disk):
        wire = Wire()
        with pytest.raises(InfrastructureFailure):
            transport.send(files(file("large.pdf", bytes(4 * MIB))), wire)
        assert wire.asked == 0
        transport.send(files(file("small.pdf", b"1")), Wire())
        assert below(disk) == {"small.pdf": b"1"}
        transport.close()


def test_a_server_that_keeps_less_than_it_accepted(ftps: FileStore) -> None:
    server: FtpServer = ftps.server  # type: ignore[attr-defined]
    server.forget_uploads_after = MIB
    wire = Wire()
    with pytest.raises(InfrastructureFailure, match=r"has [\d,]+ bytes of the 4,194,304 that were sent"):
        ftps.transport().send(files(file(content=bytes(4 * MIB))), wire)
    assert wire.asked == 0
    assert below(server.root) == {}


def test_a_right_that_is_lost_is_not_the_emails_fault(sftp: FileStore, sshd: OpenSsh) -> None:
    transport = sftp.transport()
    transport.send(files(), Wire())
    (sshd.root / "job-1").chmod(0o555)
    wire = Wire()
    with pytest.raises(InfrastructureFailure, match="Ask the server's operator for the right") as raised:
        transport.send(files(file("job-1/second.pdf", b"2")), wire)
    assert raised.value.concerns is Concerns.EVERYBODY  # and never a destination domain
    assert wire.asked == 0
    (sshd.root / "job-1").chmod(0o755)
    transport.send(files(file("job-1/second.pdf", b"2")), Wire())
    transport.close()


def test_a_right_to_rename_that_is_lost_after_the_upload(sftp: FileStore, sshd: OpenSsh) -> None:
    (sshd.root / "job-1").mkdir()
    (sshd.root / "job-1").chmod(0o777)
    transport = sftp.transport()
    with pytest.raises(InfrastructureFailure, match="refuses to rename document"):
        transport.send(files(), lambda: (sshd.root / "job-1").chmod(0o555))
    (sshd.root / "job-1").chmod(0o777)
    assert transport.settle(files()) is None
    transport.close()


def test_rights_that_an_ftp_server_does_not_give(ftps: FileStore) -> None:
    ftps.server.may("elr")  # type: ignore[attr-defined]
    wire = Wire()
    with pytest.raises(InfrastructureFailure, match="right to write") as raised:
        ftps.transport().send(files(), wire)
    assert raised.value.code == 550
    assert wire.asked == 0


@pytest.mark.parametrize("pinned", ["key", "fingerprint"])
def test_a_host_key_that_is_not_the_pinned_one(sftp: FileStore, sshd: OpenSsh, pinned: str) -> None:
    _, other = new_key()
    offered = parsed(sshd.host_key).fingerprint
    transport = sftp.transport(host_key=other if pinned == "key" else parsed(other).fingerprint)
    wire = Wire()
    with pytest.raises(InfrastructureFailure, match=r"Nothing was sent\. Ask") as raised:
        transport.send(files(), wire)
    assert f"ssh-ed25519 {offered}" in raised.value.reply
    assert parsed(other).fingerprint in raised.value.reply
    assert wire.asked == 0
    right = sftp.transport(host_key=offered)
    right.send(files(), Wire())
    right.close()


def test_a_host_key_of_a_kind_that_the_server_does_not_have(sftp: FileStore) -> None:
    with LaxSftp() as other:
        transport = sftp.transport(host_key=other.host_key)
        with pytest.raises(InfrastructureFailure, match="host_key"):
            transport.probe()


def test_a_key_that_the_server_does_not_know(sftp: FileStore) -> None:
    sftp.surroundings.secrets["env:OTHER"] = new_key()[0]
    with pytest.raises(InfrastructureFailure, match=r"refuses the login of .* Check username and private_key"):
        sftp.transport(private_key="env:OTHER").probe()


@pytest.mark.parametrize(
    "secret", ["", "no key", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----"]
)
def test_a_private_key_that_is_none(sftp: FileStore, secret: str) -> None:
    sftp.surroundings.secrets["env:BAD"] = secret.format("OPENSSH PRIVATE KEY")
    with pytest.raises(ConfigError, match="private_key: it is not a private key") as raised:
        sftp.transport(private_key="env:BAD")
    assert "AAAA" not in str(raised.value)


def test_a_directory_that_may_not_be_made(sftp: FileStore, sshd: OpenSsh) -> None:
    with pytest.raises(InfrastructureFailure, match="make_directories = true"):
        sftp.transport(make_directories=False).send(files(), Wire())
    assert below(sshd.root) == {}


def test_a_directory_by_its_whole_path(sftp: FileStore, ftps: FileStore, sshd: OpenSsh) -> None:
    for store, directory in ((sftp, f"{sshd.root}/whole/path"), (ftps, "/whole/path")):
        transport = store.transport(directory=directory)
        transport.send(files(), Wire())
        assert store.arrived() == {"whole/path/job-1/statement.pdf": file().content}
        transport.close()


def test_permissions_are_set_before_a_file_is_seen(sftp: FileStore, sshd: OpenSsh) -> None:
    modes: list[int] = []
    transport = sftp.transport(permissions="0640")
    transport.send(files(), lambda: modes.extend(p.stat().st_mode & 0o777 for p in sshd.root.rglob("*.part")))
    assert modes == [0o640]
    assert (sshd.root / "job-1/statement.pdf").stat().st_mode & 0o777 == 0o640
    transport.close()


def lax(server: LaxSftp, **changes: Any) -> Any:
    settings = {
        "host": "127.0.0.1",
        "port": server.port,
        "host_key": server.host_key,
        "username": lax_sftp.USER,
        "password": "env:PASSWORD",
    }
    kind = kinds()["sftp"]
    return kind.make(kind.settings(**(settings | changes)), KindSurroundings({"env:PASSWORD": lax_sftp.PASSWORD}))()


@pytest.mark.parametrize("verify", ["size", "hash"])
def test_a_server_that_is_not_openssh_and_replaces(verify: str) -> None:
    with LaxSftp() as server:
        transport = lax(server, verify=verify)
        transport.send(files(file(content=bytes(100_000))), Wire())
        transport.send(files(file(content=bytes(100_000))), Wire())
        with pytest.raises(PermanentFailure):
            transport.send(files(file(content=b"1" * 100_000)), Wire())
        assert below(server.root) == {"job-1/statement.pdf": bytes(100_000)}
        transport.close()


def test_a_server_that_says_nothing_after_the_login_holds_no_one() -> None:
    with LaxSftp(silent=True) as server:
        with pytest.raises(InfrastructureFailure, match="broke off the login"):
            lax(server, connect_timeout_seconds=1).probe()
        assert not server.over.is_set()


def test_a_certificate_of_another_host(tmp_path: Path, ftps: FileStore) -> None:
    wire = Wire()
    other = make_certificate(tmp_path / "other", "127.0.0.1")
    with pytest.raises(InfrastructureFailure, match=r"(?i)certificate verify failed"):
        ftps.transport(ca_file=other.authority).send(files(), wire)
    with FtpServer(make_certificate(tmp_path / "named", "ftp.bank.example")) as server:
        authority = tmp_path / "named" / "authority.pem"
        with pytest.raises(InfrastructureFailure, match=r"(?i)certificate verify failed"):
            ftps.transport(port=server.port, ca_file=authority).send(files(), wire)
    assert wire.asked == 0


@pytest.mark.parametrize("tls", [True, False])
def test_a_server_whose_words_are_not_in_utf_8(tmp_path: Path, tls: bool) -> None:
    with ftp_directory(tmp_path, tls=tls) as store:
        store.server.speak_latin()  # type: ignore[attr-defined]
        transport = store.transport()
        transport.send(files(), Wire())
        transport.close()
        assert store.arrived().keys() == {"job-1/statement.pdf"}


def test_a_server_without_tls_gets_no_password() -> None:
    with FtpServer() as server:
        kind = kinds()["ftp"]
        settings = kind.settings(host="127.0.0.1", port=server.port, username="partner", password="env:PASSWORD")
        with pytest.raises(InfrastructureFailure, match="log in at"):
            kind.make(settings, KindSurroundings({"env:PASSWORD": "secret"}))().probe()


def s3(url: str, **changes: Any) -> Any:
    kind = kinds()["s3"]
    settings = kind.settings(**({"bucket": BUCKET, "region": REGION, "endpoint_url": url} | changes))
    return kind.make(settings, KindSurroundings())()


def error(status: int, code: str, *fields: str, more: str = "") -> bytes:
    body = f"<Error><Code>{code}</Code><Message>words of S3</Message>{more}</Error>".encode()
    return answer(status, body, "Content-Type: application/xml", *fields)


@pytest.mark.parametrize(
    ("said", "kind", "words"),
    [
        (error(503, "SlowDown"), Throttled, "more requests"),
        (error(503, "ServiceUnavailable"), Throttled, "now"),
        (error(503, "KMS.ThrottlingException"), Throttled, "bucket key"),
        (error(400, "KMS.DisabledException"), InfrastructureFailure, "kms_key"),
        (error(400, "KMS.NotFoundException"), InfrastructureFailure, "kms_key"),
        (error(403, "AccessDenied"), InfrastructureFailure, "role's policy"),
        (error(404, "NoSuchBucket"), InfrastructureFailure, "Check bucket"),
        (error(403, "RequestTimeTooSkewed"), InfrastructureFailure, "clock"),
        (error(400, "InvalidRequest"), InfrastructureFailure, "Object Lock"),
        (error(501, "NotImplemented"), InfrastructureFailure, "conditional writes"),
        (error(507, "XMinioStorageFull"), InfrastructureFailure, "full"),
        (error(409, "ConditionalRequestConflict"), TransientFailure, "tried again"),
        (error(400, "BadDigest"), TransientFailure, "tried again"),
        (error(400, "KeyTooLongError"), PermanentFailure, "Shorten"),
        (error(418, "NewToUs"), TransientFailure, "tried again"),
        (error(500, "InternalError"), InDoubt, "asked for"),
        (error(502, "BadGateway"), InDoubt, "asked for"),
        (HANG_UP, InDoubt, ""),
    ],
)
def test_what_s3_says_of_a_put(said: bytes, kind: type[DeliveryFailure], words: str) -> None:
    with ScriptedHttp([said]) as server:
        wire = Wire()
        with pytest.raises(DeliveryFailure, match=words) as raised:
            s3(server.url).send(files(), wire)
        assert type(raised.value) is kind
        assert (wire.asked, len(server.requests)) == (1, 1)
        outcome = raised.value.outcome()
        by_a_mail_server = outcome.code is not None and outcome.verdict in (Verdict.TEMPORARY, Verdict.PERMANENT)
        assert not by_a_mail_server  # the worker holds domains and suppresses addresses for those
        assert outcome.concerns is not Concerns.OTHERS


@pytest.mark.parametrize(
    "said",
    [
        error(301, "PermanentRedirect", "x-amz-bucket-region: eu-west-1"),
        error(400, "AuthorizationHeaderMalformed", more="<Region>eu-west-1</Region>"),
        error(400, "IllegalLocationConstraintException", "x-amz-bucket-region: eu-west-1"),
    ],
)
def test_a_bucket_in_another_region_is_named_and_not_followed(said: bytes) -> None:
    with ScriptedHttp([said] * 3) as server:
        with pytest.raises(InfrastructureFailure, match=r'is in eu-west-1\. Set region = "eu-west-1"'):
            s3(server.url).send(files(), Wire())
        assert len(server.requests) == 1


def test_a_probe_names_the_region_too() -> None:
    with ScriptedHttp([answer(301, b"", "x-amz-bucket-region: eu-west-1")] * 3) as server:
        with pytest.raises(InfrastructureFailure, match="Set region"):
            s3(server.url).probe()
        assert len(server.requests) == 1


@pytest.mark.parametrize("said", [error(500, "InternalError"), answer(403, b""), HANG_UP])
def test_while_s3_does_not_tell_it_is_not_the_files_fault(said: bytes) -> None:
    with ScriptedHttp([said] * 3) as server, pytest.raises(InfrastructureFailure):
        s3(server.url).settle(files())


def test_a_store_that_ignores_conditions_is_found_by_the_check() -> None:
    ok = answer(200, b"", 'ETag: "1"')
    with ScriptedHttp([answer(200, b""), ok]) as server:
        kind = kinds()["s3"]
        settings = kind.settings(bucket=BUCKET, region=REGION, endpoint_url=server.url)
        with pytest.raises(InfrastructureFailure, match="ignores conditions"):
            list(kind.check(settings, KindSurroundings()))


def test_what_each_object_gets() -> None:
    with ScriptedHttp([answer(200, b"", 'ETag: "1"')]) as server:
        transport = s3(
            server.url,
            prefix="statements/",
            kms_key="arn:aws:kms:us-east-1:000000000000:key/1",
            storage_class="STANDARD_IA",
            tags={"kind": "statement", "of": "the bank"},
            object_lock_mode="COMPLIANCE",
            object_lock_days=30,
        )
        transport.send(files(), Wire())
        request = server.requests[0]
    assert request.line.startswith("PUT /bank/statements/job-1/statement.pdf ")
    fields = {name: value for name, value in request.fields.items() if name.startswith(("x-amz-", "if-", "content-t"))}
    assert fields["if-none-match"] == "*"
    assert fields["content-type"] == "application/pdf"
    assert fields["x-amz-checksum-sha256"]
    assert fields["x-amz-server-side-encryption"] == "aws:kms"
    assert fields["x-amz-storage-class"] == "STANDARD_IA"
    assert fields["x-amz-tagging"] == "kind=statement&of=the+bank"
    assert fields["x-amz-object-lock-mode"] == "COMPLIANCE"
    assert fields["x-amz-object-lock-retain-until-date"]
    assert request.body == file().content


@pytest.mark.parametrize("emulator", ["moto", "ministack"])
def test_an_object_that_no_one_may_delete_before_its_time(request: pytest.FixtureRequest, emulator: str) -> None:
    with ExitStack() as opened:
        if emulator == "moto":
            store = opened.enter_context(moto_bucket())
        else:
            store = opened.enter_context(ministack_bucket(request.getfixturevalue("ministack")))
        client = s3_client(store.settings["endpoint_url"])
        client.create_bucket(Bucket="locked", ObjectLockEnabledForBucket=True)
        locked = {"bucket": "locked", "object_lock_mode": "GOVERNANCE", "object_lock_days": 30, "tags": {"a": "b"}}
        transport = store.transport(**locked)
        transport.send(files(), Wire())
        found = client.head_object(Bucket="locked", Key="job-1/statement.pdf")
        assert found["ObjectLockMode"] == "GOVERNANCE"
        assert timedelta(days=29) < found["ObjectLockRetainUntilDate"] - datetime.now(UTC) < timedelta(days=31)
        assert client.get_object_tagging(Bucket="locked", Key="job-1/statement.pdf")["TagSet"] == [
            {"Key": "a", "Value": "b"}
        ]
        assert transport.settle(files()) is not None


def test_a_key_that_is_too_long_with_the_prefix_is_refused_before_the_grant() -> None:
    wire = Wire()
    with pytest.raises(PermanentFailure, match="Shorten path"):
        s3("http://127.0.0.1:9", prefix="p" * 400 + "/").send(
            files(file("x" * 250 + "/" + "y" * 250 + "/" + "z" * 250)), wire
        )
    assert wire.asked == 0


def test_a_fingerprint_is_as_openssh_writes_it(tmp_path: Path, sshd: OpenSsh) -> None:
    public = tmp_path / "host.pub"
    public.write_text(sshd.host_key + "\n")
    shown = subprocess.run(["ssh-keygen", "-lf", str(public)], capture_output=True, text=True, timeout=30, check=True)
    assert parsed(sshd.host_key).fingerprint == shown.stdout.split()[1]
    assert fingerprint(b"") == "SHA256:" + "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"
    assert sha256(b"").hexdigest().startswith("e3b0")
