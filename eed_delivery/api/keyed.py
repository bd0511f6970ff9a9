"""Idempotency-Key: a request with a key is done once, and its answer is given again for a day.

As in draft-ietf-httpapi-idempotency-key-header-07, with 422 for a key that came with another request.
"""

import re
from collections.abc import Callable
from typing import Any, TypeVar, cast

from flask import Response, request

from eed_delivery.operations.repeats import KeptKey, KeyAnswered, KeyAtWork, KeyedRequest, KeyOfAnother, KeyTaken
from eed_delivery.operators.problems import HttpProblem
from eed_delivery.operators.shell import caller_now, json_answer, operations_now
from eed_delivery.runtime import failpoints
from eed_delivery.untrusted import json_text

Done = TypeVar("Done")
HEADER = "Idempotency-Key"
_KEY = re.compile(r'"?([\x21\x23-\x7e]{1,255})"?')


def once(
    act: Callable[[], object],
    answer: Callable[[], Any],
    *,
    again: bool = False,
    needed: bool = False,
    status: int = 200,
    kept: Callable[[], Any] | None = None,
    body: str | None = None,
) -> Response:
    """Do `act`, then give `answer` as JSON. With a key, a repeat does not act.

    `again`: the act may be done again, and comes to the same end. `needed`: a request without a key is refused.
    `kept` is what a repeat gets, where the answer has a secret. `body` stands for the body, where that has one.
    """
    keyed = _keyed(needed=needed, body=body)
    if keyed is None:
        act()
        return json_answer(answer(), status)
    repeats = operations_now().repeats
    state = repeats.take(keyed)
    if isinstance(state, KeyTaken):
        repeats.act(state, lambda: void(act), again=again)
        failpoints.reach("operators.acted")
        text = json_text(answer(), default=str)
        repeats.answered(state, status, text if kept is None else json_text(kept(), default=str))
        return Response(text, status, mimetype="application/json")
    if isinstance(state, KeyAnswered):
        text = state.answer or json_text(answer(), default=str)
        return Response(text, state.status, {"Idempotent-Replayed": "true"}, mimetype="application/json")
    raise _refused(state)


def once_by(
    digest: str,
    act: Callable[[KeptKey], Done],
    found: Callable[[str], Done | None],
    answer: Callable[[Done], Any],
    *,
    status: Callable[[Done], int],
) -> Response:
    """As `once`, for a request whose body is too large to be kept in memory: `digest` stands for it. A key is needed.

    `act` says by the key that it is still at work. `found` says by the name of its first act
    what a process has done that was killed before the answer.
    """
    repeats = operations_now().repeats
    keyed = _keyed(needed=True, body=digest)
    state = repeats.take(cast("KeyedRequest", keyed))
    if isinstance(state, KeyTaken):
        done: list[Done] = []
        repeats.act(state, lambda: done.append(act(repeats.kept(state))))
        failpoints.reach("operators.registered")
        result = done[0] if done else found(state.operation)
        text = json_text(answer(cast("Done", result)), default=str)
        code = status(cast("Done", result))
        repeats.answered(state, code, text)
        return Response(text, code, mimetype="application/json")
    if isinstance(state, KeyAnswered):
        return Response(state.answer, state.status, {"Idempotent-Replayed": "true"}, mimetype="application/json")
    raise _refused(state)


def void(act: Callable[[], object]) -> None:
    """Do it, whatever it returns."""
    act()


def _refused(state: KeyAtWork | KeyOfAnother) -> HttpProblem:
    if isinstance(state, KeyAtWork):
        what = "The first request with this Idempotency-Key is still at work."
        return HttpProblem(409, "at_work", what, "Send it again in a few seconds.", headers={"Retry-After": "5"})
    what = "This Idempotency-Key has come with another request before."
    return HttpProblem(422, "key_reused", what, "Use a new key for each request.")


def _keyed(*, needed: bool, body: str | None = None) -> KeyedRequest | None:
    given = request.headers.get(HEADER)
    if given is None:
        if needed:
            what = f"This needs the header {HEADER}, with a key of your own."
            raise HttpProblem(428, "key_needed", what, "Send a random one, and the same again when you try again.")
        return None
    found = _KEY.fullmatch(given)
    if found is None:
        raise HttpProblem(400, "malformed", f"{HEADER} has 1 to 255 printable characters.")
    given_body = request.get_data(as_text=True) if body is None else body
    return KeyedRequest(caller_now().name, found[1], request.method, request.full_path, given_body)
