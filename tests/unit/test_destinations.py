"""Which destination domains have a pace, and how many turns of it there are."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eed_delivery.destinations import CLOSED, Destination, DestinationRules, DomainPace, domain_rule
from eed_delivery.ledger.domain_paces.turns import CREDIT_SECONDS, turns_of

SLOW, QUICK, ONE = DomainPace(1), DomainPace(100), DomainPace(concurrency=1)
BEGIN = datetime(2026, 12, 1)  # noqa: DTZ001 - as the ledger keeps times


@pytest.mark.parametrize(
    ("domain", "found"),
    [
        ("example.com", Destination("example.com", ONE)),
        ("a.example.com", Destination("*.example.com", SLOW)),
        ("b.a.example.com", Destination("*.example.com", SLOW)),
        ("x.b.a.b.example.com", Destination("*.b.example.com", QUICK)),
        ("b.example.com", Destination("*.example.com", SLOW)),
        ("anexample.com", None),
        ("closed.example.com", Destination("closed.example.com", CLOSED)),
        ("", None),
    ],
)
def test_the_most_special_rule_of_a_domain_counts(domain: str, found: Destination | None) -> None:
    rules = DestinationRules(
        {"example.com": ONE, "*.example.com": SLOW, "*.b.example.com": QUICK}, {"closed.example.com"}
    )
    assert rules.of(domain) == found
    assert rules.of_recipient(f"anna@{domain.upper()}") == found
    assert rules.of(domain) == found, "kept"


def test_every_other_domain_has_the_pace_of_the_star_by_itself() -> None:
    rules = DestinationRules({"*": SLOW, "gmail.com": QUICK})
    assert rules.of("a.example") == Destination("a.example", SLOW)
    assert rules.of("gmail.com") == Destination("gmail.com", QUICK)
    assert not DestinationRules()
    assert rules.within("*.example.com") == []


def test_a_domain_beyond_ascii_is_found_by_either_form() -> None:
    rules = DestinationRules({domain_rule("bücher.example"): SLOW})
    assert rules.of_recipient("a@BÜCHER.example") == rules.of_recipient("a@xn--bcher-kva.example") != None  # noqa: E711


@pytest.mark.parametrize(
    "text", ["", "a@b.example", "*", "*.", "*.*.example", "a b.example", "*example.com", "-.example"]
)
def test_a_rule_is_of_a_domain_all_below_one_or_every_other(text: str) -> None:
    if text == "*":
        assert domain_rule(" * ") == "*"
        return
    with pytest.raises(ValueError, match="is not a domain"):
        domain_rule(text)


def test_a_rule_has_one_form() -> None:
    assert (domain_rule(" Gmail.COM "), domain_rule("*.Example.com")) == ("gmail.com", "*.example.com")


@given(
    per_second=st.floats(0.05, 500),
    asked=st.lists(st.tuples(st.floats(0, 3), st.integers(1, 30)), min_size=1, max_size=60),
)
def test_turns_are_those_of_a_count_of_every_moment(per_second: float, asked: list[tuple[float, int]]) -> None:
    """Between any two moments no more leave than the pace allows, and one second's credit. Who asks for enough gets
    what the pace allows, but for turns that are older than the credit."""
    now, next_at, given_at = BEGIN, BEGIN, list[datetime]()
    for pause, most in asked:
        now += timedelta(seconds=pause)
        turns, next_at = turns_of(next_at, now, per_second, most)
        assert 0 <= turns.count <= most
        if turns.count < most:  # and not one turn sooner than is said
            again, _ = turns_of(next_at, now + timedelta(seconds=turns.seconds + 1e-3), per_second, 1)
            assert again.count == 1
        given_at += [now] * turns.count
    for n, first in enumerate(given_at):
        for count, last in enumerate(given_at[n:], start=1):
            assert count <= per_second * ((last - first).total_seconds() + CREDIT_SECONDS) + 1 + 1e-3


def test_a_pace_is_used_to_the_full_by_those_who_ask_often_enough() -> None:
    now, next_at, count = BEGIN, BEGIN, 0
    for n in range(1000):
        now = BEGIN + timedelta(seconds=n * 0.37)
        turns, next_at = turns_of(next_at, now, 20, 1000)
        count += turns.count
    assert count == pytest.approx(20 * 999 * 0.37, rel=0.005)


@pytest.mark.parametrize("ahead", [3.0, 86_400.0])
def test_a_row_from_the_future_stops_nothing(ahead: float) -> None:
    """The pace was raised, or the database's clock was set back."""
    turns, next_at = turns_of(BEGIN + timedelta(seconds=ahead), BEGIN, 20, 5)
    assert turns.count == 1
    assert next_at == BEGIN + timedelta(seconds=0.05)
