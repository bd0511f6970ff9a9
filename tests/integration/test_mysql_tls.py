"""TLS to the database: a real server with a certificate, and a man in the middle who takes the offer of TLS away."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from eed_delivery.checks.server import server_findings
from eed_delivery.config import DatabaseSettings
from eed_delivery.database.engine import make_engine
from eed_delivery.database.transactions import Database
from eed_delivery.errors import DatabaseGone
from tests.servers.certificates import Certificate, make_certificate
from tests.servers.database_server import DatabaseServer, NewDatabaseServer

pytestmark = pytest.mark.both_databases

SECRET = "IBAN DE00 1234"
# It leads to this host, and is no loopback address: the service takes it for another host.
OTHER_HOST = "0.0.0.0"
TLS_OFFERED = 0x0800  # https://dev.mysql.com/doc/dev/mysql-server/latest/group__group__cs__capabilities__flags.html


class ManInTheMiddle:
    """Passes a connection on, without the offer of TLS in the server's greeting, and keeps what passes by."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.seen = bytearray()
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._to))
                server_greets = self._without_tls(server.recv(65_536))
                client.sendall(server_greets)
                for source, target in ((client, server), (server, client)):
                    threading.Thread(target=self._pass_on, args=(source, target), daemon=True).start()

    @staticmethod
    def _without_tls(greeting: bytes) -> bytes:
        at = greeting.index(b"\0", 5) + 1 + 4 + 8 + 1  # protocol and version, thread, the first part of the salt
        flags = struct.unpack_from("<H", greeting, at)[0] & ~TLS_OFFERED
        return greeting[:at] + struct.pack("<H", flags) + greeting[at + 2 :]

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                self.seen += data
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"), OTHER_HOST)


@pytest.fixture(scope="module")
def server(certificate: Certificate, new_database_server: NewDatabaseServer) -> Iterator[DatabaseServer]:
    options = (
        f"--ssl-ca={certificate.authority}",
        f"--ssl-cert={certificate.certificate}",
        f"--ssl-key={certificate.key}",
        "--tls-version=TLSv1.2,TLSv1.3",
    )
    with new_database_server(options) as server:
        server.create_database("eed")
        server.execute("CREATE TABLE kept (v TEXT)", f"INSERT INTO kept VALUES ('{SECRET}')", database="eed")
        yield server


@pytest.fixture
def between(server: DatabaseServer) -> Iterator[ManInTheMiddle]:
    with closing(ManInTheMiddle(server.port)) as between:
        yield between


def settings(
    server: DatabaseServer, port: int, query: str = "", ca_file: Path | None = None, host: str = OTHER_HOST
) -> DatabaseSettings:
    scheme = "jdbc:mysql" if "sslMode" in query or "SSL" in query else "mysql+pymysql"
    url = f"{scheme}://{server.user}:{server.password}@{host}:{port}/eed{query}"
    return DatabaseSettings(url=SecretStr(url), ca_file=ca_file, connect_timeout_seconds=5, read_timeout_seconds=5)


def read(settings: DatabaseSettings) -> str:
    with closing(Database(make_engine(settings.sqlalchemy_url(), connections=1))) as database:
        return database.run(lambda c: str(c.execute(text("SELECT v FROM kept")).scalar_one()))


def tls_finding(settings: DatabaseSettings) -> tuple[str, str]:
    with closing(Database(make_engine(settings.sqlalchemy_url(), connections=1))) as database:
        findings = database.run(lambda c: list(server_findings(c)))
    (found,) = [finding for finding in findings if finding.where == "database TLS"]
    return found.level, found.what


@pytest.mark.parametrize(
    "query", ["", "?sslMode=PREFERRED", "?sslMode=REQUIRED", "?sslMode=VERIFY_IDENTITY", "?useSSL=true"]
)
def test_without_the_offer_of_tls_nothing_passes(server: DatabaseServer, between: ManInTheMiddle, query: str) -> None:
    with pytest.raises(DatabaseGone, match="SSL is required"):
        read(settings(server, between.port, query))
    assert server.user.encode() not in between.seen
    assert SECRET.encode() not in between.seen


def test_a_ca_file_is_never_done_without(
    server: DatabaseServer, between: ManInTheMiddle, certificate: Certificate
) -> None:
    for host in (OTHER_HOST, "127.0.0.1"):
        with pytest.raises(DatabaseGone, match="SSL is required"):
            read(settings(server, between.port, ca_file=certificate.authority, host=host))
    assert SECRET.encode() not in between.seen


@pytest.mark.parametrize("query", ["", "?sslMode=PREFERRED", "?sslMode=VERIFY_IDENTITY", "?ssl_verify_cert=true"])
def test_another_host_must_show_a_certificate_of_a_known_ca(server: DatabaseServer, query: str) -> None:
    with pytest.raises(DatabaseGone, match="CERTIFICATE_VERIFY_FAILED"):
        read(settings(server, server.port, query))


def test_with_its_ca_the_certificate_and_the_name_are_verified(
    server: DatabaseServer, certificate: Certificate
) -> None:
    sound = settings(server, server.port, ca_file=certificate.authority)
    assert read(sound) == SECRET
    level, what = tls_finding(sound)
    assert level == "ok"
    assert what.startswith("TLSv1.3, TLS_")
    assert what.endswith("certificate and name are verified")
    with pytest.raises(DatabaseGone, match="IP address mismatch"):
        read(settings(server, server.port, ca_file=certificate.authority, host="127.0.0.1"))


def test_a_certificate_without_its_name(server: DatabaseServer, certificate: Certificate) -> None:
    loose = settings(server, server.port, "?sslMode=VERIFY_CA", certificate.authority, host="127.0.0.1")
    assert read(loose) == SECRET
    assert tls_finding(loose)[1].endswith("its name is not")
    url = f"?ssl_ca={certificate.authority}"
    assert read(settings(server, server.port, url)) == SECRET
    assert read(settings(server, server.port, f"{url}&ssl_check_hostname=false", host="127.0.0.1")) == SECRET


def test_what_check_says_of_less(server: DatabaseServer) -> None:
    level, what = tls_finding(settings(server, server.port, "?sslMode=REQUIRED"))
    assert (level, what.endswith("the server's certificate is not verified")) == ("warning", True)
    level, what = tls_finding(settings(server, server.port, "?useSSL=false"))
    assert (level, what) == ("warning", "no TLS, so statements and data can be read on the network")
    level, what = tls_finding(settings(server, server.port, "?ssl_disabled=true", host="127.0.0.1"))
    assert (level, what) == ("ok", "no TLS, on this host only")
