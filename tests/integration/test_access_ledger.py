"""Each term of the UPDATEs about users, tokens, sessions, login attempts and idempotency keys: spoil what one expects,
and nothing may change."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import Update

from eed_delivery.ledger.access import idempotency, login_attempts, sessions, tokens, users
from eed_delivery.ledger.access.idempotency import (
    IdempotencyLedger,
    KeyAnswered,
    KeyAtWork,
    KeyOfAnother,
    KeyTaken,
    digest_of,
)
from tests.world import World

pytestmark = [pytest.mark.both_databases, pytest.mark.also_on_sqlite]

PAST, FUTURE = "2001-01-01 00:00:00.000000", "2999-01-01 00:00:00.000000"
ONE, OTHER = b"1" * 32, b"2" * 32
MADE = {"made_by": "root", "made_at": PAST}
MODULES = (users, tokens, sessions, login_attempts, idempotency)


@dataclass
class Case:
    """A statement with its values, a row that it fits, and what keeps it from changing that row."""

    statement: Update
    values: dict[str, Any]
    row: dict[str, Any]
    spoil: list[dict[str, Any]] = field(default_factory=list)


USER = {"name": "anna", "password_hash": "x", "role": "admin", "revoked_at": None, **MADE}
TOKEN = {"name": "one", "digest": ONE, "role": "admin", "expires_at": FUTURE, "revoked_at": None, **MADE}
SESSION = {"digest": ONE, "user_name": "anna", "made_at": PAST, "seen_at": PAST, "ends_at": FUTURE}
ATTEMPT = {"subject": ONE, "failures": 3, "last_at": PAST, "blocked_until": None}
KEY = {
    "digest": ONE, "request": OTHER, "operation": "0123456789abcdef", "token": 77, "lease_until": PAST, "status": None,
    "made_at": PAST,
}  # fmt: skip
CASES = {
    "revoke a user": Case(
        users.REVOKE_USER, {"its_name": "anna"}, USER, [{"name": "bert"}, {"name": "Anna"}, {"revoked_at": PAST}]
    ),
    "use a token": Case(
        tokens.USED, {"its_digest": ONE}, {**TOKEN, "used_at": PAST}, [{"digest": OTHER}, {"used_at": FUTURE}]
    ),
    "use a new token": Case(tokens.USED, {"its_digest": ONE}, {**TOKEN, "used_at": None}),
    "revoke a token": Case(
        tokens.REVOKE_TOKEN, {"its_name": "one"}, TOKEN, [{"name": "two"}, {"name": "One"}, {"revoked_at": PAST}]
    ),
    "use a session": Case(sessions.SEEN, {"its_digest": ONE}, SESSION, [{"digest": OTHER}, {"seen_at": FUTURE}]),
    "count an attempt": Case(
        login_attempts.COUNT_ATTEMPT, {"its_subject": ONE, "now_failures": 4, "wait": 2}, ATTEMPT, [{"subject": OTHER}]
    ),
    "take an attempt back": Case(
        login_attempts.TAKE_BACK, {"its_subject": ONE}, ATTEMPT, [{"subject": OTHER}, {"failures": 0}]
    ),
    "take a key over": Case(
        idempotency.TAKE_OVER, {"its_digest": ONE, "our_token": 5}, KEY,
        [{"digest": OTHER}, {"status": 200}, {"lease_until": FUTURE}],
    ),
    "keep a key": Case(
        idempotency.KEEP, {"its_digest": ONE, "our_token": 77}, KEY, [{"digest": OTHER}, {"token": 78}, {"status": 200}]
    ),
    "answer": Case(
        idempotency.ANSWERED, {"its_digest": ONE, "our_token": 77, "its_status": 200, "its_answer": "{}"}, KEY,
        [{"digest": OTHER}, {"token": 78}, {"status": 200}],
    ),
}  # fmt: skip


def changed(world: World, case: Case, row: dict[str, Any]) -> int:
    """How many rows the statement changes, of this one alone."""
    table = case.statement.table.name  # type: ignore[attr-defined]
    world.execute(f"DELETE FROM {table}")
    names = ", ".join(row)
    world.execute(f"INSERT INTO {table} ({names}) VALUES ({', '.join(f':{name}' for name in row)})", **row)
    return world.database.run(lambda c: c.execute(case.statement, case.values).rowcount)


@pytest.mark.parametrize("name", CASES)
def test_a_statement_changes_what_it_is_about_and_nothing_else(world: World, name: str) -> None:
    case = CASES[name]
    assert changed(world, case, case.row) == 1
    for spoiler in case.spoil:
        assert changed(world, case, {**case.row, **spoiler}) == 0, f"it fits although {spoiler}"


def test_every_update_has_a_case() -> None:
    there = {
        f"{module.__name__}.{name}": statement
        for module in MODULES
        for name, statement in vars(module).items()
        if isinstance(statement, Update)
    }
    known = {id(case.statement) for case in CASES.values()}
    assert len(there) == 9
    assert [name for name, statement in there.items() if id(statement) not in known] == []


def test_a_key_goes_from_work_to_its_answer(world: World) -> None:
    keys = IdempotencyLedger(world.database)
    key, request = digest_of("token a", "one"), digest_of("POST", "/x", "{}")
    taken = keys.take(key, request)
    assert isinstance(taken, KeyTaken)
    assert not taken.acted
    assert isinstance(keys.take(key, request), KeyAtWork)
    assert isinstance(keys.take(key, digest_of("POST", "/y", "{}")), KeyOfAnother)
    keys.answered(taken, 200, "{}")
    found = keys.take(key, request)
    assert isinstance(found, KeyAnswered)
    assert (found.status, found.answer) == (200, "{}")
    world.execute(f"UPDATE eed_idempotency_key SET made_at = '{PAST}'")
    anew = keys.take(key, request)
    assert isinstance(anew, KeyTaken)
    assert anew.operation != taken.operation, "a key that is used again after a day is another request"


def test_parts_of_a_digest_cannot_run_together() -> None:
    assert digest_of("ab", "c") != digest_of("a", "bc")
    assert digest_of("1:a", "") != digest_of("", "1:a")
