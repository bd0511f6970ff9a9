"""Rows of refusals that are not the recipients': whether everybody, a domain or a job is meant."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eed_delivery.model import Concerns, Email, Outcome, Verdict
from eed_delivery.worker.refusals import (
    DOMAIN_IN_A_ROW,
    DOMAINS,
    IN_A_ROW,
    JOB_IN_A_ROW,
    TOO_FAST_IN_A_ROW,
    Consequences,
    Refusals,
)

BUSY = "450 4.2.1 Mailbox busy"
FULL = "452 4.2.2 mailbox is full"
GREYLISTED = ("451 4.7.1 Greylisted, try again in 300 seconds", "451 4.7.1 Try again later", "450 Retry in 5 minutes")


class Told:
    """What followed, in order."""

    def __init__(self) -> None:
        self.told: list[tuple[str, object]] = []
        self.refusals = Refusals(
            Consequences(
                lambda _: self.told.append(("trip", "")),
                lambda domain, _: self.told.append(("hold", domain)),
                lambda email, _why, _outcome: self.told.append(("pause", email.job_id)),
                lambda: self.told.append(("slow down", "")),
            )
        )

    def refused(
        self,
        domain: str,
        job: int = 1,
        concerns: Concerns = Concerns.OTHERS,
        verdict: Verdict = Verdict.INFRASTRUCTURE,
        again: int = 0,
        before: bool = False,
    ) -> None:
        outcome = Outcome(verdict, "550 blocked", 550, concerns=concerns, again=again)
        self.refusals.refused(replace(email(domain, job), refused_before=before), outcome)

    def deferred(self, domain: str, reply: str = BUSY, attempts: int = 0, before: bool = False) -> Outcome:
        enhanced = reply.split()[1] if reply[4:6] == "4." else None
        outcome = Outcome(Verdict.TEMPORARY, reply, int(reply[:3]), enhanced)
        self.refusals.deferred(replace(email(domain), attempts=attempts, refused_before=before), outcome)
        return outcome

    def answered(self, domain: str, job: int = 1) -> None:
        self.refusals.answered(email(domain, job))


def email(domain: str, job: int = 1) -> Email:
    return Email(1, job, "1", 0, 1, 0, f"a@{domain}")


@pytest.fixture
def told() -> Told:
    return Told()


def test_everybody_is_meant_when_many_domains_refuse_and_nobody_is_answered(told: Told) -> None:
    for n in range(IN_A_ROW):
        told.refused(f"d{n}.example")
    assert told.told == [("trip", "")]


def test_everybody_is_meant_when_no_recipient_was_named_whatever_their_domain(told: Told) -> None:
    for _ in range(IN_A_ROW):
        told.refused("d.example", concerns=Concerns.EVERYBODY)
    assert told.told == [("trip", "")]


def test_an_answer_to_anybody_ends_the_row(told: Told) -> None:
    for n in range(10 * IN_A_ROW):
        told.refused(f"d{n}.example")
        if n % (IN_A_ROW - 1) == 0:
            told.answered("other.example")
    assert told.told == []


def test_one_domain_alone_is_held_and_no_breaker_opens(told: Told) -> None:
    for n in range(3 * DOMAIN_IN_A_ROW):
        told.refused("Closed.Example")
        told.answered(f"d{n}.example")
    assert told.told == [("hold", "closed.example")] * 3


def test_fewer_domains_than_that_are_held_one_by_one(told: Told) -> None:
    for _ in range(IN_A_ROW):
        for n in range(DOMAINS - 1):
            told.refused(f"d{n}.example")
    assert {what for what, _ in told.told} == {"hold"}


def test_a_domain_that_answers_now_and_then_is_not_held(told: Told) -> None:
    for n in range(10 * DOMAIN_IN_A_ROW):
        told.refused("d.example")
        if n % (DOMAIN_IN_A_ROW - 1) == 0:
            told.answered("d.example")
    assert told.told == []


def test_a_sender_that_is_refused_in_a_row_pauses_its_job_and_no_other(told: Told) -> None:
    for n in range(JOB_IN_A_ROW):
        told.refused(f"d{n}.example", job=7, concerns=Concerns.JOB)
        told.answered("d.example", job=8)
    assert told.told == [("pause", 7)]


def test_a_sender_that_some_refuse_does_not_pause_its_job(told: Told) -> None:
    for n in range(10 * JOB_IN_A_ROW):
        told.refused(f"d{n}.example", job=7, concerns=Concerns.JOB)
        if n % (JOB_IN_A_ROW - 1) == 0:
            told.answered("d.example", job=7)
    assert told.told == []


def test_what_was_refused_before_makes_no_row(told: Told) -> None:
    """The retries of a few come together: a minute later they would be a row, although all others are sent."""
    for n in range(10 * IN_A_ROW):
        told.refused(f"d{n}.example", again=1)
        told.refused(f"d{n}.example", concerns=Concerns.JOB, again=2)
        told.refused(f"d{n}.example", before=True)
    assert told.told == []


def test_too_fast_for_several_domains_slows_all_down(told: Told) -> None:
    for n in range(TOO_FAST_IN_A_ROW):
        told.refused(f"d{n}.example", verdict=Verdict.THROTTLED)
    assert told.told == [("slow down", "")]


def test_too_fast_for_one_domain_holds_it_and_slows_nobody_down(told: Told) -> None:
    for n in range(DOMAIN_IN_A_ROW):
        told.refused("d.example", verdict=Verdict.THROTTLED)
        told.answered(f"other{n}.example")
    assert told.told == [("hold", "d.example")]


def test_one_temporary_answer_to_all_is_everybodys_whatever_id_is_in_it(told: Told) -> None:
    for n in range(IN_A_ROW):
        outcome = told.deferred(f"d{n}.example", f"451 Could not complete recipient verify callout [{n:x}42ab{n}]")
    assert told.told == [("trip", "")]
    assert told.refusals.are_everybodys(outcome)
    told.refusals.answered(email("d.example"))  # a dead address, say
    assert told.refusals.are_everybodys(outcome)
    told.refusals.sent(email("d.example"))
    assert not told.refusals.are_everybodys(outcome)


@given(st.lists(st.integers(0, 8), max_size=40))
def test_temporary_answers_trip_by_so_many_first_tries_over_so_many_domains(domains: list[int]) -> None:
    told = Told()
    for domain in domains:
        told.deferred(f"d{domain}.example")
    tripped = any(len(set(domains[at : at + IN_A_ROW])) >= DOMAINS for at in range(max(0, len(domains) - IN_A_ROW + 1)))
    assert (("trip", "") in told.told) is tripped


def test_what_is_sent_in_between_ends_a_row_of_temporary_answers(told: Told) -> None:
    for n in range(10 * IN_A_ROW):
        told.deferred(f"d{n}.example")
        if n % (IN_A_ROW - 1) == 0:
            told.refusals.sent(email("other.example"))
    assert told.told == []


def test_temporary_answers_of_several_kinds_make_no_row(told: Told) -> None:
    kinds = ("Mailbox busy", "Mailbox locked", "Callout failed", "No route now", "Scanner away")
    for n in range(len(kinds) * (IN_A_ROW - 1)):
        told.deferred(f"d{n}.example", f"450 4.2.1 {kinds[n % len(kinds)]}")
    assert told.told == []


@pytest.mark.parametrize("reply", GREYLISTED)
def test_greylisting_opens_no_breaker_and_holds_no_domain(told: Told, reply: str) -> None:
    for n in range(10 * IN_A_ROW):
        told.deferred(f"d{n % 7}.example", reply)
    assert told.told == []


def test_second_tries_make_no_row_of_temporary_answers(told: Told) -> None:
    for n in range(10 * IN_A_ROW):
        told.deferred(f"d{n}.example", attempts=1)
        told.deferred(f"d{n}.example", before=True)
    assert told.told == []


def test_many_full_mailboxes_in_a_row_are_nobodys_and_stop_nobody_else(told: Told) -> None:
    for n in range(IN_A_ROW):
        outcome = told.deferred(f"d{n}.example", FULL)
    assert told.told == []
    assert told.refusals.are_everybodys(outcome)


def test_a_domain_that_puts_all_its_recipients_off_is_held(told: Told) -> None:
    for n in range(2 * DOMAIN_IN_A_ROW):
        told.deferred("d.example")
        told.refusals.sent(email(f"other{n}.example"))
    assert told.told == [("hold", "d.example")] * 2


def test_a_domain_that_takes_an_email_now_and_then_is_not_held(told: Told) -> None:
    for n in range(10 * DOMAIN_IN_A_ROW):
        told.deferred("d.example")
        if n % (DOMAIN_IN_A_ROW - 1) == 0:
            told.refusals.sent(email("d.example"))
    assert told.told == []
