"""Cursors of pages: where a page ended, and the filters that it had.

They are encrypted, because an address may be in them. A cursor works only with the filters that it was made with.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from urllib.parse import urlencode

from cryptography.fernet import Fernet, InvalidToken
from flask import request

from eed_delivery.operators.problems import HttpProblem

LASTS_SECONDS = 86_400


class Cursors:
    """Makes and reads them, with a key that follows from the role's secret."""

    def __init__(self, secret: str) -> None:
        key = hashlib.sha256(f"cursors\n{secret}".encode()).digest()
        self._fernet = Fernet(base64.urlsafe_b64encode(key))

    def after(self, cursor: str | None) -> str | None:
        """Where the page before has ended. Raises `HttpProblem`."""
        if cursor is None:
            return None
        try:
            place, after = json.loads(self._fernet.decrypt(cursor.encode(), LASTS_SECONDS))
        except (InvalidToken, ValueError) as error:
            raise _unusable("It is not a cursor of ours, or is older than a day.") from error
        if place != _place():
            raise _unusable("It was made with other filters.")
        return str(after)

    def next(self, after: str | None) -> str | None:
        """The address of the page that begins after this. None for the last page."""
        if after is None:
            return None
        cursor = self._fernet.encrypt(json.dumps([_place(), after]).encode()).decode()
        kept = [(name, value) for name, value in request.args.items(multi=True) if name != "after"]
        return f"{request.root_path}{request.path}?{urlencode([*kept, ('after', cursor)])}"


def _place() -> list[object]:
    """The path, each filter, and what the body asks for. The size of a page may change from one to the next."""
    filters: Mapping[str, list[str]] = request.args.to_dict(flat=False)
    kept = sorted((name, sorted(values)) for name, values in filters.items() if name not in ("after", "limit"))
    asked = json.dumps(request.get_json(silent=True), sort_keys=True)
    return [request.path, [[name, values] for name, values in kept], hashlib.sha256(asked.encode()).hexdigest()]


def _unusable(what: str) -> HttpProblem:
    errors = [{"pointer": "/after", "detail": what}]
    return HttpProblem(422, "invalid", "The cursor cannot be used.", "Begin with the first page.", errors=errors)
