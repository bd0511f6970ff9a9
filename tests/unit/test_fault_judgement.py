"""The judgement of the fault scenarios sees what must not be, and lets pass what the faults explain."""

from dataclasses import replace

import pytest

from tests.faults.judgement import Figures, Told, judge
from tests.oracle import Books
from tests.unit.test_oracle import GOOD, TAKEN

TWICE = replace(GOOD, taken=(TAKEN, TAKEN))
ON_RECORD = replace(TWICE, doubted=frozenset({1}))


def told(books: Books = GOOD, **changes: object) -> Told:
    """One email sent, one in doubt, one failed; one fault, and everything explained, but for `changes`."""
    return replace(Told(None, faults=1, doubt_at_most=1, may_fail={3}, books=books), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "fine",
    [
        told(),
        told(ON_RECORD, policy="resend"),
        told(TWICE, may_be_twice={1}),
        Told(None, 1, figures=Figures(9, 1, "-")),
    ],
)
def test_what_the_faults_explain_is_no_violation(fine: Told) -> None:
    assert judge("kill", fine, 1.0)[1] == []


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (told(faults=0), "no fault was injected"),
        (told(doubt_at_most=0), "in doubt: 1"),
        (told(may_fail=()), "failed, and should not have: 1"),
        (told(TWICE), "sent twice: 1"),
        (told(TWICE, policy="resend"), "sent twice: 1"),
        (told(ON_RECORD), "sent twice: 1"),
        (told(replace(GOOD, taken=())), "lost: 1"),
        (told(problems=["attempts burnt"]), "attempts burnt"),
        (Told(None, 0, figures=Figures(9, 1, "-")), "no fault was injected"),
    ],
)
def test_everything_else_is(wrong: Told, words: str) -> None:
    _, violations = judge("kill", wrong, 1.0)
    assert any(words in violation for violation in violations)


def test_the_row_tells_what_is_there() -> None:
    row, _ = judge("kill", told(replace(TWICE, entries=GOOD.entries)), 1.234)
    assert (row.scenario, row.policy, row.emails, row.faults, row.seconds) == ("kill", "hold", 3, 1, 1.2)
    assert (row.lost, row.sent_twice, row.in_doubt, row.failed_wrongly) == (0, 1, 1, 0)
