"""One rule for all log lines: `job` and `email` are the source's keys, `job_id` and `email_id` the ledger's numbers. A
number never stands alone where the key can be known."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from eed_delivery.hints import hint
from eed_delivery.model import Email
from tests.unit.test_docs import log_calls

ROOT = Path(__file__).parents[2] / "eed_delivery"
NUMBER_ALONE = {
    "unsubscription_failed": "the database may be what has failed",
    "bounce_of_unknown_email": "the ledger does not have it",
}
KEY_ALONE = {
    "unusable_key": "the ledger has no number for it",
    "job_not_taken_up": "the ledger does not have it yet",
    "email_cannot_be_read": "the source is asked by the key",
    "shadow_job_compared": "another server has the job, and the ledger does not",
    "shadow_job_left": "another server has the job, and the ledger does not",
}


def lines() -> Iterator[tuple[str, dict[str, ast.expr]]]:
    for path in sorted(ROOT.rglob("*.py")):
        for function in ast.walk(ast.parse(path.read_text())):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                for call in log_calls(function):
                    if isinstance(call.args[0], ast.Constant):
                        yield str(call.args[0].value), {word.arg: word.value for word in call.keywords if word.arg}


@pytest.mark.parametrize("what", ["job", "email"])
def test_a_number_has_its_key_beside_it(what: str) -> None:
    seen = 0
    for event, facts in lines():
        number, key = f"{what}_id" in facts, what in facts
        seen += number or key
        assert number == key or event in (NUMBER_ALONE if number else KEY_ALONE), event
    assert seen > 3


def test_a_hint_that_names_a_key_is_made_by_the_one_function() -> None:
    todos = {event: ast.unparse(facts["todo"]) for event, facts in lines() if "todo" in facts}
    with_key = {event: todo for event, todo in todos.items() if "{" in todo or "(" in todo}
    assert with_key.keys() == {"job_does_not_balance", "outcome_not_recorded", "source_differs"}
    assert all("hint(" in todo for todo in with_key.values())


def test_an_emails_facts_are_its_keys_and_numbers() -> None:
    email = Email(7, 3, "L-1", 1, 99, 0, "a@example.com", job_key="Run A")
    assert email.log_facts() == {"job": "Run A", "job_id": 3, "email": "L-1", "email_id": 7, "gen": 1}


@pytest.mark.parametrize(
    ("key", "typed"),
    [
        ("42", "eed-delivery job 42"),
        ("Run A", "eed-delivery job 'Run A'"),
        ("-x", "eed-delivery job -- -x"),
        ("o'b", "eed-delivery job 'o'\"'\"'b'"),
    ],
)
def test_a_hint_can_be_typed_as_it_stands(key: str, typed: str) -> None:
    assert hint("job", key=key) == typed
