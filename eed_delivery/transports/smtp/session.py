"""One SMTP connection, with its bytes, replies and deadlines. It knows the protocol, and nothing of emails or
policies.

smtplib is not used, for four reasons. It reads a reply of any number of lines, and keeps one timeout for every step. It
cannot say whether unrequested bytes are waiting, and writes the content and the final dot in one call. Each
of the four decides here whether an email is in doubt.
"""

import base64
import math
import select
import socket
import ssl
import time
from collections.abc import Callable, Mapping, Sequence

from eed_delivery.transports.smtp.replies import BadReply, Reply, continues, parse

MAX_REPLY_BYTES = 65_536  # RFC 5321, 4.5.3.1.5 allows 512 a line; a server that talks on is broken or hostile
_READ_BYTES = 4096  # a reply is one short line, nearly always
_WOULD_WAIT = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
CLOSED = "the server closed the connection"
ENDLESS = "the server's reply does not end"
NOT_ASKED = "the server sent a reply without a command"


class ConnectionLost(Exception):
    """The connection is of no use any more (closed, reset, timed out, or out of step)."""


class Closed(ConnectionLost):
    """The server closed or reset the connection while its reply was awaited."""


class Unsent(ConnectionLost):
    """The connection was lost, and the kernel took none of the bytes that were to go."""


class SmtpSession:
    """A connected socket, in step, so that every command has had its whole answer.

    `in_step` is False from the moment a command leaves until its answer has been read, and of several that left
    together, until all have. A session that is out of step must not be used again, because a late answer would be taken
    for the answer to something else.

    The socket itself never waits. With a timeout of its own Python would ask the kernel twice more for each
    read and write, and start the timeout anew each time. We wait where there is nothing to do, until a deadline.
    """

    def __init__(self, sock: socket.socket) -> None:
        # The dot is a small write after a large one: with Nagle it would wait for the peer's delayed ACK
        # (40 ms).
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)
        self._socket = sock
        self._incoming = select.poll()  # `select` cannot wait for a descriptor above 1023
        self._incoming.register(sock, select.POLLIN)
        self._deciphered: Callable[[], int] = int  # bytes that do not show on the socket: none without TLS
        self._buffer = b""
        self.extensions: Mapping[str, str] = {}
        self.in_step = True

    @classmethod
    def connect(cls, host: str, port: int, timeout: float) -> "SmtpSession":
        """Open a TCP connection. Raises OSError. `timeout` (seconds) holds for each address of the host."""
        return cls(socket.create_connection((host, port), timeout))

    @property
    def local_address(self) -> str:
        """Our end, as an SMTP address literal (RFC 5321, 4.1.3)."""
        address = self._socket.getsockname()[0]
        return f"[IPv6:{address}]" if ":" in address else f"[{address}]"

    def wrap(self, context: ssl.SSLContext, host: str, timeout: float) -> None:
        """Start TLS, with the certificate and `host` checked by `context`.

        Raises OSError (ssl.SSLError is one), and ConnectionLost if the server sent something in the clear before. Text
        injected there would be read as if TLS had protected it (CVE-2011-0411).
        """
        if self._buffer:
            raise ConnectionLost("the server sent more than its answer to STARTTLS")
        self._socket.settimeout(timeout)
        secure = context.wrap_socket(self._socket, server_hostname=host)  # it keeps the descriptor
        secure.setblocking(False)
        self._socket, self._deciphered = secure, secure.pending

    def command(self, line: str, timeout: float) -> Reply:
        """Send one command and read its whole answer. Raises ConnectionLost."""
        self._write_commands([line], timeout)
        return self.reply(timeout)

    def exchange(self, lines: Sequence[str], timeout: float) -> tuple[int, Reply | ConnectionLost]:
        """Send commands, of which each is to be sent only if those before it were answered by 2yz.

        Where the server offers PIPELINING they leave in one write all the same, and the answers are read after it (RFC
        2920, 3.1). Only for commands that do no harm after a refusal (RSET, MAIL, RCPT).
        `timeout` (seconds) holds for each answer.

        Returns which command decided, counted from 0, and how. That is the first answer that is not 2yz, or the loss of
        the connection while that command's answer was awaited. Otherwise it is the last answer.
        """
        groups = [lines] if "PIPELINING" in self.extensions else [[line] for line in lines]
        done = 0
        try:
            for group in groups:
                self._write_commands(group, timeout)
                for to_come in reversed(range(len(group))):
                    reply = self._reply_of_many(to_come, timeout)
                    if not reply.positive:
                        self._pass_over(to_come, timeout)
                        return done, reply
                    done += 1
        except ConnectionLost as e:
            return done, e
        # An answer too many among these has been read as another one's; what follows it shows that.
        return done - 1, self._out_of_step(NOT_ASKED) if self._buffer else reply

    def _write_commands(self, lines: Sequence[str], timeout: float) -> None:
        unasked = self.unasked()
        if unasked is not None:
            # Nothing may be waiting when a command leaves: it would be read as the answer to it.
            raise self._out_of_step(NOT_ASKED if unasked else CLOSED)
        self.in_step = False
        self.write("\r\n".join([*lines, ""]).encode(), timeout)

    def _out_of_step(self, why: str) -> ConnectionLost:
        self.in_step = False
        return ConnectionLost(why)

    def _reply_of_many(self, to_come: int, timeout: float) -> Reply:
        """The next answer, after which `to_come` more must come."""
        reply = self.reply(timeout)
        self.in_step = to_come == 0
        return reply

    def _pass_over(self, to_come: int, timeout: float) -> None:
        """Read the answers to commands that left together with one that was refused. They mean nothing, but
        the session is of use again only when they have been read."""
        try:
            for left in reversed(range(to_come)):
                self._reply_of_many(left, timeout)
        except ConnectionLost:
            pass  # what counts is the refusal; the session stays out of step

    def ehlo(self, name: str, timeout: float) -> Reply:
        """Say EHLO, and keep what the server offers in `extensions` (keyword in capitals → parameters)."""
        reply = self.command(f"EHLO {name}", timeout)
        lines = reply.lines[1:] if reply.code == 250 else ()
        offered = (line.decode("ascii", "replace").partition(" ") for line in lines)
        self.extensions = {keyword.upper(): rest.strip() for keyword, _, rest in offered}
        return reply

    def helo(self, name: str, timeout: float) -> Reply:
        """HELO, for a server that does not know EHLO. It offers no extensions (RFC 5321, 4.1.1.1)."""
        return self.command(f"HELO {name}", timeout)

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

        Raises Unsent if the kernel refused it outright (the connection is known to be gone), else ConnectionLost. Then
        part of it, or with TLS all of it, may be on its way.
        """
        deadline = time.monotonic() + timeout
        try:
            sent = self._send(data, deadline)
            while sent < len(data):
                sent += self._send(memoryview(data)[sent:], deadline)
        except (BrokenPipeError, ConnectionResetError) as e:
            # EPIPE and ECONNRESET come from the write call itself: this block was not taken. What went
            # before it has no end, so the server has nothing that is complete.
            raise Unsent(_why(e)) from e
        except OSError as e:
            raise ConnectionLost(_why(e)) from e

    def _send(self, data: bytes | memoryview, deadline: float) -> int:
        while True:
            try:
                return self._socket.send(data)
            except ssl.SSLWantReadError:  # with TLS a write may have to read first: a key update
                self._await_incoming(deadline)
            except _WOULD_WAIT:
                outgoing = select.poll()
                outgoing.register(self._socket, select.POLLOUT)
                if not outgoing.poll(_left(deadline)):
                    raise TimeoutError("timed out") from None

    def reply(self, timeout: float) -> Reply:
        """Read one whole reply. `timeout` (seconds) is for all of it, so that no server can keep us by
        trickling.

        Raises ConnectionLost, also for what is not a reply.
        """
        deadline = time.monotonic() + timeout
        lines: list[bytes] = []
        size = 0
        try:
            while not lines or (lines[-1][3:4] == b"-" and continues(lines[-1])):
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
        while True:
            line, found, rest = self._buffer.partition(b"\n")
            if found:
                self._buffer = rest
                return line.removesuffix(b"\r")
            if len(line) > MAX_REPLY_BYTES:
                raise ConnectionLost(ENDLESS)
            self._receive(deadline)

    def _receive(self, deadline: float) -> None:
        """Wait for bytes, and put them into the buffer. None may have come, because a TLS 1.3 session ticket makes the
        socket readable, too."""
        try:
            self._await_incoming(deadline)
            data = self._socket.recv(_READ_BYTES)
        except _WOULD_WAIT:  # it was nothing for us
            return
        except ConnectionResetError as e:
            raise Closed(_why(e)) from e
        except OSError as e:
            raise ConnectionLost(_why(e)) from e
        if not data:
            raise Closed(CLOSED)
        self._buffer += data

    def _await_incoming(self, deadline: float) -> None:
        if not self._is_readable(_left(deadline)):
            raise TimeoutError("timed out")

    def _is_readable(self, milliseconds: int) -> bool:
        """Whether a read may find something now or within this time. Asking costs a tenth of a read in vain."""
        return self._deciphered() > 0 or bool(self._incoming.poll(milliseconds))

    def unasked(self) -> bytes | None:
        """What the server has sent without being asked, up to now. It is bytes, b"" for a closed connection, or None
        for nothing."""
        if self._buffer:
            return self._buffer
        try:
            if not self._is_readable(0):
                return None
            self._buffer = self._socket.recv(_READ_BYTES)
        except _WOULD_WAIT:
            return None
        except OSError:
            return b""
        return self._buffer

    def quit(self, timeout: float) -> None:
        """Say QUIT and close. Never raises, because an error here changes nothing."""
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


def _left(deadline: float) -> int:
    """Milliseconds. Raises TimeoutError if there are none."""
    milliseconds = math.ceil((deadline - time.monotonic()) * 1000)
    if milliseconds <= 0:
        raise TimeoutError("timed out")
    return milliseconds


def _why(error: OSError) -> str:
    return "timed out" if isinstance(error, TimeoutError) else (error.strerror or str(error))
