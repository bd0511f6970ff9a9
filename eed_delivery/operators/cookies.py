"""The cookie of a session: an id, signed, and nothing else."""

from flask import Request, Response
from itsdangerous import BadSignature, URLSafeSerializer

from eed_delivery.operators.parts import OperatorsParts

NAME = "eed_session"


class SessionCookie:
    """Reads and writes it. Over https its name begins with `__Host-`, so that no other host of the domain can set it.

    https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/Set-Cookie#cookie_prefixes
    """

    def __init__(self, parts: OperatorsParts) -> None:
        self._secure = parts.settings.origin.startswith("https://")
        self._name = f"__Host-{NAME}" if self._secure else NAME
        self._signer = URLSafeSerializer(parts.secret, salt="session")

    def session_id(self, request: Request) -> str | None:
        """The id. None if there is no cookie of ours."""
        try:
            found = self._signer.loads(request.cookies.get(self._name, ""))
        except BadSignature:
            return None
        return found if isinstance(found, str) else None

    def give(self, response: Response, session_id: str) -> None:
        """Put a new session's id into an answer."""
        text = str(self._signer.dumps(session_id))
        response.set_cookie(self._name, text, path="/", secure=self._secure, httponly=True, samesite="Strict")

    def take_back(self, response: Response) -> None:
        """Have the browser forget it."""
        response.delete_cookie(self._name, path="/", secure=self._secure, httponly=True, samesite="Strict")
