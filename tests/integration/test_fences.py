"""Every term of every WHERE that moves an email: spoil what one term expects, and nothing may change.

Each case sets a row up so that its statement fits, shows that it changes this row and not its neighbour, and then
spoils one column after the other. `python -m tests.faults.mutations` shows the converse: no term can be dropped.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import Update

from eed_delivery.ledger import doubts, duties, gates, job_watch, operating, send_turns, shut_gates, sweeping
from eed_delivery.ledger.channels import listing as channel_listing
from eed_delivery.ledger.delivering import statements as worker
from eed_delivery.ledger.domain_paces import turns as destinations
from eed_delivery.ledger.holds import ledger as holds
from eed_delivery.ledger.holds import marking
from eed_delivery.ledger.long_acts import selections
from eed_delivery.ledger.publishing import enlisting, rehearsed_starts, served_channels
from eed_delivery.ledger.publishing import ledger as publishing
from eed_delivery.ledger.reconciling import ledger as reconciling
from eed_delivery.ledger.suppression import statements as suppression
from eed_delivery.ledger.windows import marking as windows
from eed_delivery.ledger.windows import overrides
from eed_delivery.pseudonyms import PREFIX
from tests.world import World

pytestmark = pytest.mark.both_databases

PAST, FUTURE = "2001-01-01 00:00:00.000000", "2999-01-01 00:00:00.000000"
FENCE = {"id": 1000, "of_gen": 2, "our_token": 77}
SWEPT = {"id": 1000, "of_gen": 2}
HELD = {"state": "sending", "gen": 2, "token": 77, "wire_at": None, "lease_until": FUTURE}
WIRED = {**HELD, "wire_at": PAST}
DEAD_ON_WIRE = {**WIRED, "lease_until": PAST}
OTHER_HANDS = {"gen": 3, "token": 78}
FENCES = {"ids": [1000], "fences": [(1000, 2, 77)]}
RECORD = {**FENCE, "to_state": "failed", "tries": 1, "reply": "550 no", "provider_id": None}
SUCCESS = {**FENCES, "tries": 1, "replies": ["250 ok"], "provider_ids": [None]}
OURS = {"id": 1, "our_token": 77, "lease": 9}
JOB = {"state": "active", "token": 77, "lease_until": FUTURE, "finished_at": None, "enlisted_at": None}

NOT_STARTED = {**JOB, "rehearsal": None}
COMPARED = {**JOB, "reconcile_token": 77, "reconcile_until": FUTURE}


@dataclass
class Case:
    """A statement with its values, a row it fits, and spoilers: each alone must keep it from changing anything."""

    statement: Update
    values: dict[str, Any]
    row: dict[str, Any]
    spoil: list[dict[str, Any]]
    job: dict[str, Any] = field(default_factory=dict)
    spoil_job: list[dict[str, Any]] = field(default_factory=list)


def one_each(**columns: Any) -> list[dict[str, Any]]:
    return [{name: value} for name, value in columns.items()]


EMAILS = {
    "claim a waiting one": Case(
        worker.CLAIM,
        {"ids": [1000], "of_gen": 2, "new_token": 5, "lease": 9},
        {"state": "queued", "gen": 2, "token": 77, "wire_at": None, "lease_until": PAST, "not_before": PAST},
        one_each(gen=3, not_before=FUTURE, state="failed"),
    ),
    "claim one whose lease ran out": Case(
        worker.CLAIM,
        {"ids": [1000], "of_gen": 2, "new_token": 5, "lease": 9},
        {**HELD, "lease_until": PAST},
        [*one_each(gen=3, wire_at=PAST, lease_until=FUTURE), {"state": "in_doubt"}],
    ),
    "wire": Case(
        worker.WIRE,
        {**FENCES, "lease": 9},
        HELD,
        one_each(**OTHER_HANDS, state="queued", wire_at=PAST, lease_until=PAST),
        spoil_job=one_each(state="paused", expires_at=PAST),
    ),
    "wire, known from a lost commit": Case(
        worker.WIRED_AGAIN, {**FENCE, "lease": 9}, WIRED, one_each(**OTHER_HANDS, state="in_doubt", wire_at=None)
    ),
    "record an end": Case(worker.RECORD_END, RECORD, WIRED, one_each(**OTHER_HANDS, state="cancelled")),
    "record success": Case(worker.RECORD_SENT, SUCCESS, WIRED, one_each(**OTHER_HANDS, state="cancelled")),
    "record doubt": Case(worker.RECORD_DOUBT, RECORD, WIRED, one_each(**OTHER_HANDS, state="in_doubt")),
    "record a retry": Case(
        worker.RECORD_RETRY, {**RECORD, "delay": 9}, WIRED, one_each(**OTHER_HANDS, state="in_doubt")
    ),
    "record a late no": Case(
        worker.RECORD_LATE_NO,
        {**RECORD, "delay": 9},
        {**WIRED, "state": "in_doubt"},
        one_each(**OTHER_HANDS, state="sending"),
    ),
    "put back": Case(
        worker.PUT_BACK,
        {**FENCE, "to_state": "pending", "reply": None},
        HELD,
        one_each(**OTHER_HANDS, state="queued", wire_at=PAST),
    ),
    "readdress": Case(
        worker.READDRESS,
        {**FENCE, "its_recipient": "A@example.com", "its_address": "a@example.com"},
        HELD,
        one_each(**OTHER_HANDS, state="queued", wire_at=PAST),
    ),
    "defer": Case(
        worker.DEFER,
        {**FENCE, "reply": "its domain is held", "delay": 9},
        HELD,
        one_each(**OTHER_HANDS, state="queued", wire_at=PAST),
    ),
    "put off": Case(worker.PUT_OFF, {**FENCE, "delay": 9}, HELD, one_each(**OTHER_HANDS, state="queued", wire_at=PAST)),
    "release": Case(worker.RELEASE, FENCE, HELD, one_each(**OTHER_HANDS, state="failed", wire_at=PAST)),
    "renew": Case(
        worker.RENEW,
        {"ids": [1000], "our_token": 77, "lease": 9},
        HELD,
        one_each(token=78, state="queued", wire_at=PAST, lease_until=PAST),
    ),
    "mark queued": Case(
        publishing.MARK_QUEUED,
        {"ids": [1000], "of_gen": 2, "tokens": [77]},
        {"state": "pending", "gen": 2, "token": 77},
        one_each(gen=3, token=78, state="sent"),
    ),
    "doubt": Case(
        sweeping.DOUBT,
        {**SWEPT, "its_token": 77},
        DEAD_ON_WIRE,
        one_each(**OTHER_HANDS, state="sent", wire_at=None, lease_until=FUTURE),
    ),
    "put again": Case(
        sweeping.PUT_AGAIN,
        {**SWEPT, "its_token": 77},
        DEAD_ON_WIRE,
        one_each(**OTHER_HANDS, state="sent", wire_at=None, lease_until=FUTURE),
    ),
    "resend": Case(
        sweeping.RESEND,
        {**SWEPT, "its_token": 77},
        DEAD_ON_WIRE,
        one_each(**OTHER_HANDS, state="sent", wire_at=None, lease_until=FUTURE),
    ),
    "pick up": Case(
        sweeping.PICK_UP,
        {**SWEPT, "its_token": 77, "patience": 5},
        {**HELD, "lease_until": PAST},
        one_each(**OTHER_HANDS, state="queued", wire_at=PAST, lease_until=FUTURE),
    ),
    "put a queued one back": Case(
        sweeping.PUT_BACK,
        {**SWEPT, "patience": 5},
        {"state": "queued", "gen": 2, "changed_at": PAST, "not_before": PAST},
        one_each(gen=3, state="sent", changed_at=FUTURE, not_before=FUTURE),
    ),
    "end a leftover": Case(
        sweeping.END_LEFTOVER,
        {**SWEPT, "to_state": "cancelled", "reason": "x"},
        {"state": "queued", "gen": 2},
        one_each(gen=3, state="sending"),
    ),
    "bury one that nobody can read": Case(
        sweeping.BURY_UNREADABLE,
        SWEPT,
        {"state": "queued", "gen": 2, "not_before": PAST, "wire_at": None, "lease_until": PAST},
        one_each(gen=3, state="sent", not_before=FUTURE),
    ),
    "bury one whose worker died": Case(
        sweeping.BURY,
        SWEPT,
        {**HELD, "lease_until": PAST},
        one_each(gen=3, state="in_doubt", wire_at=PAST, lease_until=FUTURE),
    ),
    "revive": Case(
        sweeping.REVIVE,
        SWEPT,
        {"state": "queued", "gen": 2},
        one_each(gen=3, state="sent"),
    ),
    "requeue": Case(
        operating.REQUEUE,
        {**SWEPT, "from_state": "failed"},
        {"state": "failed", "gen": 2},
        one_each(gen=3, state="sent"),
    ),
    "retry now": Case(
        selections.RETRY_NOW,
        {"id": 1000, "of_gen": 2},
        {"state": "queued", "gen": 2, "not_before": FUTURE},
        one_each(gen=3, state="sending", not_before=PAST),
    ),
    "settle": Case(
        operating.SETTLE,
        {"id": 1000, "of_gen": 2, "to_state": "sent", "reason": "x", "new_token": 5},
        {"state": "in_doubt", "gen": 2},
        one_each(gen=3, state="failed"),
    ),
    "settle many": Case(
        doubts.SETTLE_MANY,
        {
            "ids": [1000],
            "fences": [(1000, 2, datetime.fromisoformat(PAST))],
            "to_state": "sent",
            "reason": "x",
            "new_token": 5,
        },
        {"state": "in_doubt", "gen": 2, "wire_at": PAST},
        one_each(gen=3, state="failed", wire_at=FUTURE),
    ),
}

JOBS = {
    "lease": Case(
        publishing.LEASE,
        {"ids": [1], "new_token": 5, "lease": 9},
        {**JOB, "lease_until": PAST},
        one_each(finished_at=PAST, lease_until=FUTURE),
    ),
    "hold for a chunk": Case(enlisting.HOLD, OURS, JOB, one_each(token=78, lease_until=PAST, enlisted_at=PAST)),
    "settled before": Case(enlisting.SETTLED_BEFORE, {**OURS, "settled": 3}, JOB, one_each(token=78)),
    "counted": Case(enlisting.COUNTED, {**OURS, **enlisting.Chunk().counts, "cursor": "7"}, JOB, one_each(token=78)),
    "enlisted": Case(enlisting.ENLISTED, OURS, JOB, one_each(token=78)),
    "taken over": Case(enlisting.TAKEN_OVER, {"id": 1}, JOB, []),
    "next round": Case(
        publishing.NEXT_ROUND,
        {
            "key": "1",
            "to_state": "active",
            "why": None,
            "left": None,
            "due_in": None,
            "of_channel": "default",
            "own_window": None,
            "spans_end": None,
        },
        {**JOB, "finished_at": PAST},
        one_each(finished_at=None),
    ),
    "hold one of an unknown channel": Case(
        served_channels.HOLD_JOB,
        {"id": 1, "of_channel": "gone", "why": "x"},
        {**JOB, "channel": "gone"},
        one_each(finished_at=PAST, state="paused", channel="default"),
    ),
    "release one whose channel is there": Case(
        served_channels.RELEASE_JOB,
        {"id": 1, "of_channel": "statements"},
        {**JOB, "state": "held", "channel": "statements"},
        one_each(finished_at=PAST, state="paused", channel="default"),
    ),
    "finish": Case(sweeping.FINISH, {"id": 1}, JOB, one_each(finished_at=PAST)),
    "late round": Case(reconciling.LATE_ROUND, {"id": 1}, {**JOB, "finished_at": PAST}, one_each(finished_at=None)),
    "take to compare": Case(
        reconciling.TAKE_TO_COMPARE,
        {"ids": [1], "new_token": 5, "lease": 9},
        {**JOB, "reconcile_until": PAST},
        one_each(reconcile_until=FUTURE),
    ),
    "still comparing": Case(
        reconciling.STILL_COMPARING,
        {"ids": [1], "our_token": 77, "lease": 9},
        COMPARED,
        one_each(reconcile_token=78, reconcile_until=PAST),
    ),
    "reconciled": Case(
        reconciling.RECONCILED,
        {"id": 1, "our_token": 77, "began": datetime.fromisoformat("2026-01-01"), "found_different": 3},
        COMPARED,
        one_each(reconcile_token=78, reconcile_until=PAST),
    ),
    "reconciled by hand": Case(
        reconciling.RECONCILED_BY_HAND,
        {"id": 1, "began": datetime.fromisoformat("2026-01-01"), "found_different": 3},
        COMPARED,
        [],
    ),
    "correct sums": Case(
        reconciling.CORRECT_SUMS, {"id": 1, "its_total": 2, "its_found": 2, "its_refused": 0}, JOB, []
    ),
    "enlist again": Case(sweeping.ENLIST_AGAIN, {"id": 1}, JOB, one_each(finished_at=PAST)),
    "let go": Case(publishing.LET_GO, {"ids": [1], "our_token": 77}, JOB, one_each(token=78, lease_until=PAST)),
    "enlisted alone": Case(publishing.ENLISTED_ALONE, {"ids": [1]}, JOB, one_each(enlisted_at=PAST)),
    "pause a held one": Case(
        operating.PAUSE, {"id": 1, "why": "x"}, {**JOB, "state": "held"}, one_each(finished_at=PAST, state="failed")
    ),
    "pause": Case(operating.PAUSE, {"id": 1, "why": "x"}, JOB, one_each(finished_at=PAST, state="cancelled")),
    "bind to a rehearsal": Case(
        rehearsed_starts.BIND,
        {"id": 1, "our_token": 77, "to_rehearsal": "abc"},
        NOT_STARTED,
        one_each(token=78, state="paused", rehearsal="def"),
    ),
    "pause without a rehearsal": Case(
        rehearsed_starts.PAUSE,
        {"id": 1, "our_token": 77, "why": "x"},
        NOT_STARTED,
        one_each(token=78, state="paused", rehearsal="def"),
    ),
    "resume": Case(
        operating.RESUME,
        {"id": 1, "is_watched": True, "of_rehearsal": None},
        {**JOB, "state": "paused"},
        one_each(finished_at=PAST, state="cancelled"),
    ),
    "pause by the watch": Case(
        job_watch.PAUSE,
        {"id": 1, "as_read": 3, "why": "x"},
        {**JOB, "revision": 3},
        one_each(finished_at=PAST, state="cancelled", revision=4),
    ),
    "warn of bounces": Case(
        job_watch.WARN_OF_BOUNCES,
        {"id": 1, "as_read": 3},
        {**JOB, "revision": 3, "warned_of_bounces": False},
        one_each(finished_at=PAST, state="paused", revision=4, warned_of_bounces=True),
    ),
    "warn of complaints": Case(
        job_watch.WARN_OF_COMPLAINTS,
        {"id": 1, "as_read": 3},
        {**JOB, "revision": 3, "warned_of_complaints": False},
        one_each(finished_at=PAST, state="paused", revision=4, warned_of_complaints=True),
    ),
    "cancel": Case(operating.CANCEL, {"id": 1, "why": "x"}, JOB, one_each(finished_at=PAST, state="failed")),
    "expire": Case(
        sweeping.EXPIRE_JOB,
        {"id": 1},
        {**JOB, "expires_at": PAST},
        one_each(finished_at=PAST, state="failed", expires_at=FUTURE),
    ),
    "reopen": Case(operating.REOPEN, {"id": 1}, {**JOB, "state": "finished"}, one_each(state="cancelled")),
}


@pytest.fixture(scope="module")
def world(
    request: pytest.FixtureRequest, database_kind: str, sqlite_too: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    if database_kind == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('fences')}/ledger.sqlite3"
    else:
        url = request.getfixturevalue("database_server").create_database("fences")
    world = World(url)
    world.add_job(["a@example.com", "b@example.com"])
    world.enlist()
    world.add_job(["c@example.com"], job_id=2)
    world.enlist(2)
    yield world
    world.close()


def put(world: World, table: str, row: dict[str, Any], key: str = "") -> None:
    columns = ", ".join(f"{name} = :{name}" for name in row)
    world.execute(f"UPDATE {table} SET {columns} {key}", **row)


def rows(world: World, table: str) -> list[tuple[Any, ...]]:
    return list(world.execute(f"SELECT * FROM {table} ORDER BY 1"))


def fits(world: World, case: Case) -> int:
    return int(world.database.run(lambda c: c.execute(case.statement, case.values).rowcount))


FRESH = {"not_before": None, "changed_at": PAST, "token": None, "wire_at": None, "lease_until": None}


MODULES = (
    worker, enlisting, publishing, sweeping, reconciling, operating, job_watch, suppression, selections, gates,
    shut_gates, send_turns, duties, destinations, rehearsed_starts,
)  # fmt: skip


GATE = {
    "reason": "away", "shut_at": PAST, "shut_until": PAST, "pause_seconds": 5.0, "trial_token": None,
    "trial_until": None, "mapping_off_at": None,
}  # fmt: skip
RATE = {"next_at": PAST, "pause_seconds": 5.0, "slowed_at": None, "factor": 1.0}
TURN = {"kind": "wire", "next_at": PAST}
DUTY = {"done_at": PAST, "holder": None, "held_until": None}
ITS, THEN = {"its_channel": "default"}, datetime.fromisoformat(PAST)
DISTANT = "2100-01-01 00:00:00.000000"
TURNS = {**ITS, "needs": 1.0, "patience": 2.0}
TOKEN = {"our_token": 77, "seconds": 9}
SHARED = {
    "shut a gate": ("eed_gate", Case(gates.SHUT, {**ITS, "why": "x"}, GATE, one_each(shut_until=FUTURE))),
    "try a gate": (
        "eed_gate",
        Case(
            gates.TRY,
            {**ITS, **TOKEN},
            {**GATE, "trial_token": 5, "trial_until": PAST},
            one_each(reason=None, shut_until=FUTURE, trial_until=FUTURE),
        ),
    ),
    "leave a gate": (
        "eed_gate",
        Case(gates.LEAVE, {**ITS, **TOKEN}, {**GATE, "trial_token": 77}, one_each(trial_token=78)),
    ),
    "open a gate": ("eed_gate", Case(gates.OPEN, ITS, GATE, one_each(reason=None, shut_until=FUTURE))),
    "open a gate that is proven": (
        "eed_gate",
        Case(gates.OPEN_PROVEN, {**ITS, "since": THEN}, GATE, one_each(shut_at=FUTURE)),
    ),
    "have a gate tried now": (
        "eed_gate",
        Case(
            gates.TRY_NOW,
            {**ITS, "since": THEN},
            {**GATE, "shut_until": FUTURE},
            one_each(shut_at=FUTURE, shut_until=PAST),
        ),
    ),
    "turn a mapping off": ("eed_gate", Case(gates.MAPPING_OFF, ITS, GATE, one_each(reason=None, mapping_off_at=PAST))),
    "turn a mapping on": (
        "eed_gate",
        Case(gates.MAPPING_ON, ITS, {**GATE, "mapping_off_at": PAST}, one_each(mapping_off_at=None)),
    ),
    "open a gate by hand": ("eed_gate", Case(shut_gates.OPEN_BY_HAND, ITS, GATE, one_each(reason=None))),
    "take turns": (
        "eed_send_rate",
        Case(
            send_turns.TAKE, {**ITS, "needs": 1.0, "patience": 2.0, "farthest": 1e10}, RATE, one_each(next_at=DISTANT)
        ),
    ),
    "take turns after a clock was set back": (
        "eed_send_rate",
        Case(
            send_turns.TAKE, {**ITS, "needs": 1.0, "patience": 2.0, "farthest": 60.0}, {**RATE, "next_at": DISTANT}, []
        ),
    ),
    "slow down": ("eed_send_rate", Case(send_turns.SLOW, ITS, {**RATE, "slowed_at": PAST}, one_each(slowed_at=FUTURE))),
    "slow down first": ("eed_send_rate", Case(send_turns.SLOW, ITS, RATE, [])),
    "recover": ("eed_send_rate", Case(send_turns.RECOVER, ITS, RATE, one_each(pause_seconds=1.0))),
    "take a turn to a destination": (
        "eed_domain_turn",
        Case(
            destinations.TURN,
            {"its_kind": "wire", "its_name": "default", "its_next": THEN},
            TURN,
            [{"kind": "publish"}],
        ),
    ),
    "keep a place": (
        "eed_domain_slot",
        Case(
            destinations.KEEP,
            {"its_name": "default", "ours": 77, "lease": 9},
            {"token": 77, "until_at": PAST},
            one_each(token=78),
        ),
    ),
    "take a duty": (
        "eed_duty",
        Case(duties.TAKE, {"its_name": "default", "seconds": 9}, DUTY, one_each(done_at=FUTURE)),
    ),
    "rest from a duty": ("eed_duty", Case(duties.REST, {"its_name": "default", "seconds": 9}, DUTY, [])),
    "hold a duty": (
        "eed_duty",
        Case(
            duties.HOLD,
            {"its_name": "default", **TOKEN},
            {**DUTY, "holder": 78, "held_until": PAST},
            one_each(held_until=FUTURE),
        ),
    ),
    "hold a duty again": (
        "eed_duty",
        Case(
            duties.HOLD,
            {"its_name": "default", **TOKEN},
            {**DUTY, "holder": 77, "held_until": FUTURE},
            one_each(holder=78),
        ),
    ),
    "hold a duty first": ("eed_duty", Case(duties.HOLD, {"its_name": "default", **TOKEN}, DUTY, [])),
    "let a duty go": (
        "eed_duty",
        Case(
            duties.LET_GO,
            {"its_name": "default", "our_token": 77},
            {**DUTY, "holder": 77, "held_until": FUTURE},
            one_each(holder=78),
        ),
    ),
}
"""Rows that hosts and functions share. The first is the one that a statement is about."""


@pytest.mark.parametrize(("table", "case"), SHARED.values(), ids=SHARED.keys())
def test_a_statement_changes_the_shared_row_it_is_about_and_no_other(world: World, table: str, case: Case) -> None:
    key = "name" if table in ("eed_duty", "eed_domain_turn", "eed_domain_slot") else "channel"
    names = ", ".join((key, *case.row))
    world.execute(f"DELETE FROM {table}")
    for name in ("default", "other"):
        values = ", ".join(f":{column}" for column in case.row)
        world.execute(f"INSERT INTO {table} ({names}) VALUES ('{name}', {values})", **case.row)
    neighbours = rows(world, table)[1:]
    assert fits(world, case) == 1
    assert rows(world, table)[1:] == neighbours
    for spoiler in case.spoil:
        put(world, table, {**case.row, **spoiler})
        assert fits(world, case) == 0, f"it fits although {spoiler}"
    world.execute(f"DELETE FROM {table}")


def test_every_update_of_these_modules_has_a_case() -> None:
    cases = [case.statement for case in (*EMAILS.values(), *JOBS.values(), *(case for _, case in SHARED.values()))]
    known = {id(statement) for statement in (*cases, *(one for one, _ in ENTRIES.values()), *WITH_TESTS_OF_THEIR_OWN)}
    updates = {
        f"{module.__name__}.{name}": statement
        for module in MODULES
        for name, statement in vars(module).items()
        if isinstance(statement, Update) and not name.startswith("_")
    }
    assert [name for name, statement in updates.items() if id(statement) not in known] == []


@pytest.mark.parametrize("case", EMAILS.values(), ids=EMAILS.keys())
def test_a_statement_changes_the_email_it_is_about_and_no_other(world: World, case: Case) -> None:
    put(world, "eed_job", {"state": "active", "expires_at": None, "finished_at": None})
    put(world, "eed_email", {**FRESH, **case.row})
    neighbours = rows(world, "eed_email")[1:]
    assert fits(world, case) == 1
    assert rows(world, "eed_email")[1:] == neighbours
    for spoiler in case.spoil:
        put(world, "eed_email", {**FRESH, **case.row, **spoiler})
        assert fits(world, case) == 0, f"it fits although {spoiler}"
    for spoiler in case.spoil_job:
        put(world, "eed_email", {**FRESH, **case.row})
        put(world, "eed_job", {"state": "active", "expires_at": None, **spoiler}, "WHERE job_id = 1")
        assert fits(world, case) == 0, f"it fits although its job has {spoiler}"


@pytest.mark.parametrize("case", JOBS.values(), ids=JOBS.keys())
def test_a_statement_changes_the_job_it_is_about_and_no_other(world: World, case: Case) -> None:
    put(world, "eed_job", {"expires_at": None, "channel": "default", **case.row})
    neighbours = rows(world, "eed_job")[1:]
    assert fits(world, case) == 1
    assert rows(world, "eed_job")[1:] == neighbours
    for spoiler in case.spoil:
        put(world, "eed_job", {**case.row, **spoiler})
        assert fits(world, case) == 0, f"it fits although {spoiler}"
    put(world, "eed_job", {"channel": "default"})


@pytest.mark.parametrize("begins", ["next round", "late round", "resume"])
def test_a_job_is_watched_anew_from_what_it_has_itself_sent_by_then(world: World, begins: str) -> None:
    put(world, "eed_email", {"state": "sent"})
    put(world, "eed_email", {"state": "failed"}, "WHERE email_id = 1001")
    put(world, "eed_job", {**JOBS[begins].row, "sent_before": 9})
    assert fits(world, JOBS[begins]) == 1
    assert world.execute("SELECT job_id, sent_before FROM eed_job ORDER BY 1") == [(1, 1), (2, 9)]


def test_a_known_row_gets_a_new_generation_only_as_it_was_read(world: World) -> None:
    values = {**SWEPT, "from_state": "failed", "from_job": 1, "to_job": 2, "to_recipient": "Z@example.com"}
    values["to_address"] = "z@example.com"
    case = Case(enlisting.REGENERATE, values, {}, [])
    as_read = {"state": "failed", "gen": 2, "job_id": 1, "recipient": "a@example.com", "address": "a@example.com"}
    as_read |= dict.fromkeys(("lease_until", "wire_at", "not_before", "queued_at", "outcome_at", "changed_at"), PAST)
    as_read |= {"outcome": "hard_bounced", "token": 77, "attempts": 3, "detail": "550 no", "message_id": "<m@x>"}
    for spoiler in one_each(gen=3, state="sent", job_id=2):
        put(world, "eed_email", {**as_read, **spoiler}, "WHERE email_id = 1000")
        assert fits(world, case) == 0, f"it fits although {spoiler}"
    put(world, "eed_email", as_read, "WHERE email_id = 1000")
    neighbours = rows(world, "eed_email")[1:]
    assert fits(world, case) == 1
    assert rows(world, "eed_email")[1:] == neighbours
    ((*now, changed_at),) = world.execute(
        "SELECT job_id, recipient, address, state, gen, attempts, token, lease_until, wire_at, not_before, queued_at,"
        " detail, message_id, outcome, outcome_at, changed_at FROM eed_email WHERE email_id = 1000"
    )
    assert now == [2, "Z@example.com", "z@example.com", "pending", 3, 0, *[None] * 9]
    assert str(changed_at) > PAST
    put(world, "eed_email", as_read, "WHERE email_id = 1000")
    put(world, "eed_email", {"outcome": None, "outcome_at": None, "queued_at": None}, "WHERE email_id = 1000")


def test_the_counts_of_a_chunk_are_added_and_the_lease_begins_anew(world: World) -> None:
    sums = {"found": 7, "total": 6, "regenerated": 5, "refused": 4}
    put(world, "eed_job", {**JOB, **sums, "enlist_after": "3", "not_enlisted": 0, "moved": 2})
    chunk = enlisting.Chunk(found=40, enlisted=30, regenerated=20, refused=Counter({"why": 10}))
    for cursor, behind in (("9", "9"), (None, "9")):
        world.execute("UPDATE eed_job SET lease_until = :past", past=PAST)
        fits(world, Case(enlisting.COUNTED, {**OURS, **chunk.counts, "cursor": cursor}, {}, []))
        assert world.scalar("SELECT enlist_after FROM eed_job WHERE job_id = 1") == behind
        assert str(world.scalar("SELECT lease_until FROM eed_job WHERE job_id = 1")) > PAST
    names = "found, total, regenerated, refused"
    assert world.execute(f"SELECT {names} FROM eed_job WHERE job_id = 1") == [(87, 66, 45, 24)]
    fits(world, Case(enlisting.TAKEN_OVER, {"id": 1}, {}, []))
    assert world.execute("SELECT total, moved FROM eed_job WHERE job_id = 1") == [(65, 3)]
    fits(world, Case(enlisting.SETTLED_BEFORE, {**OURS, "settled": 3}, {}, []))
    fits(world, Case(enlisting.ENLISTED, OURS, {}, []))
    assert world.execute("SELECT not_enlisted, enlisted_at > '2001-01-01' FROM eed_job WHERE job_id = 1") == [(3, 1)]
    world.execute("UPDATE eed_job SET enlisted_at = NULL, lease_until = :past WHERE job_id = 1", past=FUTURE)
    fits(world, Case(enlisting.HOLD, OURS, {}, []))
    assert str(world.scalar("SELECT lease_until FROM eed_job WHERE job_id = 1")) < FUTURE


WITH_TESTS_OF_THEIR_OWN = (enlisting.REGENERATE, worker.WENT_BEFORE, suppression.WISHED)

LISTED = {"address": "a@example.com", "category": "news", "expires_at": FUTURE}
WHO = {"its_address": "a@example.com", "its_category": "news", "why": "x", "by": "test"}
ENTRIES = {
    "prolong": (suppression.PROLONG, {**WHO, "lasting": 9}),
    "prolong until": (suppression.PROLONG_UNTIL, {**WHO, "until": datetime.fromisoformat("2100-01-01")}),
    "for ever": (suppression.FOR_EVER, WHO),
}


def listed(world: World, *entries: dict[str, Any]) -> None:
    world.execute("DELETE FROM eed_suppression")
    for entry in entries:
        world.execute(
            "INSERT INTO eed_suppression (address, category, reason, source, created_at, expires_at)"
            " VALUES (:address, :category, 'r', 's', '2001-01-01 00:00:00', :expires_at)",
            **entry,
        )


def suppressed(world: World) -> list[int]:
    asked = world.database.run(lambda c: c.execute(worker.STANDING, {"ids": [1000, 1001, 2000]}).all())
    return sorted(row.email_id for row in asked if row.suppressed)


def goes_on(world: World, *ids: int, channel: str = "default") -> list[int]:
    values = {"ids": ids or (1000, 1001, 2000), "our_token": 77, "of_channel": channel}
    return sorted(row.email_id for row in world.database.run(lambda c: c.execute(worker.HELD, values).all()))


@pytest.mark.parametrize(
    ("address", "has"),
    [("a@example.com", False), ("z@example.com", False), (f"{PREFIX}0a1b:{'5' * 40}", True)],
)
def test_a_claim_hears_whether_the_list_has_hashed_addresses(world: World, address: str, has: bool) -> None:
    """Each further look costs a claim its CPU: it is for lists with hashes alone, whatever else they have."""
    listed(world, {**LISTED, "address": address})
    put(world, "eed_job", {"state": "active", "expires_at": None})
    put(world, "eed_email", {**FRESH, **HELD})
    values = {"ids": (1000, 1001, 2000), "our_token": 77, "of_channel": "default"}
    for statement in (worker.HELD, worker.STANDING):
        rows = world.database.run(lambda c, statement=statement: c.execute(statement, values).all())
        assert {bool(row.has_pseudonyms) for row in rows} == {has}


def test_a_claim_goes_on_with_what_it_holds_of_an_active_job_and_with_nothing_else(world: World) -> None:
    listed(world)
    put(world, "eed_job", {"state": "active", "expires_at": None})
    put(world, "eed_email", {**FRESH, **HELD})
    assert goes_on(world) == [1000, 1001, 2000]
    assert goes_on(world, 1001) == [1001]
    put(world, "eed_job", {"expires_at": FUTURE})
    assert goes_on(world) == [1000, 1001, 2000]
    for spoiler in one_each(token=78, state="queued"):
        put(world, "eed_email", {**FRESH, **HELD, **spoiler}, "WHERE email_id = 1000")
        assert goes_on(world) == [1001, 2000], f"it goes on although {spoiler}"
        put(world, "eed_email", {**FRESH, **HELD}, "WHERE email_id = 1000")
    sound = {"state": "active", "expires_at": FUTURE, "channel": "default"}
    for spoiler in one_each(state="paused", expires_at=PAST, channel="statements"):
        put(world, "eed_job", {**sound, **spoiler}, "WHERE job_id = 1")
        assert goes_on(world) == [2000], f"it goes on although its job has {spoiler}"
    assert goes_on(world, channel="statements") == [1000, 1001]
    put(world, "eed_job", sound)


def test_nothing_of_a_held_channel_is_claimed_or_wired(world: World) -> None:
    case = EMAILS["wire"]

    def stands(held_until: str | None) -> tuple[list[int], bool, int]:
        put(world, "eed_job", {"held_until": held_until}, "WHERE job_id = 1")
        put(world, "eed_email", {**FRESH, **case.row})
        held = world.database.run(lambda c: c.execute(worker.STANDING, {"ids": [1000]}).one().is_held)
        return goes_on(world), bool(held), fits(world, case)

    put(world, "eed_job", {"state": "active", "expires_at": None, "channel": "default", "held_until": None})
    assert stands(FUTURE) == ([2000], True, 0)
    assert stands(PAST) == ([1000, 1001, 2000], False, 1)
    assert stands(None) == ([1000, 1001, 2000], False, 1)


@pytest.mark.parametrize(
    ("spans", "is_open"),
    [
        ({}, True),
        ({"window_from": PAST, "window_until": FUTURE}, True),
        ({"window_from": FUTURE, "window_until": FUTURE}, False),
        ({"window_from": PAST, "window_until": PAST}, False),
        ({"window_until": FUTURE, "next_window_from": PAST, "next_window_until": FUTURE}, True),
        ({"window_until": FUTURE, "next_window_from": FUTURE, "next_window_until": FUTURE}, False),
        ({"window_until": PAST, "next_window_from": PAST, "next_window_until": PAST}, False),
    ],
)
def test_nothing_is_claimed_or_wired_outside_of_a_window(world: World, spans: dict[str, str], is_open: bool) -> None:
    case = EMAILS["wire"]
    put(world, "eed_job", {"state": "active", "expires_at": None, "channel": "default", "held_until": None})
    put(world, "eed_job", {**NO_SPANS, **spans}, "WHERE job_id = 1")
    put(world, "eed_email", {**FRESH, **case.row})
    held = world.database.run(lambda c: c.execute(worker.STANDING, {"ids": [1000]}).one().is_held)
    found = (goes_on(world), bool(held), fits(world, case))
    assert found == (([1000, 1001, 2000], False, 1) if is_open else ([2000], True, 0))
    put(world, "eed_job", NO_SPANS)


NO_SPANS = dict.fromkeys(("window_from", "window_until", "next_window_from", "next_window_until"))


def test_spans_are_written_into_the_jobs_that_are_named_and_of_the_channel_that_was_seen(world: World) -> None:
    put(world, "eed_job", {"channel": "default", "rounds": 0})
    moment = datetime.fromisoformat("2100-01-01")
    values = dict.fromkeys(("begin", "end", "next_begin", "next_end"), moment)
    assert fits(world, Case(windows.MARK, {"ids": [1], "of_channel": "letters", "seen": 0, **values}, {}, [])) == 0
    assert fits(world, Case(windows.MARK, {"ids": [1], "of_channel": "default", "seen": 1, **values}, {}, [])) == 0
    assert fits(world, Case(windows.MARK, {"ids": [1], "of_channel": "default", "seen": 0, **values}, {}, [])) == 1
    assert world.execute("SELECT job_id FROM eed_job WHERE next_window_until IS NOT NULL") == [(1,)]
    put(world, "eed_job", NO_SPANS)


def test_jobs_are_looked_at_that_have_no_span_or_one_that_is_over(world: World) -> None:
    def found(statement: Any, after: int = 0) -> list[int]:
        return world.database.run(lambda c: list(c.execute(statement, {"after": after}).scalars()))

    put(world, "eed_job", {"finished_at": None, **NO_SPANS})
    assert found(windows.DUE) == [1, 2] and found(windows.DUE, 1) == [2]
    assert found(windows.WITH_SPANS) == []
    put(world, "eed_job", {"window_until": FUTURE}, "WHERE job_id = 1")
    assert found(windows.DUE) == [2] and found(windows.WITH_SPANS) == [1]
    put(world, "eed_job", {"window_until": PAST})
    assert found(windows.DUE) == found(windows.WITH_SPANS) == [1, 2]
    put(world, "eed_job", {"finished_at": PAST})
    assert found(windows.DUE) == found(windows.WITH_SPANS) == []
    put(world, "eed_job", {"finished_at": None, **NO_SPANS})


def test_an_override_ends_only_when_its_end_has_come(world: World) -> None:
    for scope, until in (("all", FUTURE), ("channel", PAST)):
        world.execute(
            "INSERT INTO eed_window_override (scope, subject, reason, who, set_at, until_at)"
            " VALUES (:scope, '', 'r', 'w', '2001-01-01 00:00:00', :until)",
            scope=scope, until=until,
        )  # fmt: skip
    first, second = (n for (n,) in world.execute("SELECT override_id FROM eed_window_override ORDER BY scope"))
    assert fits(world, Case(overrides.END_OVERRIDE, {"id": first}, {}, [])) == 0  # type: ignore[arg-type]
    assert fits(world, Case(overrides.END_OVERRIDE, {"id": first + second}, {}, [])) == 0  # type: ignore[arg-type]
    assert fits(world, Case(overrides.END_OVERRIDE, {"id": second}, {}, [])) == 1  # type: ignore[arg-type]
    world.execute("DELETE FROM eed_window_override")


def test_only_the_jobs_that_are_named_are_marked(world: World) -> None:
    put(world, "eed_job", {"channel": "default"})
    copy = {"until": datetime.fromisoformat("2100-01-01"), "domains": "@example.com "}
    assert fits(world, Case(marking.MARK, {"ids": [1], "of_channel": "letters", **copy}, {}, [])) == 0
    assert fits(world, Case(marking.MARK, {"ids": [1], "of_channel": "default", **copy}, {}, [])) == 1
    assert world.execute("SELECT job_id, held_domains FROM eed_job WHERE held_until IS NOT NULL") == [
        (1, "@example.com ")
    ]
    put(world, "eed_job", {"held_until": None, "held_domains": None})


def holds_in(world: World, *rows: dict[str, Any]) -> None:
    world.execute("DELETE FROM eed_hold")
    for row in rows:
        values = {"scope": "all", "subject": "", "until_at": None, "in_force_at": None, **row}
        world.execute(
            "INSERT INTO eed_hold (scope, subject, reason, who, held_at, until_at, in_force_at)"
            " VALUES (:scope, :subject, 'r', 'w', '2001-01-01 00:00:00', :until_at, :in_force_at)",
            **values,
        )


UNHELD = {"finished_at": None, "held_until": None, "held_domains": None, "channel": "default", "category": "news"}


def test_jobs_are_marked_that_are_held_and_those_that_are_marked(world: World) -> None:
    def hold(scope: str, subject: str = "", until_at: str | None = None) -> list[int]:
        holds_in(world, {"scope": scope, "subject": subject, "until_at": until_at})
        return world.database.run(lambda c: list(c.execute(marking.MAY_BE_MARKED, {"after": 0}).scalars()))

    put(world, "eed_job", UNHELD)
    put(world, "eed_job", {"channel": "letters", "category": "advice"}, "WHERE job_id = 2")
    assert hold("channel", "default") == [1]
    assert hold("category", "advice") == [2]
    assert hold("all", until_at=FUTURE) == [1, 2]
    assert hold("all", until_at=PAST) == []
    assert hold("domain", "example.com") == [1, 2]
    assert hold("domain", "example.com", PAST) == []
    assert hold("channel", "news") == hold("category", "default") == []
    put(world, "eed_job", {"held_until": PAST}, "WHERE job_id = 2")
    assert hold("channel", "gone") == [2]
    put(world, "eed_job", {"held_until": None, "held_domains": "@a.example "}, "WHERE job_id = 2")
    assert hold("channel", "gone") == [2]
    put(world, "eed_job", {"finished_at": PAST})
    assert hold("all") == hold("domain", "example.com") == []
    put(world, "eed_job", UNHELD)
    world.execute("DELETE FROM eed_hold")


def test_a_hold_is_in_force_once_and_ends_only_when_its_end_has_come(world: World) -> None:
    holds_in(world, {"in_force_at": None}, {"scope": "channel", "in_force_at": PAST, "until_at": PAST})
    first, second = (number for (number,) in world.execute("SELECT hold_id FROM eed_hold ORDER BY scope"))
    assert fits(world, Case(marking.IN_FORCE, {"ids": [second]}, {}, [])) == 0
    assert fits(world, Case(marking.IN_FORCE, {"ids": [first]}, {}, [])) == 1
    assert fits(world, Case(marking.IN_FORCE, {"ids": [first]}, {}, [])) == 0
    assert fits(world, Case(holds.END_HOLD, {"id": first}, {}, [])) == 0  # type: ignore[arg-type]
    assert fits(world, Case(holds.END_HOLD, {"id": first + second}, {}, [])) == 0  # type: ignore[arg-type]
    assert fits(world, Case(holds.END_HOLD, {"id": second}, {}, [])) == 1  # type: ignore[arg-type]
    world.execute("DELETE FROM eed_hold")


def test_nothing_to_a_held_domain_is_claimed_or_wired(world: World) -> None:
    case = EMAILS["wire"]

    def stands(held_domains: str | None, address: str | None = "a@sub.example.com") -> tuple[list[int], bool, int]:
        put(world, "eed_job", {"held_domains": held_domains}, "WHERE job_id = 1")
        put(world, "eed_email", {**FRESH, **case.row})
        put(world, "eed_email", {"address": address}, "WHERE email_id = 1000")
        held = world.database.run(lambda c: c.execute(worker.STANDING, {"ids": [1000]}).one().is_held)
        return goes_on(world), bool(held), fits(world, case)

    free, kept = ([1000, 1001, 2000], False, 1), ([1001, 2000], True, 0)
    put(world, "eed_job", {"state": "active", "expires_at": None, "channel": "default", "held_until": None})
    assert stands("@other.example @sub.example.com ") == kept
    for domains in (None, "", "@com ", "@sub.example.co ", "@sub.example.com.example "):
        assert stands(domains) == free, domains
    assert stands("@sub.example.com ", None) == free
    put(world, "eed_job", {"held_domains": None})
    put(world, "eed_email", {"address": "a@example.com"}, "WHERE email_id = 1000")


def test_a_channel_is_changed_only_as_it_was_seen(world: World) -> None:
    world.execute("DELETE FROM eed_channel")
    for name in ("letters", "statements"):
        world.execute(
            "INSERT INTO eed_channel (name, settings, version, made_by, made_at, changed_by, changed_at)"
            " VALUES (:name, '{}', 3, 'w', '2001-01-01 00:00:00', 'w', '2001-01-01 00:00:00')",
            name=name,
        )
    values = {"its_name": "letters", "seen": 3, "its_settings": "{}", "by": "x"}
    for spoiler in one_each(its_name="gone", seen=2):
        assert fits(world, Case(channel_listing.CHANGE, {**values, **spoiler}, {}, [])) == 0
    assert fits(world, Case(channel_listing.CHANGE, values, {}, [])) == 1
    assert world.execute("SELECT name, version FROM eed_channel ORDER BY 1") == [("letters", 4), ("statements", 3)]
    world.execute("DELETE FROM eed_channel")


def of_wrong_channels(world: World, *known: str) -> list[tuple[int, str]]:
    values = {"known": known or ("default",), "alive": 60}
    return [(row.job_id, row.state) for row in world.database.run(lambda c: c.execute(served_channels.FOUND, values))]


def worker_of(world: World, channel: str, **columns: Any) -> None:
    world.execute("DELETE FROM eed_worker")
    row = {"worker_id": "h:1", "host": "h", "role": "worker", "sending": True, "channel": channel}
    row |= {"started_at": PAST, "heartbeat_at": FUTURE, **columns}
    names = ", ".join(row)
    world.execute(f"INSERT INTO eed_worker ({names}) VALUES ({', '.join(':' + name for name in row)})", **row)


def test_jobs_of_channels_that_are_not_there_are_found_and_held_ones_whose_channel_is(world: World) -> None:
    world.execute("DELETE FROM eed_worker")
    put(world, "eed_job", {"state": "active", "finished_at": None, "channel": "default"})
    first = "WHERE job_id = 1"
    assert of_wrong_channels(world) == []
    put(world, "eed_job", {"channel": "gone"}, first)
    assert of_wrong_channels(world) == [(1, "active")]
    assert of_wrong_channels(world, "default", "gone") == []
    for spoiler in one_each(state="paused", finished_at=PAST):
        put(world, "eed_job", {"state": "active", "finished_at": None, **spoiler}, first)
        assert of_wrong_channels(world) == []
    put(world, "eed_job", {"state": "held", "finished_at": None}, first)
    assert of_wrong_channels(world) == []
    assert of_wrong_channels(world, "default", "gone") == [(1, "held")]
    put(world, "eed_job", {"finished_at": PAST}, first)
    assert of_wrong_channels(world, "default", "gone") == []
    put(world, "eed_job", {"state": "active", "finished_at": None, "channel": "default"})


def test_a_channel_that_a_living_worker_of_another_host_serves_is_there(world: World) -> None:
    put(world, "eed_job", {"state": "active", "finished_at": None, "channel": "elsewhere"}, "WHERE job_id = 1")
    worker_of(world, "elsewhere")
    assert of_wrong_channels(world) == []
    put(world, "eed_job", {"state": "held"}, "WHERE job_id = 1")
    assert of_wrong_channels(world) == [(1, "held")]
    put(world, "eed_job", {"state": "active"}, "WHERE job_id = 1")
    for spoiler in one_each(channel="default", role="publisher", heartbeat_at=PAST):
        worker_of(world, **{"channel": "elsewhere", **spoiler})
        assert of_wrong_channels(world) == [(1, "active")], f"it is served although {spoiler}"
    world.execute("DELETE FROM eed_worker")
    put(world, "eed_job", {"channel": "default"})


def test_a_claim_is_told_of_the_suppressed_address_and_of_no_other(world: World) -> None:
    put(world, "eed_email", {**FRESH, **HELD})
    put(world, "eed_job", {"category": "news", "state": "active", "expires_at": None})
    for entry in (LISTED, {**LISTED, "category": ""}, {**LISTED, "expires_at": None}):
        listed(world, entry)
        assert (suppressed(world), goes_on(world)) == ([1000], [1001, 2000]), entry
    listed(world, LISTED, {**LISTED, "category": ""})
    assert (suppressed(world), goes_on(world)) == ([1000], [1001, 2000]), "twice on the list is no other than once"
    for spoiler in one_each(address="z@example.com", category="offers", expires_at=PAST):
        listed(world, {**LISTED, **spoiler})
        assert (suppressed(world), goes_on(world)) == ([], [1000, 1001, 2000]), f"suppressed although {spoiler}"
    listed(world, LISTED)
    put(world, "eed_job", {"category": ""})
    assert (suppressed(world), goes_on(world)) == ([], [1000, 1001, 2000])


def test_a_claim_is_told_of_a_suppressed_domain_and_of_no_other(world: World) -> None:
    put(world, "eed_email", {**FRESH, **HELD})
    put(world, "eed_job", {"category": "news", "state": "active", "expires_at": None})
    addresses = {1000: "a@example.com", 1001: '"@b"@sub.example.com', 2000: '"a@example.com"@c.example'}
    for email_id, address in addresses.items():
        put(world, "eed_email", {"address": address}, f"WHERE email_id = {email_id}")
    whole = {**LISTED, "address": "@example.com"}
    for entry in (whole, {**whole, "category": ""}, {**whole, "expires_at": None}):
        listed(world, entry)
        assert (suppressed(world), goes_on(world)) == ([1000], [1001, 2000]), entry
    for spoiler in one_each(address="@z.example", category="offers", expires_at=PAST):
        listed(world, {**whole, **spoiler})
        assert (suppressed(world), goes_on(world)) == ([], [1000, 1001, 2000]), f"suppressed although {spoiler}"
    for address, email_id in (("@sub.example.com", 1001), ("@c.example", 2000)):
        listed(world, {**whole, "address": address})
        assert suppressed(world) == [email_id] == sorted({1000, 1001, 2000} - set(goes_on(world)))
    for email_id, address in ((1000, "a@example.com"), (1001, "b@example.com"), (2000, "c@example.com")):
        put(world, "eed_email", {"address": address}, f"WHERE email_id = {email_id}")


def goes_on_as_files(world: World, channel: str = "default") -> list[int]:
    values = {"ids": (1000, 1001, 2000), "our_token": 77, "of_channel": channel}
    return sorted(row.email_id for row in world.database.run(lambda c: c.execute(worker.HELD_FOR_FILES, values).all()))


def test_the_claim_of_a_channel_that_puts_files_asks_no_list_and_all_else(world: World) -> None:
    job = {"category": "news", "state": "active", "expires_at": None, "channel": "default", "held_until": None}
    listed(world, LISTED, {**LISTED, "address": "@example.com"})
    put(world, "eed_email", {**FRESH, **HELD})
    put(world, "eed_job", job)
    assert goes_on_as_files(world) == [1000, 1001, 2000]
    for spoiler in one_each(token=78, state="queued"):
        put(world, "eed_email", {**FRESH, **HELD, **spoiler}, "WHERE email_id = 1000")
        assert goes_on_as_files(world) == [1001, 2000], f"it goes on although {spoiler}"
    put(world, "eed_email", {**FRESH, **HELD})
    for spoiler in one_each(state="paused", expires_at=PAST, channel="other", held_until=FUTURE):
        put(world, "eed_job", {**job, **spoiler}, "WHERE job_id = 1")
        assert goes_on_as_files(world) == [2000], f"it goes on although its job has {spoiler}"
    put(world, "eed_job", job)


def test_an_operator_may_send_to_a_suppressed_address(world: World) -> None:
    put(world, "eed_email", {**FRESH, **HELD})
    put(world, "eed_job", {"category": "news", "state": "active", "expires_at": None})
    for address in ("a@example.com", "@example.com"):
        listed(world, {**LISTED, "address": address})
        put(world, "eed_email", {"despite_list": True}, "WHERE email_id = 1000")
        told = suppressed(world), goes_on(world, 1000)
        put(world, "eed_email", {"despite_list": False})
        assert told[0] == ([] if address == "a@example.com" else [1001, 2000])
        assert told[1] == [1000]


ATTEMPT = {"email_id": 1000, "gen": 2, "attempt": 1, "verdict": "temporary", "counted": True, "took_ms": 5}


def test_only_tries_of_this_email_without_an_address_are_said_to_have_gone_to_the_former_one(world: World) -> None:
    values = {"id": 1000, "so_far": "former@example.com"}
    fitting = (ATTEMPT, {**ATTEMPT, "took_ms": None}, {**ATTEMPT, "counted": False})
    spoilt = ({"email_id": 1001}, {"recipient": "known@example.com"}, {"counted": False, "took_ms": None})
    for attempt in (*fitting, *({**ATTEMPT, **one} for one in spoilt)):
        world.execute("DELETE FROM eed_attempt")
        world.execute(
            "INSERT INTO eed_attempt (email_id, gen, attempt, verdict, counted, took_ms, recipient, ended_at)"
            " VALUES (:email_id, :gen, :attempt, :verdict, :counted, :took_ms, :recipient, '2001-01-01 00:00:00')",
            **{"recipient": None, **attempt},
        )
        assert fits(world, Case(worker.WENT_BEFORE, values, {}, [])) == (attempt in fitting), attempt


def test_a_complaint_marks_the_entry_it_is_about_and_no_other_source_replaces_it(world: World) -> None:
    others = [{**LISTED, "category": ""}, {**LISTED, "address": "b@example.com"}]
    listed(world, {**LISTED, "expires_at": None}, *others)
    complained = Case(suppression.WISHED, {**WHO, "by": "complaint"}, {}, [])
    assert (fits(world, complained), fits(world, complained)) == (1, 0)
    source = "SELECT address, category FROM eed_suppression WHERE source = 'complaint'"
    assert world.execute(source) == [("a@example.com", "news")]
    world.execute("UPDATE eed_suppression SET expires_at = :past", past=PAST)
    assert fits(world, Case(suppression.FOR_EVER, WHO, {}, [])) == 1
    assert world.execute(source) == [("a@example.com", "news")]


@pytest.mark.parametrize(("statement", "values"), ENTRIES.values(), ids=ENTRIES.keys())
def test_a_statement_prolongs_the_entry_it_is_about_and_no_other(
    world: World, statement: Update, values: dict[str, Any]
) -> None:
    case = Case(statement, values, {}, [])
    soon = {**LISTED, "expires_at": PAST}
    others = [{**soon, "category": ""}, {**soon, "category": "offers"}, {**soon, "address": "b@example.com"}]
    listed(world, soon, *others)
    assert fits(world, case) == 1
    changed = world.execute("SELECT address, category FROM eed_suppression WHERE reason = 'x'")
    assert changed == [("a@example.com", "news")]
    for stands in (None, FUTURE):
        listed(world, {**LISTED, "expires_at": stands})
        shorter = stands is None or statement is not suppression.FOR_EVER
        assert fits(world, case) == (0 if shorter else 1), f"it stands until {stands}"
