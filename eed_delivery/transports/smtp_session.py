"""One SMTP connection: bytes, replies and deadlines. It knows the protocol, and nothing of emails or
policies.

Why not smtplib: it reads a reply of any number of lines, keeps one timeout for every step, cannot say
whether bytes are waiting that nobody asked for, and writes the content and the final dot in one call. Each
of the four decides here whether an email is in doubt.
"""

import base64
import socket
import ssl
import time
from collections.abc import Mapping

from eed_delivery.transports.smtp_replies import BadReply, Reply, continues, parse

MAX_REPLY_BYTES = 65_536  # RFC 5321, 4.5.3.1.5 allows 512 a line; a server that talks on is broken or hostile
_BLOCK = 65_536
CLOSED = "the server closed the connection"
ENDLESS = "the server's reply does not end"


class ConnectionLost(Exception):
    """The connection is of no use any more: closed, reset, timed out, or out of step."""


class Unsent(ConnectionLost):
    """The connection was lost, and the kernel took none of the bytes that were to go."""


class Session:
    """A connected socket, in step: every command has had its whole answer.

    `in_step` is False from the moment a command leaves until its answer has been read. A session that is
    out of step must not be used again: a late answer would be taken for the answer to something else.
    """

    def __init__(self, sock: socket.socket) -> None:
        # The dot is a small write after a large one: with Nagle it would wait for the peer's delayed ACK
        # (40 ms).
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = sock
        self._buffer = bytearray()
        self.extensions: Mapping[str, str] = {}
        self.in_step = True

    @classmethod
    def connect(cls, host: str, port: int, timeout: float) -> "Session":
        """Open a TCP connection. Raises OSError. `timeout` (seconds) holds for each address of the host."""
        return cls(socket.create_connection((host, port), timeout))

    @property
    def local_address(self) -> str:
        """Our end, as an SMTP address literal (RFC 5321, 4.1.3)."""
        address = self._socket.getsockname()[0]
        return f"[IPv6:{address}]" if ":" in address else f"[{address}]"

    def wrap(self, context: ssl.SSLContext, host: str, timeout: float) -> None:
        """Start TLS, with the certificate and `host` checked by `context`.

        Raises OSError (ssl.SSLError is one), and ConnectionLost if the server sent something in the clear
        before: text injected there would be read as if TLS had protected it (CVE-2011-0411).
        """
        if self._buffer:
            raise ConnectionLost("the server sent more than its answer to STARTTLS")
        self._socket.settimeout(timeout)
        self._socket = context.wrap_socket(self._socket, server_hostname=host)

    def command(self, line: str, timeout: float) -> Reply:
        """Send one command and read its whole answer. Raises ConnectionLost."""
        unasked = self.unasked()
        if unasked is not None:
            # Nothing may be waiting when a command leaves: it would be read as the answer to it.
            why = "the server said something that nobody had asked for" if unasked else CLOSED
            self.in_step = False
            raise ConnectionLost(why)
        self.in_step = False
        self.write(line.encode("utf-8") + b"\r\n", timeout)
        return self.reply(timeout)

    def ehlo(self, name: str, timeout: float) -> Reply:
        """EHLO; keeps what the server offers in `extensions`: keyword in capitals → parameters."""
        reply = self.command(f"EHLO {name}", timeout)
        offered = (line.decode("ascii", "replace").partition(" ") for line in reply.lines[1:])
        self.extensions = {keyword.upper(): rest.strip() for keyword, _, rest in offered}
        return reply

    def authenticate(self, username: str, password: str, timeout: float) -> Reply:
        """AUTH PLAIN, or LOGIN where only that is offered (RFC 4954, RFC 4616). Returns the last reply.

        Raises LookupError if neither is offered.
        """
        offered = self.extensions.get("AUTH", "").upper().split()
        if "PLAIN" in offered:
            return self.command("AUTH PLAIN " + _base64(f"\0{username}\0{password}"), timeout)
        if "LOGIN" not in offered:
            raise LookupError("neither AUTH PLAIN nor AUTH LOGIN is offered")
        reply = self.command("AUTH LOGIN", timeout)
        for answer in (username, password):
            if reply.code != 334:
                break
            reply = self.command(_base64(answer), timeout)
        return reply

    def content(self, data: bytes, timeout: float) -> None:
        """Send the content, stuffed and ending in CRLF, without the final dot. Raises Unsent or
        ConnectionLost."""
        self.in_step = False
        self.write(data, timeout)

    def early_reply(self, timeout: float) -> Reply | None:
        """What the server said before the content had ended ("552 too big", say, and then it hung up), if
        anything."""
        try:
            return self.reply(timeout)
        except ConnectionLost:
            return None
        finally:
            self.in_step = False  # it still waits for the rest of the content

    def write(self, data: bytes, timeout: float) -> None:
        """Hand all of `data` to the kernel within `timeout` seconds.

        Raises Unsent if the kernel refused it outright (the connection is known to be gone), else
        ConnectionLost: then part of it, or with TLS all of it, may be on its way.
        """
        deadline = time.monotonic() + timeout
        view = memoryview(data)
        try:
            while view:
                self._socket.settimeout(_left(deadline))
                view = view[self._socket.send(view[:_BLOCK]) :]
        except (BrokenPipeError, ConnectionResetError) as e:
            # EPIPE and ECONNRESET come from the write call itself: this block was not taken. What went
            # before it has no end, so the server has nothing that is complete.
            raise Unsent(_why(e)) from e
        except OSError as e:
            raise ConnectionLost(_why(e)) from e

    def reply(self, timeout: float) -> Reply:
        """Read one whole reply. `timeout` (seconds) is for all of it, so that no server can keep us by
        trickling.

        Raises ConnectionLost; also for what is not a reply.
        """
        deadline = time.monotonic() + timeout
        lines: list[bytes] = []
        size = 0
        try:
            while not lines or continues(lines[-1]):
                lines.append(self._line(deadline))
                size += len(lines[-1])
                if size > MAX_REPLY_BYTES:
                    raise ConnectionLost(ENDLESS)
            reply = parse(lines)
        except BadReply as e:
            raise ConnectionLost(str(e)) from e
        self.in_step = True
        return reply

    def _line(self, deadline: float) -> bytes:
        while (end := self._buffer.find(b"\n")) < 0:
            if len(self._buffer) > MAX_REPLY_BYTES:
                raise ConnectionLost(ENDLESS)
            self._receive(deadline)
        line = bytes(self._buffer[:end]).removesuffix(b"\r")
        del self._buffer[: end + 1]
        return line

    def _receive(self, deadline: float) -> None:
        try:
            self._socket.settimeout(_left(deadline))
            data = self._socket.recv(_BLOCK)
        except OSError as e:
            raise ConnectionLost(_why(e)) from e
        if not data:
            raise ConnectionLost(CLOSED)
        self._buffer += data

    def unasked(self) -> bytes | None:
        """What the server has sent without being asked, up to now: bytes, b"" for a closed connection,
        None for nothing.

        Asks by a read that does not wait. `select` would not do: a TLS 1.3 session ticket makes the socket
        readable without a single byte for us.
        """
        if not self._buffer:
            try:
                self._socket.settimeout(0)
                data = self._socket.recv(_BLOCK)
            except (BlockingIOError, ssl.SSLWantReadError):
                return None
            except OSError:
                return b""
            self._buffer += data
        return bytes(self._buffer)

    def quit(self, timeout: float) -> None:
        """Say QUIT and close. Never raises: whatever goes wrong here changes nothing."""
        try:
            if self.in_step:
                self.command("QUIT", timeout)
        except ConnectionLost:
            pass  # it was to be closed anyway
        finally:
            self.drop()

    def drop(self) -> None:
        """Close at once, without a word."""
        self.in_step = False
        self._socket.close()


def _base64(text: str) -> str:
    return base64.b64encode(text.encode("utf-8")).decode("ascii")


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return left


def _why(error: OSError) -> str:
    return "timed out" if isinstance(error, TimeoutError) else (error.strerror or str(error))
