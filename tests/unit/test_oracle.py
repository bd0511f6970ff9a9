"""The oracle of whole runs sees each thing that must not be: a judge that finds nothing proves nothing."""

from dataclasses import replace

import pytest

from eed_delivery.config import SourceSettings
from tests.oracle import Books, Entry
from tests.sink import Taken

SENT = Entry(1, "1", 7, "sent", 0, "a@example.com")
DOUBT = Entry(2, "2", 7, "in_doubt", 0, "b@example.com")
FAILED = Entry(3, "3", 7, "failed", 1, "c@example.com")
SUMS = {"found": 3, "moved": 0, "regenerated": 0, "refused": 0}
JOB = {"job_id": 7, "source_key": "7", "state": "finished", "total": 3, "not_enlisted": 1, "finished_at": "now", **SUMS}
TAKEN = Taken(1, 0, "a@example.com", 0.0)
GOOD = Books(
    entries=(SENT, DOUBT, FAILED),
    jobs={7: JOB},
    emails_in_source={"1": ("sent", 7), "2": ("in_doubt", 7), "3": ("failed", 7), "4": ("sent", 7)},
    jobs_in_source={"7": "finished"},
    taken=(TAKEN,),
    source=SourceSettings(),
)


def test_books_that_agree() -> None:
    assert GOOD.violations() == []
    assert replace(GOOD, taken=(TAKEN, replace(TAKEN, email_id=2, recipient="b@example.com"))).violations() == []


@pytest.mark.parametrize(
    ("books", "words"),
    [
        (replace(GOOD, taken=()), "lost: 1"),
        (replace(GOOD, taken=(replace(TAKEN, gen=1),)), "lost: 1"),
        (replace(GOOD, entries=(SENT, DOUBT, replace(FAILED, state="sending"))), "lost: 1"),
        (replace(GOOD, emails_in_source={**GOOD.emails_in_source, "5": ("pending", 7)}), "lost: 1"),
        (replace(GOOD, taken=(TAKEN, TAKEN)), "sent twice: 1"),
        (replace(GOOD, taken=(TAKEN, replace(TAKEN, gen=1))), "sent twice: 1"),
        (replace(GOOD, taken=(TAKEN, Taken(3, 1, "c@example.com", 0.0))), "3 is failed"),
        (replace(GOOD, taken=(TAKEN, Taken(9, 0, "c@example.com", 0.0))), "9 is unknown"),
        (replace(GOOD, taken=(replace(TAKEN, recipient="b@example.com"),)), "arrived at somebody else"),
        (replace(GOOD, emails_in_source={**GOOD.emails_in_source, "2": ("sent", 7)}), "2 is in_doubt"),
        (replace(GOOD, entries=(SENT, DOUBT)), "7 has 2 emails of 3"),
        (replace(GOOD, jobs={7: {**JOB, "finished_at": None}}), "7 is not finished"),
        (replace(GOOD, jobs={7: {**JOB, "not_enlisted": 0}}), "7: 4 in the source, 3 known"),
        (replace(GOOD, jobs_in_source={"7": "processing"}), "the source says 'processing'"),
        (replace(GOOD, jobs={7: {**JOB, "found": 4}}), "7 found 4"),
        (replace(GOOD, jobs={7: {**JOB, "found": 4, "refused": 1}}), "7 has refused 1, and 0 are named"),
        (replace(GOOD, refused_rows=((7, "9"),)), "7 has refused 0, and 1 are named"),
        (replace(GOOD, drifted=True, emails_in_source={**GOOD.emails_in_source, "5": ("pending", 7)}), "lost: 1"),
        (replace(GOOD, drifted=True, jobs={7: {**JOB, "moved": 1}}), "7 found 3"),
    ],
)
def test_each_disagreement_is_seen(books: Books, words: str) -> None:
    assert any(words in violation for violation in books.violations())


REFUSED_ROW = replace(
    GOOD,
    jobs={7: {**JOB, "found": 4, "refused": 1}},
    refused_rows=((7, "5"),),
    drifted=True,
    emails_in_source={**GOOD.emails_in_source, "5": ("failed", 7)},
)


@pytest.mark.parametrize(
    "books",
    [
        REFUSED_ROW,
        replace(REFUSED_ROW, refused_rows=((7, "1"),), emails_in_source={**GOOD.emails_in_source, "1": ("failed", 7)}),
        replace(GOOD, drifted=True, emails_in_source={"1": ("sent", 7)}),
        replace(GOOD, drifted=True, jobs_in_source={}),
        replace(GOOD, drifted=True, emails_in_source={**GOOD.emails_in_source, "5": ("pending", 9)}),
    ],
)
def test_what_was_refused_by_name_and_what_others_have_changed_is_accounted_for(books: Books) -> None:
    assert books.violations() == []


def test_duplicates_that_an_operator_accepted() -> None:
    assert replace(GOOD, taken=(TAKEN, TAKEN)).violations(twice_is_possible=True) == []
