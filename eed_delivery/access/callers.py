"""Who asks: by IAM, by a token, by the session of a local user, or by a proxy's signed header. In this order."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import structlog

from eed_delivery.access.iam_callers import IamCallers
from eed_delivery.access.rights import GrantedRights, Right, granted, scoped
from eed_delivery.access.same_origin import GivenHeaders
from eed_delivery.access.secrets import TOKEN, TOKEN_PREFIX, digest
from eed_delivery.access.signed_persons import LONGEST_NAME, NotSigned, SignedPerson
from eed_delivery.ledger.access.sessions import SessionLedger
from eed_delivery.ledger.access.tokens import TokenLedger

if TYPE_CHECKING:
    from eed_delivery.access.signed_headers import SignedHeader

log = structlog.get_logger(__name__)

BEARER = "bearer "

WayIn = Literal["token", "session", "proxy", "iam"]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, by which way in, and what it may do. `name` is for the audit. `session` is its digest, if it is one.

    `subject` is the same for all names that a proxy gives a person. `session_left`: seconds until the session ends.
    `session_name` is what a session of an IAM role calls itself.
    """

    name: str
    way: WayIn
    granted: GrantedRights
    session: bytes | None = None
    subject: str = ""
    session_left: float | None = None
    session_name: str = ""

    def may(self, right: Right) -> bool:
        """Whether it has a right."""
        return right in self.granted.rights

    @property
    def is_person(self) -> bool:
        """Whether a person has logged in. A program has a token, or is a role of IAM."""
        return self.way in ("session", "proxy")


class NotKnown(Exception):
    """What was given proves nothing. The text says so, and not which half was wrong."""


class NoRole(Exception):
    """It is known who asks, and they have no role here. The text is their subject. `setting` is what gives one."""

    def __init__(self, subject: str, setting: str) -> None:
        super().__init__(subject)
        self.setting = setting


class Callers:
    """Finds who asks. Each call may raise `DatabaseGone`."""

    def __init__(
        self, tokens: TokenLedger, sessions: SessionLedger, signed: "SignedHeader | None", iam: IamCallers
    ) -> None:
        self._tokens = tokens
        self._sessions = sessions
        self._signed = signed
        self._iam = iam

    def of(
        self, headers: GivenHeaders, session_id: str | None, *, by_person: bool = True, iam_arn: str | None = None
    ) -> Caller | None:
        """Who asks. None if nothing was given. Raises `NotKnown` or `NoRole`.

        Not `by_person`: an open page asks by itself, which keeps no session alive. `iam_arn` is whom API Gateway has
        authenticated. It never comes from a header."""
        if iam_arn is not None:
            return self._by_iam(iam_arn)
        authorization = headers.get("Authorization")
        if authorization is not None and not self._is_signed(authorization):
            return self._by_token(authorization)
        if session_id is not None and (caller := self._by_session(session_id, by_person)) is not None:
            return caller
        if self._signed is not None and (header := headers.get(self._signed.name)) is not None:
            return self._by_header(self._signed, header)
        return None

    def _is_signed(self, authorization: str) -> bool:
        """Whether the proxy's token comes in this header, as oauth2-proxy sends it. Ours are known by their prefix."""
        of_proxy = self._signed is not None and self._signed.name.lower() == "authorization"
        return of_proxy and not _bearer(authorization).startswith(TOKEN_PREFIX)

    def _by_iam(self, arn: str) -> Caller:
        caller = self._iam.of(arn)
        if caller.granted is None:
            raise NoRole(caller.account, "operators.iam_callers")
        return Caller(caller.account, "iam", caller.granted, session_name=caller.session)

    def _by_token(self, authorization: str) -> Caller:
        token = _bearer(authorization)
        if not TOKEN.fullmatch(token):
            raise NotKnown("The header Authorization has no API token.")
        found = self._tokens.use(digest(token))
        if found is None:
            raise NotKnown("There is no such API token, or it has expired or was revoked.")
        return Caller(f"token {found.name}", "token", scoped(found.role, found.scopes))

    def _by_session(self, session_id: str, by_person: bool) -> Caller | None:
        key = digest(session_id)
        found = self._sessions.use(key, by_person=by_person)
        if found is None:
            return None
        rights = granted(found.role, found.rights)
        return Caller(found.name, "session", rights, key, found.name, found.left)

    def _by_header(self, signed: "SignedHeader", header: str) -> Caller:
        try:
            person = signed.person(_bearer(header) or header)
        except NotSigned as error:
            log.warning("signed_header_refused", reason=str(error))
            raise NotKnown("The proxy's signed header proves nothing.") from error
        if person.granted is None:
            raise NoRole(person.subject, "operators.sign_on.people or operators.sign_on.groups")
        return Caller(_name_of(person), "proxy", person.granted, None, person.subject)


def _name_of(person: SignedPerson) -> str:
    """For the audit. A readable name may be anything that the person likes. So the subject is always there, whole."""
    if person.name == person.subject:
        return person.subject
    behind = f" ({person.subject})"
    return f"{person.name[: max(0, LONGEST_NAME - len(behind))]}{behind}"


def _bearer(header: str) -> str:
    """The token behind `Bearer` (RFC 6750, section 2.1). "" if there is none."""
    return header[len(BEARER) :].strip() if header.lower().startswith(BEARER) else ""
