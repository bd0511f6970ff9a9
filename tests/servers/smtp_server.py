"""A mail server that does what it is told, right or wrong. For tests of the transport and of whole runs.

    with SmtpServer() as server:
        server.on("RCPT", Say("550 5.1.1 no such user"), recipient="nobody@example.com")
        server.on("dot", Accept(then=Close()), times=1)       # it takes the message, and nobody hears of it
        ...
        server.received                                       # every message it took, in order

    dice = random.Random(7)
    drops = server.on("MAIL", Reset(), when=lambda recipient: dice.random() < 0.03)
    drops.struck                                          # to whom it happened, one entry each time

Phases: connect, EHLO, HELO, STARTTLS, handshake, AUTH, MAIL, RCPT, DATA, content, dot, RSET, NOOP, QUIT.
Without a rule it is a plain, friendly server, which offers PIPELINING as nearly all do; `extensions=ONE_BY_ONE` makes
one that does not. (aiosmtpd is the independent one in the contract tests; it cannot reset at a byte, hang, or talk
nonsense.)
"""

import base64
import re
import socket
import ssl
import struct
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType

from tests.servers.certificates import Certificate

_RESET = struct.pack("ii", 1, 0)
_ADDRESS = re.compile(r"<(.*)>")
ONE_BY_ONE = ("SIZE 52428800", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES")
PIPELINING = (*ONE_BY_ONE, "PIPELINING")


@dataclass(frozen=True)
class Say:
    """Answer with these lines instead of the friendly answer, then do `then`."""

    text: str | bytes
    then: "Action | None" = None


@dataclass(frozen=True)
class SayEach:
    """Answer each recipient in words of its own ("" where the recipient is not known yet), then do `then`."""

    words: Callable[[str], str]
    then: "Action | None" = None


@dataclass(frozen=True)
class Accept:
    """At the dot: take the message (it is in `received`), say nothing, then do `then`."""

    then: "Action | None" = None


@dataclass(frozen=True)
class Close:
    """Close the connection (FIN)."""


@dataclass(frozen=True)
class Reset:
    """Reset the connection (RST)."""


@dataclass(frozen=True)
class Hang:
    """Answer nothing until `server.release()` or the end; then close."""


@dataclass(frozen=True)
class Drip:
    """A tarpit: one byte of `data` every so many seconds, until `server.release()`; then close."""

    data: bytes
    every_seconds: float


Action = Say | SayEach | Accept | Close | Reset | Hang | Drip


@dataclass(frozen=True)
class Received:
    """A message the server took."""

    sender: str
    recipient: str
    content: bytes
    connection: int
    mail_parameters: str = ""


@dataclass
class Rule:
    """An action for a phase; for one recipient, after some bytes of the content, a number of times, if `when` agrees.

    `struck`: the recipient ("" where it is not known yet) of each time it was followed.
    """

    phase: str
    action: Action
    recipient: str | None = None
    times: int | None = None
    after_bytes: int = 0
    when: Callable[[str], bool] | None = None
    struck: list[str] = field(default_factory=list)

    def fits(self, recipient: str, content_bytes: int) -> bool:
        """Whether it is to be followed now. `when` is asked last, and only where everything else fits."""
        if self.times is not None and len(self.struck) >= self.times:
            return False
        if content_bytes < self.after_bytes or self.recipient not in (None, recipient):
            return False
        return self.when is None or self.when(recipient)


@dataclass
class _Gone(Exception):
    """The connection is over."""

    reset: bool = False


class SmtpServer:
    """Listens on 127.0.0.1 on a free port, with a thread for each connection."""

    host = "127.0.0.1"

    def __init__(
        self,
        *,
        tls: str = "none",  # none, starttls, implicit
        certificate: Certificate | None = None,
        login: tuple[str, str] | None = None,
        extensions: Sequence[str] = PIPELINING,
        on_message: Callable[[Received], None] | None = None,
        port: int = 0,
    ) -> None:
        """`on_message` is called, in the connection's thread, before the dot is answered (a sink can fsync there)."""
        self.tls, self.login, self.extensions, self.on_message = tls, login, tuple(extensions), on_message
        self.context = certificate.server_context() if certificate else None
        self.received: list[Received] = []
        self.commands: list[tuple[int, str]] = []  # (connection, line), in order
        self.connections = 0
        self.changed = threading.Condition()
        self.released = threading.Event()
        self._rules: defaultdict[str, list[Rule]] = defaultdict(list)  # by phase
        self._listener = socket.create_server((self.host, port))
        self.port: int = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []

    def on(
        self,
        phase: str,
        action: Action,
        *,
        recipient: str | None = None,
        times: int | None = None,
        after_bytes: int = 0,
        when: Callable[[str], bool] | None = None,
    ) -> Rule:
        """Add a rule. The first one that fits is used, `times` times (None: always).

        `when` is asked with the recipient, by one connection at a time: it may roll a seeded die.
        """
        rule = Rule(phase, action, recipient, times, after_bytes, when)
        with self.changed:
            self._rules[phase].append(rule)
        return rule

    def forget(self) -> None:
        """Drop all rules: be friendly again."""
        with self.changed:
            self._rules.clear()

    def release(self) -> None:
        """Let everything that hangs go on (to its end)."""
        self.released.set()

    def wait_for(self, fits: Callable[["SmtpServer"], bool], seconds: float = 60) -> None:
        """Wait until `fits(server)`, which is asked at every command and message."""
        with self.changed:
            if not self.changed.wait_for(lambda: fits(self), seconds):
                raise AssertionError(f"it did not come to it in {seconds} s; commands: {self.commands[-20:]}")

    def __enter__(self) -> "SmtpServer":
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End every connection, and refuse new ones."""
        self.released.set()
        _shut(self._listener)
        with self.changed:
            for connection in self._open:
                _shut(connection, close=False)
        for thread in (self._thread, *self._threads):
            thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with suppress(OSError):  # the client may have gone
                # as mail servers do: the second of two replies would wait 40 ms for the first one's acknowledgement
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.changed:
                self.connections += 1
                number = self.connections
                self._open.add(connection)
            thread = threading.Thread(target=self._serve, args=(connection, number), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        dialogue = _Dialogue(self, connection, number)
        try:
            dialogue.run()
        except _Gone as gone:
            if gone.reset:
                dialogue.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        except OSError:
            pass  # the client went away, as many tests want it to
        finally:
            with self.changed:
                self._open.discard(connection)
            dialogue.socket.close()
            connection.close()

    def rule(self, phase: str, recipient: str = "", content_bytes: int = 0) -> Rule | None:
        """The rule to follow now, used up by one."""
        with self.changed:
            found = next((rule for rule in self._rules[phase] if rule.fits(recipient, content_bytes)), None)
            if found:
                found.struck.append(recipient)
        return found

    def note_command(self, number: int, line: str) -> None:
        """For `commands`."""
        with self.changed:
            self.commands.append((number, line))
            self.changed.notify_all()

    def take(self, message: Received) -> None:
        """For `received`."""
        if self.on_message:
            self.on_message(message)
        with self.changed:
            self.received.append(message)
            self.changed.notify_all()


@dataclass
class _Dialogue:
    """One connection."""

    server: SmtpServer
    socket: socket.socket
    number: int
    buffer: bytearray = field(default_factory=bytearray)
    secure: bool = False
    sender: str = ""
    parameters: str = ""
    recipient: str = ""
    begun: bool = False  # MAIL was not refused

    def run(self) -> None:
        if self.server.tls == "implicit":
            self._handshake()
        self._answer("connect", "220 mail.example ESMTP")
        while True:
            line = self._line().decode("utf-8", "replace")
            self.server.note_command(self.number, line)
            self._command(line)

    def _command(self, line: str) -> None:
        verb = line.split(" ", 1)[0].split(":", 1)[0].upper()
        match verb:
            case "EHLO":
                self._answer("EHLO", self._greeting())
            case "HELO":
                self._answer("HELO", "250 mail.example")
            case "STARTTLS":
                self._answer("STARTTLS", "220 go ahead")
                self._handshake()
            case "AUTH":
                self._log_in(line)
            case "MAIL":
                self.recipient = ""  # of this transaction nobody knows it yet
                self.sender, self.parameters = _ADDRESS.findall(line)[0], line.rpartition(">")[2].strip()
                self.begun = self._answer("MAIL", "250 2.1.0 ok") in ("2", "")
            case "RCPT" if not self.begun:  # sent together with a MAIL that was refused: no rule is about it
                self._send("503 5.5.1 MAIL first")
            case "RCPT":
                self.recipient = _ADDRESS.findall(line)[0]
                self._answer("RCPT", "250 2.1.5 ok")
            case "DATA":
                if self._answer("DATA", "354 go on") == "3":
                    self._data()
            case "QUIT":
                self._answer("QUIT", "221 bye")
                raise _Gone
            case _:
                self._answer(verb, "250 ok" if verb in ("RSET", "NOOP") else "500 what?")

    def _greeting(self) -> str:
        offers = list(self.server.extensions)
        if self.server.tls == "starttls" and not self.secure:
            offers.append("STARTTLS")
        if self.server.login and not any(offer.startswith("AUTH") for offer in offers):
            offers.append("AUTH PLAIN LOGIN")
        lines = ["mail.example", *offers]
        return "\r\n".join(f"250{' ' if i == len(lines) - 1 else '-'}{line}" for i, line in enumerate(lines))

    def _handshake(self) -> None:
        if rule := self.server.rule("handshake"):
            self._act(rule.action)
            raise _Gone
        if self.server.context is None:
            raise AssertionError("TLS needs a certificate")
        try:
            self.socket = self.server.context.wrap_socket(self.socket, server_side=True)
        except ssl.SSLError as e:
            raise _Gone from e
        self.secure = True

    def _log_in(self, line: str) -> None:
        _, mechanism, *initial = line.split(" ")
        if mechanism == "PLAIN":
            _, user, password = base64.b64decode(initial[0]).decode().split("\0")
        else:
            self._send("334 VXNlcm5hbWU6")
            user = base64.b64decode(self._line()).decode()
            self._send("334 UGFzc3dvcmQ6")
            password = base64.b64decode(self._line()).decode()
        right = (user, password) == self.server.login
        self._answer("AUTH", "235 2.7.0 welcome" if right else "535 5.7.8 bad credentials")

    def _data(self) -> None:
        content = self._content()
        message = Received(self.sender, self.recipient, content, self.number, self.parameters)
        rule = self.server.rule("dot", self.recipient)
        action = self._in_words(rule.action) if rule else None
        if action is None or _takes(action):
            self.server.take(message)
        if action is None:
            self._send(f"250 2.0.0 Ok: queued as {len(self.server.received):X}ABC")
        else:
            self._act(action)

    def _content(self) -> bytes:
        """What comes before the dot, unstuffed. Not line by line: load tests send hundreds of megabytes."""
        searched = 0
        self.buffer[:0] = b"\r\n"  # so that a dot in the first line looks like any other
        while (end := self.buffer.find(b"\r\n.\r\n", searched)) < 0:
            searched = max(0, len(self.buffer) - 4)
            if rule := self.server.rule("content", self.recipient, len(self.buffer) - 2):
                self._act(rule.action)
            self._receive()
        content = bytes(self.buffer[: end + 2]).replace(b"\r\n.", b"\r\n")[2:]
        del self.buffer[: end + 5]
        return content

    def _answer(self, phase: str, friendly: str) -> str:
        """Say the friendly answer, or do what the rule says. Returns the first digit of what was said, or ""."""
        rule = self.server.rule(phase, self.recipient)
        if rule is None:
            self._send(friendly)
            return friendly[0]
        action = self._in_words(rule.action)
        self._act(action)
        said = action.text if isinstance(action, Say) else ""
        return (said if isinstance(said, str) else said.decode("ascii", "replace"))[:1]

    def _in_words(self, action: Action) -> Action:
        """With the words for this recipient, where each has its own."""
        return Say(action.words(self.recipient), action.then) if isinstance(action, SayEach) else action

    def _act(self, action: Action | None) -> None:
        match action:
            case SayEach():
                self._act(self._in_words(action))
            case Say(text, then):
                self._send(text)
                self._act(then)
            case Accept(then):
                self._act(then)
            case Close():
                raise _Gone
            case Reset():
                raise _Gone(reset=True)
            case Hang():
                self.server.released.wait()
                raise _Gone
            case Drip(data, seconds):
                for byte in data:
                    self.socket.sendall(bytes([byte]))
                    if self.server.released.wait(seconds):
                        break
                raise _Gone

    def _send(self, text: str | bytes) -> None:
        self.socket.sendall(text if isinstance(text, bytes) else text.encode() + b"\r\n")

    def _receive(self) -> None:
        data = self.socket.recv(65536)
        if not data:
            raise _Gone
        self.buffer += data

    def _line(self) -> bytes:
        while b"\n" not in self.buffer:
            self._receive()
        end = self.buffer.index(b"\n") + 1
        line = bytes(self.buffer[:end])
        del self.buffer[:end]
        return line.rstrip(b"\r\n")


def _takes(action: Action) -> bool:
    """Whether a message answered so counts as taken: Accept, or a 2yz."""
    if isinstance(action, Accept):
        return True
    return isinstance(action, Say) and action.text[:1] in ("2", b"2")


def _shut(connection: socket.socket, *, close: bool = True) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # it was not connected any more
    finally:
        if close:
            connection.close()
