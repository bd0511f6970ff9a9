"""A login with a password. The attempt is counted first, and the answer takes as long for an unknown name."""

from dataclasses import dataclass
from ipaddress import IPv6Network, ip_address

import structlog

from eed_delivery.access.passwords import verify
from eed_delivery.access.secrets import digest, new_session_id
from eed_delivery.ledger.access.login_attempts import LoginAttemptLedger, subject
from eed_delivery.ledger.access.sessions import SessionLedger
from eed_delivery.ledger.access.users import UserLedger
from eed_delivery.ledger.actor import Actor

log = structlog.get_logger(__name__)

ONE_CUSTOMERS = 64
"""Bits of a network's prefix."""


@dataclass(frozen=True, slots=True)
class LoginResult:
    """The id of the new session. None: refused, and `wait` says for how many seconds the next attempt is refused, too,
    if that is known."""

    session_id: str | None
    wait: float = 0.0


class LoggingIn:
    """Begins and ends sessions of local users. Each call raises `DatabaseGone`."""

    def __init__(self, users: UserLedger, sessions: SessionLedger, attempts: LoginAttemptLedger) -> None:
        self._users = users
        self._sessions = sessions
        self._attempts = attempts

    def log_in(self, name: str, password: str, address: str, host: str) -> LoginResult:
        """Check a name and a password that come from a network address."""
        of_name, of_address = subject("name", name), subject("address", _network(address))
        wait = self._attempts.begin([of_name, of_address])
        if wait > 0:
            log.warning("login_refused", reason="too many failures", wait_seconds=round(wait))
            return LoginResult(None, wait)
        if not verify(password, self._users.password_hash(name)):
            log.warning("login_refused", reason="wrong name or password")
            return LoginResult(None)
        self._attempts.succeeded(of_name, of_address)
        return LoginResult(self.begin(Actor(name, "page", host, command="POST /login")))

    def begin(self, who: Actor) -> str:
        """Begin a session of a user who has shown who they are. Returns its id."""
        session_id = new_session_id()
        self._sessions.begin(digest(session_id), who)
        return session_id

    def log_out(self, session: bytes, who: Actor) -> None:
        """End a session."""
        self._sessions.end(session, who)


def _network(address: str) -> str:
    """What is counted together: an IPv4 address, and of IPv6 the network that one customer is given (RFC 6177)."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    return str(IPv6Network((int(parsed), ONE_CUSTOMERS), strict=False)) if parsed.version == 6 else address
