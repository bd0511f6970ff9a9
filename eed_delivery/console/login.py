"""Log in and out with a password."""

from flask import Response, g, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from eed_delivery.console.acting import FormError
from eed_delivery.console.rendering import page
from eed_delivery.operations.actor import Actor
from eed_delivery.operators.parts import OperatorsParts
from eed_delivery.operators.shell import LOGIN, Shell, caller_now

START = "/"
WRONG = "The name or the password is wrong."


class LoginPages:
    """The form, and what it sends."""

    def __init__(self, shell: Shell, parts: OperatorsParts) -> None:
        self._shell = shell
        self._parts = parts

    def ask(self) -> Response:
        """Show the form."""
        return _form("")

    def log_in(self) -> AnyResponse:
        """Check a name and a password, and begin a session."""
        name, password = request.form.get("name", ""), request.form.get("password", "")
        result = self._parts.logging_in.log_in(name, password, g.address, self._parts.host)
        if result.session_id is None:
            wait = f"There were too many failed logins. Try again in {int(result.wait) + 1} seconds."
            return _form(wait if result.wait else WRONG, 429 if result.wait else 403)
        answer = redirect(START, 303)
        self._shell.cookie.give(answer, result.session_id)  # type: ignore[arg-type]
        return answer

    def session(self) -> AnyResponse:
        """Say in a header how long the session lasts. A POST makes it last longer, as each request of a person does."""
        return Response(status=204)

    def log_out(self) -> AnyResponse:
        """End the session."""
        caller = caller_now()
        if caller.session is not None:
            who = Actor(caller.name, "page", self._parts.host, command="POST /logout")
            self._parts.logging_in.log_out(caller.session, who)
        answer = redirect(LOGIN, 303)
        self._shell.cookie.take_back(answer)  # type: ignore[arg-type]
        return answer


def _form(problem: str, status: int = 200) -> Response:
    errors = [FormError("name", problem)] if problem else []
    return page("login.html", title="Log in", status=status, errors=errors)
