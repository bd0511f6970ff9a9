"""SMTP over one kept connection to one mail server, and what each of its answers means for the email."""

import re
import ssl
from functools import lru_cache
from pathlib import Path
from typing import NoReturn

from eed_delivery.config import SmtpServer, SmtpSettings
from eed_delivery.errors import (
    ConfigError,
    InDoubt,
    InfrastructureFailure,
    PermanentFailure,
    Problem,
    Throttled,
)
from eed_delivery.model import Accepted, Rendered
from eed_delivery.runtime.idle_time import IdleTime
from eed_delivery.transports import Grant
from eed_delivery.transports.smtp.content import on_the_wire
from eed_delivery.transports.smtp.replies import Phase, Reply, failure
from eed_delivery.transports.smtp.session import Closed, ConnectionLost, SmtpSession, Unsent

QUIT_SECONDS = 2  # for sending QUIT, and again for its answer; `close` must not hold up a shutdown
EARLY_REPLY_SECONDS = 1

_NO_EHLO = frozenset({500, 502, 504})
"""What a server says that does not know EHLO (RFC 5321, 3.2, 4.2.4 and 4.3.2). Others, such as 550, are about us."""
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"(?=@)')  # RFC 5321, 4.1.2: Quoted-string
_NOT_IN_AN_ADDRESS = re.compile(r'[ "<>]')
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def wire_seconds(server: SmtpServer) -> float:
    """DATA (sent and answered), the content, the dot, its answer, and a reply that came too early."""
    return float(3 * server.command_timeout_seconds + 2 * server.data_timeout_seconds + EARLY_REPLY_SECONDS)


class _EhloDropped(Exception):
    """The server does not know EHLO, and this connection is of no use for HELO."""


class SmtpTransport:
    """Sends through one mail server over a connection that is kept between emails. See `Transport` for the
    contract."""

    name = "smtp"

    def __init__(self, settings: SmtpSettings) -> None:
        """Raises ConfigError if the CA file cannot be used. Connects at the first `send` or `probe`, not
        here."""
        self._settings = settings
        self._where = f"{settings.host}:{settings.port}"
        if settings.tls != "none":
            _tls_context(settings.ca_file)  # a wrong file is to be known now
        self._session: SmtpSession | None = None
        self._clean = True  # no transaction has been begun on the session and not ended by a 250
        self._used = 0
        self._idle = IdleTime()
        self.wire_seconds = wire_seconds(settings)

    def send(self, message: Rendered, grant: Grant) -> Accepted:
        """Send one message. See `Transport.send`."""
        _check(message)
        content = on_the_wire(message)
        session = self._begin(message)
        grant()
        # From here to the final dot a failure is a definite no: RFC 5321, 4.1.1.4 lets the server deliver
        # only what was ended by the dot.
        self._start_content(session)
        self._send_content(session, content)
        return self._end_content(session, message)

    def probe(self) -> None:
        """Connect anew, with TLS and AUTH as configured, and ask for a NOOP. See `Transport.probe`."""
        self._drop()
        session = self._open()
        reply = self._ask(session, "NOOP", Phase.NOOP)
        if not reply.positive:
            self._drop()
            error = failure(reply, Phase.NOOP)
            raise (error if isinstance(error, Throttled) else self._broken(f"NOOP was refused: {reply.text}", reply))

    def close(self) -> None:
        """Say QUIT if that is possible, and close. See `Transport.close`."""
        if self._session is not None:
            self._session.quit(QUIT_SECONDS)
            self._session = None

    # Before the wire

    def _begin(self, message: Rendered) -> SmtpSession:
        """A session that has accepted MAIL FROM and RCPT TO.

        A kept connection may have died since (a restart, an idle timeout), or end before the grant. Nothing
        has been granted then, so it is safe to connect anew and ask again, once.
        """
        session = self._kept()
        if session is not None:
            phase, answer = self._name(session, message)
            if not _needs_another_connection(phase, answer):
                return self._expect(session, answer, phase)
            self._drop()
        session = self._open()
        phase, answer = self._name(session, message)
        return self._expect(session, answer, phase)

    def _name(self, session: SmtpSession, message: Rendered) -> tuple[Phase, Reply | ConnectionLost]:
        """Name sender and recipient. Returns the answer that decided, and to what it was one."""
        commands = [
            (Phase.MAIL, _mail_from(message, session)),
            (Phase.RCPT, f"RCPT TO:<{message.recipient}>"),
        ]
        if not self._clean:
            commands.insert(0, (Phase.RSET, "RSET"))
        self._clean = False
        at, answer = session.exchange([line for _, line in commands], self._settings.command_timeout_seconds)
        return commands[at][0], answer

    def _kept(self) -> SmtpSession | None:
        """The open session, if it can take another transaction.

        An idle one was perhaps forgotten on its way. That would put no email in doubt, because MAIL and RCPT are
        answered before the grant. But MAIL would wait for its whole timeout. Servers close idle connections
        themselves after 5 minutes (RFC 5321, 4.5.3.2.7).
        """
        session = self._session
        if session is None:
            return None
        spent = self._used >= self._settings.max_messages_per_connection
        if self._idle.exceeds(self._settings.max_idle_seconds):
            session.quit(0)  # its answer is not waited for, because a forgotten connection brings none
            self._session = None
            return None
        if spent or not session.in_step:
            self.close()
            return None
        return session

    def _open(self) -> SmtpSession:
        """Connect, and go through greeting, TLS, EHLO and AUTH. Raises InfrastructureFailure, which is no email's
        fault, because no email has been named yet."""
        try:
            return self._connect()
        except InfrastructureFailure as e:
            e.for_all = True
            raise

    def _connect(self) -> SmtpSession:
        try:
            return self._connected(extended=True)
        except _EhloDropped:
            # Some servers from before EHLO hang up at it, or take no HELO after it (RFC 1869, 4.7).
            return self._connected(extended=False)

    def _connected(self, *, extended: bool) -> SmtpSession:
        timeout = self._settings.connect_timeout_seconds
        try:
            session = SmtpSession.connect(self._settings.host, self._settings.port, timeout)
        except (OSError, ValueError) as e:  # ValueError: a host that is no name
            raise self._broken(f"cannot connect: {e}. Check [smtp] host and port, and that the server runs") from e
        self._session, self._clean, self._used = session, True, 0
        try:
            self._introduce(session, extended)
        except (OSError, ValueError, ConnectionLost) as e:
            self._drop()
            raise self._broken(f"no usable connection: {e}") from e
        except (InfrastructureFailure, _EhloDropped):
            self._drop()
            raise
        self._idle.used()
        return session

    def _introduce(self, session: SmtpSession, extended: bool) -> None:
        settings, timeout = self._settings, self._settings.command_timeout_seconds
        if settings.tls == "implicit":
            self._start_tls(session)
        self._require(session.reply(timeout), {220}, "the server's greeting")
        name = settings.helo_name or session.local_address
        if extended:
            self._say_ehlo(session, name, timeout)
        else:
            self._require(session.helo(name, timeout), {250}, "HELO, after EHLO had failed")
        if settings.tls == "starttls":
            # Never on in the clear: a third party that can strip STARTTLS from the answer could read it all.
            if "STARTTLS" not in session.extensions:
                raise self._broken("the server does not offer STARTTLS, and [smtp] tls asks for it")
            self._require(session.command("STARTTLS", timeout), {220}, "STARTTLS")
            self._start_tls(session)
            self._require(session.ehlo(name, timeout), {250}, "EHLO after STARTTLS")
        if settings.username:
            self._log_in(session, settings.username)

    def _say_ehlo(self, session: SmtpSession, name: str, timeout: float) -> None:
        """EHLO, or HELO to a server that does not know it. Raises _EhloDropped where that needs a new connection.

        STARTTLS and AUTH are there after EHLO only. Where one of them is asked for there is no way round it. A third
        party that can refuse EHLO in the server's name would read every statement.
        """
        needed = self._settings.tls == "starttls" or self._settings.username
        try:
            reply = session.ehlo(name, timeout)
        except Closed as e:
            if needed:
                raise
            raise _EhloDropped from e
        if needed or reply.code not in _NO_EHLO:
            self._require(reply, {250}, "EHLO")
            return
        try:
            reply = session.helo(name, timeout)
        except ConnectionLost as e:
            raise _EhloDropped from e
        if reply.code != 250:
            raise _EhloDropped

    def _start_tls(self, session: SmtpSession) -> None:
        try:
            settings = self._settings
            session.wrap(_tls_context(settings.ca_file), settings.host, settings.connect_timeout_seconds)
        except OSError as e:
            raise self._broken(
                f"TLS failed: {e}. Check [smtp] tls, that host is a name in the server's certificate, and ca_file"
            ) from e

    def _log_in(self, session: SmtpSession, username: str) -> None:
        secret = self._settings.password
        password = secret.get_secret_value() if secret else ""
        try:
            reply = session.authenticate(username, password, self._settings.command_timeout_seconds)
        except LookupError as e:
            raise self._broken(f"cannot log in: {e.args[0]}") from e
        self._require(reply, {235}, "AUTH. Check [smtp] username and the credential smtp_password")

    # After the grant

    def _start_content(self, session: SmtpSession) -> None:
        reply = self._ask(session, "DATA", Phase.DATA)
        if reply.code != 354:
            self._refuse(reply, Phase.DATA)

    def _send_content(self, session: SmtpSession, content: bytes) -> None:
        """Send everything but the final dot. Whatever ends here is a definite no, because the dot has not
        left."""
        problem = "the server answered before the content had ended"
        try:
            session.content(content, self._settings.data_timeout_seconds)
            if session.unasked() is None:
                return
        except ConnectionLost as e:
            problem = f"the connection was lost while the content was sent: {e}"
        # A server may say why before it hangs up: a "552 too big" is about this email, and would come
        # every time.
        reply = session.early_reply(EARLY_REPLY_SECONDS)
        self._drop()
        if reply is not None and reply.negative:
            raise failure(reply, Phase.CONTENT)
        raise self._broken(problem)

    def _end_content(self, session: SmtpSession, message: Rendered) -> Accepted:
        """Send the dot. It was not sent together with the content, so that we know whether it has left."""
        try:
            session.write(b".\r\n", self._settings.command_timeout_seconds)
            reply = session.reply(self._settings.data_timeout_seconds)
        except Unsent as e:
            self._drop()
            raise self._broken(f"the connection was lost just before the final dot: {e}") from e
        except ConnectionLost as e:
            self._drop()  # a late answer must never be read as the answer to the next email
            raise InDoubt(f"{self._where}: no reply to the final dot: {e}") from e
        if reply.negative:
            self._refuse(reply, Phase.DOT)
        if not reply.positive:
            self._drop()
            problem = f"{self._where}: neither an acceptance nor a refusal after the final dot: {reply.text}"
            raise InDoubt(problem, code=reply.code)
        self._clean = True
        self._idle.used()
        self._used += 1
        return Accepted(reply.text, reply.code, reply.queue_id() or message.message_id)

    # Commands and their answers

    def _expect(self, session: SmtpSession, answer: Reply | ConnectionLost, phase: Phase) -> SmtpSession:
        """The session, if the answer is 2yz."""
        if isinstance(answer, ConnectionLost):
            raise self._lost(answer, phase) from answer
        if not answer.positive:
            self._refuse(answer, phase)
        return session

    def _ask(self, session: SmtpSession, line: str, phase: Phase) -> Reply:
        try:
            return session.command(line, self._settings.command_timeout_seconds)
        except ConnectionLost as e:
            raise self._lost(e, phase) from e

    def _lost(self, error: ConnectionLost, phase: Phase) -> InfrastructureFailure:
        self._drop()
        return self._broken(f"the connection was lost at {phase}: {error}")

    def _refuse(self, reply: Reply, phase: Phase) -> NoReturn:
        if reply.code == 421 or not reply.negative:  # it is closing the connection, or it is confused
            self._drop()
        self._idle.used()
        raise failure(reply, phase)

    def _require(self, reply: Reply, codes: set[int], step: str) -> None:
        if reply.code not in codes:
            raise self._broken(f"refused at {step}: {reply.text}", reply)

    def _broken(self, what: str, reply: Reply | None = None) -> InfrastructureFailure:
        code, enhanced = (reply.code, reply.enhanced) if reply else (None, None)
        return InfrastructureFailure(f"{self._where}: {what}", code=code, enhanced=enhanced)

    def _drop(self) -> None:
        if self._session is not None:
            self._session.drop()
            self._session = None


@lru_cache(maxsize=8)
def _tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """A context that checks the certificate and the host name, against `ca_file` or the system's
    authorities. One for all threads, because reading the authorities takes 20 ms, and a megabyte."""
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as e:
        problem = Problem(
            "smtp.ca_file",
            f"{ca_file} cannot be used: {e}",
            "Name a readable file of PEM certificates.",
        )
        raise ConfigError([problem]) from e


def _check(message: Rendered) -> None:
    """Refuse what would break the protocol, as `on_the_wire` does. The renderer should never make it. If it does,
    nothing must be sent."""
    for address in (message.envelope_sender, message.recipient):
        quoted = _QUOTED.match(address)  # in quotes a bracket or a blank is a part of the name, and ends nothing
        if _CONTROL.search(address) or _NOT_IN_AN_ADDRESS.search(address, quoted.end() if quoted else 0):
            raise PermanentFailure(
                "an envelope address has a control character, or a blank or bracket that is not quoted"
            )


def _needs_another_connection(phase: Phase, answer: Reply | ConnectionLost) -> bool:
    """Whether this kept connection has ended, by itself or by 421, or cannot be cleared of what was begun on it."""
    if isinstance(answer, ConnectionLost) or answer.code == 421:
        return True
    return phase is Phase.RSET  # an answer that decided at RSET is never 2yz


def _mail_from(message: Rendered, session: SmtpSession) -> str:
    """The MAIL command with the extensions this message needs. Raises PermanentFailure if the server lacks
    one."""
    line = f"MAIL FROM:<{message.envelope_sender}>"
    if "SIZE" in session.extensions:
        _check_size(len(message.content), session.extensions["SIZE"])
        line += f" SIZE={len(message.content)}"  # RFC 1870: without the stuffing and the final dot
    addresses_ascii = message.envelope_sender.isascii() and message.recipient.isascii()
    utf8 = message.needs_smtputf8 or not addresses_ascii
    if not message.content.isascii():
        _check_offered(session, "8BITMIME", "the message has 8-bit text")
        line += " BODY=8BITMIME"
    if utf8:
        _check_offered(session, "SMTPUTF8", "an address has characters beyond ASCII before its @")
        line += " SMTPUTF8"
    return line


def _check_size(size: int, limit: str) -> None:
    # RFC 1870, section 4: no number or 0 means no fixed limit.
    if limit.isdigit() and 0 < int(limit) < size:
        raise PermanentFailure(f"the message is too large: {size} bytes, and the mail server accepts {limit}")


def _check_offered(session: SmtpSession, extension: str, reason: str) -> None:
    if extension not in session.extensions:
        raise PermanentFailure(f"{reason}, and the mail server does not offer {extension}")
