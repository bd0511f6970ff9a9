"""Who follows three links of one email within seconds is a machine, whatever it calls itself."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eed_delivery.events import EventKind, TrackingEvent
from eed_delivery.link_server.all_links import LINKS, MAX_CLICKS, WITHIN, LinkWatch
from eed_delivery.link_server.machines import Reader

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def _click(seconds: float, link: str, email_id: int = 7, kind: EventKind = EventKind.CLICK) -> TrackingEvent:
    at = START + timedelta(seconds=seconds)
    return TrackingEvent(
        f"{seconds}{link}{kind}", kind, at, email_id=email_id, gen=1, sub_type=Reader.PERSON, detail=link
    )


def _judged(events: list[TrackingEvent], watch: LinkWatch | None = None) -> list[bool]:
    watch = watch or LinkWatch()
    for event in events:
        watch.see(event)
    return [watch.judged(event).automatic for event in events]


@pytest.mark.parametrize(
    ("clicks", "machine"),
    [
        ([(0, "a"), (0.2, "b"), (0.4, "c")], [True] * 3),
        ([(0, "a"), (2, "b"), (5, "c")], [True] * 3),
        ([(0, "a"), (2, "b"), (5.1, "c")], [False] * 3),
        ([(0, "a"), (0.2, "b")], [False] * 2),
        ([(0, "a"), (0.2, "a"), (0.4, "a"), (0.6, "b")], [False] * 4),  # one link again and again
        ([(0, "a"), (1, "b"), (2, "c"), (60, "a")], [True, True, True, False]),
    ],
)
def test_three_links_within_five_seconds(clicks: list[tuple[float, str]], machine: list[bool]) -> None:
    assert _judged([_click(*click) for click in clicks]) == machine


def test_the_picture_loaded_meanwhile_is_its_too_and_another_emails_reader_is_not() -> None:
    swept = [_click(number, link) for number, link in enumerate("abc")]
    picture, other = _click(1, "", kind=EventKind.OPEN), _click(1, "a", email_id=8)
    assert _judged([*swept, picture, other]) == [True, True, True, True, False]


def test_it_is_told_as_what_it_is_known_by() -> None:
    watch = LinkWatch()
    events = [_click(number, link) for number, link in enumerate("abc")]
    for event in events:
        watch.see(event)
    assert {watch.judged(event).sub_type for event in events} == {Reader.ALL_LINKS}
    assert Reader.ALL_LINKS.automatic


def test_what_is_remembered_has_a_bound() -> None:
    watch = LinkWatch(max_emails=2)
    first = [_click(number, link, email_id=1) for number, link in enumerate("abc")]
    others = [_click(0, "a", email_id=2), _click(0, "a", email_id=3)]
    assert _judged([*first, *others], watch) == [False] * 5
    many = [_click(number / 1000, str(number)) for number in range(10 * MAX_CLICKS)]
    assert sum(_judged(many)) >= MAX_CLICKS


@given(st.lists(st.tuples(st.floats(0, 60), st.sampled_from("abcde")), max_size=12))
def test_nobody_is_called_a_machine_for_fewer_links_or_more_time(clicks: list[tuple[float, str]]) -> None:
    events = [_click(*click) for click in clicks]
    for event, machine in zip(events, _judged(events), strict=True):
        near = {other.detail for other in events if abs(other.occurred_at - event.occurred_at) <= WITHIN}
        assert not machine or len(near) >= LINKS
