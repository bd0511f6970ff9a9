"""The corpus of bounces is judged as well as the goals say, and our own subjects decide nothing."""

import re

import pytest

from tests.bounce_corpus.answers import RECIPIENT
from tests.bounce_corpus.corpus import HARD, SOFT, corpus
from tests.bounce_corpus.judging import FALSE_HARD, MISSED_HARD, RIGHT, judge, verdict
from tests.bounce_corpus.shapes import SHAPES, SUBJECTS, ours

MAILS = corpus()


def test_the_goals_are_met() -> None:
    judged = judge(MAILS)
    wrong = [f"{mail.wanted} taken for {got}: {mail.name}" for mail, got in judged.wrong]
    assert judged.right >= RIGHT, wrong
    assert judged.false_hard <= FALSE_HARD, wrong
    assert judged.missed_hard <= MISSED_HARD, wrong


def test_the_corpus_is_large_and_its_mails_differ() -> None:
    assert len(MAILS) >= 300
    assert len({mail.raw for mail in MAILS}) > 0.95 * len(MAILS)
    assert min(sum(mail.wanted == kind for mail in MAILS) for kind in (HARD, SOFT)) >= 100
    assert len({mail.name.partition(":")[0] for mail in MAILS}) >= len(SHAPES)


@pytest.mark.parametrize("subject", SUBJECTS)
def test_our_own_subject_decides_nothing(subject: str) -> None:
    """Each shape quotes it: in its subject, in its words, or in the copy of our email."""
    for shape in SHAPES:
        for mail in (one for one in MAILS if one.name.startswith(f"{shape.__name__}: ")):
            changed = mail.raw
            for other in SUBJECTS:
                changed = changed.replace(other.encode(), subject.encode())
            assert verdict(changed) == mail.wanted, mail.name


def test_only_example_domains_are_in_it() -> None:
    assert RECIPIENT.endswith(".example")
    assert b"anna" in ours("x").encode()
    hosts = {host for mail in MAILS for host in re.findall(r"@([A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)", mail.raw.decode())}
    assert {host for host in hosts if not re.search(r"(^|\.)example(\.(com|net|org))?$", host)} == set()
