"""A private FTP server by pyftpdlib, with TLS, on 127.0.0.1.

    with FtpServer(certificate) as server:
        server.root, server.port
        server.may("elr")                 # what its user may do, in pyftpdlib's letters
        server.cut_uploads_after = 100_000       # bytes
        server.forget_uploads_after = 100_000    # says that all is stored, and keeps no more

Without a certificate it speaks plain FTP. With one it wants data connections that resume the TLS session of the
commands, as vsftpd does by default (require_ssl_reuse).
"""

import logging
import shutil
import threading
from types import TracebackType
from typing import Any

from OpenSSL import SSL
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import DTPHandler, FTPHandler, TLS_DTPHandler, TLS_FTPHandler
from pyftpdlib.ioloop import IOLoop
from pyftpdlib.servers import FTPServer as _PyFtpServer

from tests.servers import temporary_directory
from tests.servers.certificates import Certificate

logging.getLogger("pyftpdlib").addHandler(logging.NullHandler())  # else it writes each command to stderr
ALL_RIGHTS = "elradfmwMT"
USER, PASSWORD = "partner", "a password for tests"


class _Resumed(TLS_DTPHandler):  # type: ignore[misc]
    """A data connection that must resume the session of the commands: pyOpenSSL has no public way to ask for that."""

    def handle_ssl_established(self) -> None:
        if not SSL._lib.SSL_session_reused(self.socket._ssl):
            self.cmd_channel.respond("522 SSL connection failed: session reuse required")
            self.close()
        else:
            super().handle_ssl_established()


class FtpServer:
    """Listens from `with` on, in a thread."""

    def __init__(self, certificate: Certificate | None = None) -> None:
        self.cut_uploads_after: int | None = None
        self.forget_uploads_after: int | None = None
        self.directory = temporary_directory("ftp")
        self.root = self.directory / "root"
        self.root.mkdir()
        self._authorizer = DummyAuthorizer()
        self._authorizer.add_user(USER, PASSWORD, str(self.root), perm=ALL_RIGHTS)
        self._handler = self._handler_with(certificate)
        self._open: list[Any] = []
        self._listen(0)

    @property
    def port(self) -> int:
        return int(self._port)

    def __enter__(self) -> "FtpServer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def speak_latin(self) -> None:
        """Greet in Latin-1, before and after the login."""
        self._handler.encoding = "latin-1"
        self._handler.banner = self._authorizer.user_table[USER]["msg_login"] = "Grüß Gott"

    def may(self, rights: str) -> None:
        """From the next login on."""
        self._authorizer.user_table[USER]["perm"] = rights

    def stop(self) -> None:
        """End it with all of its connections."""
        if self._thread is not None:
            self._stopping.set()
            self._thread.join(20)
            self._thread = None

    def start(self) -> None:
        """Start it again after `stop`, on the same port."""
        self._listen(self._port)

    def disconnect(self) -> None:
        """End its connections, and go on listening."""
        self.stop()
        self.start()

    @staticmethod
    def is_beyond(limit: int | None, connection: Any) -> bool:
        """Whether a data connection has got more bytes than a limit."""
        return limit is not None and connection.get_transmitted_bytes() > limit

    def _listen(self, port: int) -> None:
        self._server = _PyFtpServer(("127.0.0.1", port), self._handler, ioloop=IOLoop())  # else all servers share one
        self._port = self._server.address[1]
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while not self._stopping.is_set():
            self._server.ioloop.loop(timeout=0.02, blocking=False)
        self._server.close_all()

    def _handler_with(self, certificate: Certificate | None) -> type[Any]:
        server = self

        class Uploads:
            """Mixed into a data connection: what goes wrong with uploads."""

            def handle_read_event(self: Any) -> None:
                super().handle_read_event()  # type: ignore[misc]
                if server.is_beyond(server.cut_uploads_after, self):
                    self.cmd_channel.close()
                if server.is_beyond(server.forget_uploads_after, self):
                    self._data_wrapper = lambda _: b""

        if certificate is None:
            plain = type("_PlainUploads", (Uploads, DTPHandler), {})
            return type("_Plain", (FTPHandler,), {"authorizer": self._authorizer, "dtp_handler": plain})
        combined = self.directory / "server.pem"
        combined.write_bytes(certificate.certificate.read_bytes() + certificate.key.read_bytes())
        uploads = type("_TlsUploads", (Uploads, _Resumed), {})
        settings = {
            "authorizer": self._authorizer,
            "dtp_handler": uploads,
            "certfile": str(combined),
            "tls_control_required": True,
            "tls_data_required": True,
        }
        return type("_Tls", (TLS_FTPHandler,), settings)
