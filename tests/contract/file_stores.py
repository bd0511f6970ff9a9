"""Stores of files for the contract of file channels: what a channel's kind puts there, and a look at what is there."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from botocore.config import Config
from moto.server import ThreadedMotoServer

from eed_delivery.config.section import Section
from eed_delivery.model import File, Files
from eed_delivery.transports import FileTransport
from eed_delivery.transports.kind import kinds
from tests.servers.aws_clients import aws_client
from tests.servers.certificates import make_certificate
from tests.servers.cutting_proxy import CuttingProxy
from tests.servers.ftp_server import PASSWORD, USER, FtpServer
from tests.servers.ministack import MiniStack
from tests.servers.openssh import OpenSsh

BUCKET, REGION = "bank", "us-east-1"


@dataclass
class KindSurroundings:
    """`Surroundings` of a test: secrets by their references, and clients with keys that only emulators take."""

    secrets: dict[str, str] = field(default_factory=dict)
    threads: int = 2

    def secret(self, setting: str, reference: str) -> str:
        return self.secrets[reference]

    def aws(self, service: str, *, region: str | None = None, endpoint_url: str | None = None, **config: Any) -> Any:
        return aws_client(
            service,
            region_name=region,
            endpoint_url=endpoint_url,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"total_max_attempts": 1}, **config),
        )

    def ses(self, settings: Any) -> Any:
        raise AssertionError("no kind that puts files asks for SES")


@dataclass
class FileStore:
    """A store, behind a proxy that can cut it off.

    `kind` and `settings` are those of a channel that puts files there, `arrived` what is there by path.
    """

    kind: str
    settings: dict[str, Any]
    surroundings: KindSurroundings
    arrived: Callable[[], dict[str, bytes]]
    proxy: CuttingProxy
    place: Callable[[str, bytes], None]
    """Puts a file there as another client would."""
    yes: Mapping[str, Any] = field(default_factory=dict)
    """Which answer from the grant on says that a file has its name, for `CuttingProxy.lose_answer`."""

    @property
    def environ(self) -> dict[str, str]:
        """The secrets of `surroundings`, where they are variables of the environment."""
        return {reference.removeprefix("env:"): secret for reference, secret in self.surroundings.secrets.items()}

    def checked(self, **changes: Any) -> Section:
        """The settings of a channel, with changes."""
        return kinds()[self.kind].settings(**(self.settings | changes))

    def transport(self, **changes: Any) -> FileTransport:
        """A transport, as a worker's thread has it."""
        made: Any = kinds()[self.kind].make(self.checked(**changes), self.surroundings)()
        return made

    def check(self, **changes: Any) -> list[str]:
        """What the kind's check finds."""
        return list(kinds()[self.kind].check(self.checked(**changes), self.surroundings))


def file(path: str = "job-1/statement.pdf", content: bytes = b"%PDF-1.7 a statement") -> File:
    return File(path, content, "application/pdf", sha256(content).hexdigest())


def files(*of: File, email_id: int = 17, gen: int = 1) -> Files:
    return Files(email_id, gen, of or (file(),))


def below(root: Path) -> dict[str, bytes]:
    """Each file by its path."""
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def write_below(root: Path) -> Callable[[str, bytes], None]:
    def place(path: str, content: bytes) -> None:
        (root / path).parent.mkdir(parents=True, exist_ok=True, mode=0o777)
        (root / path).parent.chmod(0o777)
        (root / path).write_bytes(content)

    return place


def s3_client(endpoint_url: str) -> Any:
    return KindSurroundings().aws("s3", region=REGION, endpoint_url=endpoint_url, s3={"addressing_style": "path"})


@contextmanager
def bucket(endpoint_url: str, port: int) -> Iterator[FileStore]:
    """An empty bucket of an emulator."""
    client = s3_client(endpoint_url)
    client.create_bucket(Bucket=BUCKET)

    def arrived() -> dict[str, bytes]:
        keys = [found["Key"] for found in client.list_objects_v2(Bucket=BUCKET).get("Contents", ())]
        return {key: client.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys}

    with CuttingProxy(port) as proxy:
        settings = {"bucket": BUCKET, "region": REGION, "endpoint_url": f"http://127.0.0.1:{proxy.port}"}
        yield FileStore(
            "s3",
            settings,
            KindSurroundings(),
            arrived,
            proxy,
            lambda path, content: client.put_object(Bucket=BUCKET, Key=path, Body=content),
            {"beginning": b"HTTP/1.1 200"},  # there is a 100 before it
        )
    for key in arrived():
        client.delete_object(Bucket=BUCKET, Key=key)
    client.delete_bucket(Bucket=BUCKET)


@contextmanager
def moto_bucket() -> Iterator[FileStore]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        with bucket(f"http://{host}:{port}", port) as store:
            yield store
    finally:
        server.stop()


@contextmanager
def ministack_bucket(server: MiniStack) -> Iterator[FileStore]:
    with bucket(server.endpoint_url, server.port) as store:
        yield store


@contextmanager
def sftp_directory(server: OpenSsh) -> Iterator[FileStore]:
    """The root of an sshd, emptied afterwards."""
    with CuttingProxy(server.port) as proxy:
        settings = {
            "host": "127.0.0.1",
            "port": proxy.port,
            "host_key": server.host_key,
            "username": server.user,
            "private_key": "env:KEY",
            "answer_timeout_seconds": 10,
        }
        surroundings = KindSurroundings({"env:KEY": server.private_key, "env:WRONG": "not the password"})
        yield FileStore("sftp", settings, surroundings, lambda: below(server.root), proxy, write_below(server.root))
    _empty(server.root)


@contextmanager
def ftp_directory(directory: Path, *, tls: bool) -> Iterator[FileStore]:
    certificate = make_certificate(directory / "tls", "127.0.0.1") if tls else None
    with FtpServer(certificate) as server, CuttingProxy(server.port) as proxy:
        settings = {
            "host": "127.0.0.1",
            "port": proxy.port,
            "username": USER,
            "password": "env:PASSWORD",
            "answer_timeout_seconds": 10,
            "tls": "explicit" if tls else "none",
            "ca_file": certificate.authority if certificate else None,
        }
        surroundings = KindSurroundings({"env:PASSWORD": PASSWORD, "env:WRONG": "not the password"})
        store = FileStore(
            "ftp",
            settings,
            surroundings,
            lambda: below(server.root),
            proxy,
            write_below(server.root),
            {"after": 2},  # SIZE and RNFR come before RNTO
        )
        store.server = server  # type: ignore[attr-defined]  # for what only FTP can show
        yield store


def _empty(root: Path) -> None:
    root.chmod(0o755)
    for path in sorted(root.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
