"""Operations: acts that are done in chunks beside the request that asked, stopped, continued, and never done twice."""

import json
import threading
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Update
from werkzeug.test import TestResponse

from eed_delivery.access.signing_keys import Fetch
from eed_delivery.app.long_acts import LongActSteps, long_act_steps
from eed_delivery.ledger.actor import SERVICE
from eed_delivery.ledger.long_acts import statements
from eed_delivery.ledger.long_acts.ledger import LongActLedger
from eed_delivery.ledger.long_acts.long_act import ENDED, TRANSITIONS, LongActState
from eed_delivery.ledger.webhooks.outbox import Outbox
from eed_delivery.notices import NoticeKind
from eed_delivery.runtime import failpoints
from tests.operators_site import PASSWORD, Site
from tests.world import World

pytestmark = [pytest.mark.both_databases, pytest.mark.also_on_sqlite]

URL = "/api/v1/operations"
PAST, FUTURE = "2001-01-01 00:00:00.000000", "2999-01-01 00:00:00.000000"
EMAILS = 25
REQUEUE = {"kind": "requeue", "selection": {"jobs": ["1"]}, "reason": "the relay is mended"}


class Desk:
    """A site, and the steps that do what is asked of it, in chunks of ten."""

    def __init__(self, world: World, directory: Path, more: str = "", fetch: Fetch | None = None) -> None:
        self.site = Site(world, directory, more, fetch)
        self.world = world
        self.steps = long_act_steps(self.site.settings, world.database, chunk=10)
        self._keys = iter(range(10_000))

    def count(self, order: dict[str, Any], role: str = "admin") -> dict[str, Any]:
        """What a dry run says."""
        found: dict[str, Any] = self.site.json("POST", f"{URL}?dry_run=true", order, role=role)
        return found

    def start(self, order: dict[str, Any], role: str = "admin") -> str:
        """Count, confirm, and start. Returns the id."""
        etag = self.count(order, role)["selection_etag"]
        answer = self.site.ask("POST", URL, {**order, "selection_etag": etag}, role=role, Idempotency_Key=self.key())
        assert answer.status_code == 202, answer.text
        return str(answer.json["id"])  # type: ignore[index]

    def key(self) -> str:
        return f"key-{next(self._keys)}"

    def of(self, act_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.site.json("GET", f"{URL}/{act_id}")
        return found

    def run(self) -> None:
        """All that can be done now."""
        while 0.0 in (self.steps.chunks(), self.steps.whole(), self.steps.decisions()):
            pass

    def fail(self, *email_ids: int, detail: str = "550 no", at: str = PAST) -> None:
        ids = ", ".join(map(str, email_ids)) or "SELECT id FROM delivery_email"
        self.world.execute(
            f"UPDATE eed_email SET state = 'failed', detail = :detail, changed_at = :at WHERE email_id IN ({ids})",
            detail=detail, at=at,
        )  # fmt: skip

    def lapse(self) -> None:
        """Let the lease of a process end that was killed."""
        self.world.execute(f"UPDATE eed_operation SET lease_until = '{PAST}' WHERE lease_until IS NOT NULL")

    def gens(self) -> list[int]:
        return [gen for (gen,) in self.world.execute("SELECT gen FROM eed_email ORDER BY email_id")]

    def acts(self, act: str) -> list[tuple[Any, ...]]:
        return list(
            self.world.execute(
                "SELECT who, surface, reason, count, operation FROM eed_audit WHERE act = :act ORDER BY act_id", act=act
            )
        )


@pytest.fixture
def desk(world: World, tmp_path: Path) -> Desk:
    """With a job of 25 emails that have failed."""
    world.add_job([f"a{n}@example.com" for n in range(EMAILS)])
    world.enlist()
    reports = tmp_path / "reports"
    desk = Desk(world, tmp_path, f'[operators]\nlisten = "127.0.0.1:8027"\nreports_directory = "{reports}"\n')
    desk.fail()
    return desk


class Killed(BaseException):
    """As kill -9 leaves it, within one process."""


@pytest.fixture
def kill() -> Iterator[Callable[[str], None]]:
    """Be killed at a failpoint, once."""

    def at(place: str) -> None:
        def strike(name: str) -> None:
            if name == place:
                failpoints.hook(None)
                raise Killed(place)

        failpoints.hook(strike)

    yield at
    failpoints.hook(None)


# --- from the count to the end ---------------------------------------------------------------------------------------


def test_what_was_counted_is_done_in_chunks_and_each_has_its_row_of_the_audit(desk: Desk) -> None:
    assert desk.count(REQUEUE)["count"] == EMAILS
    assert desk.gens() == [0] * EMAILS
    act_id = desk.start(REQUEUE, "operator")
    assert (desk.of(act_id)["state"], desk.of(act_id)["total"]) == ("waiting", EMAILS)
    assert desk.steps.chunks() == 0.0
    shown = desk.of(act_id)
    assert (shown["state"], shown["done"], shown["total"]) == ("running", 10, EMAILS)
    desk.run()
    shown = desk.of(act_id)
    assert (shown["state"], shown["done"], shown["skipped"]) == ("done", EMAILS, 0)
    assert shown["result"] == {"done": EMAILS, "skipped": 0}
    assert desk.gens() == [1] * EMAILS
    assert {desk.world.source_status(n) for n in range(1000, 1025)} == {"pending"}
    why = "the relay is mended (failed ones)"
    assert desk.acts("requeue") == [("token operator", "api", why, n, act_id) for n in (10, 10, 5)]
    assert desk.acts("operation_start") == [("token operator", "api", "the relay is mended", None, act_id)]


def test_the_same_act_is_entered_once_for_a_key_also_after_a_kill(desk: Desk) -> None:
    order = {**REQUEUE, "selection_etag": desk.count(REQUEUE)["selection_etag"]}
    first = desk.site.ask("POST", URL, order, Idempotency_Key="one")
    again = desk.site.ask("POST", URL, order, Idempotency_Key="one")
    assert (again.status_code, again.json) == (202, first.json)
    assert again.headers["Idempotent-Replayed"] == "true"
    desk.run()
    desk.world.execute(f"UPDATE eed_idempotency_key SET status = NULL, answer = NULL, lease_until = '{PAST}'")
    killed = desk.site.ask("POST", URL, order, Idempotency_Key="one")  # as before its answer
    assert (killed.status_code, killed.json["id"], killed.json["state"]) == (202, first.json["id"], "done")  # type: ignore[index]
    assert desk.world.scalar("SELECT COUNT(*) FROM eed_operation") == 1
    assert desk.site.problem("POST", URL, order)[0] == 428


def test_an_act_needs_the_count_of_its_own_selection(desk: Desk) -> None:
    etag = desk.count(REQUEUE)["selection_etag"]
    for order, status in (
        (REQUEUE, 428),
        ({**REQUEUE, "selection_etag": "invented"}, 422),
        ({**REQUEUE, "selection_etag": "0-20260230T000000000000-0123456789abcdef"}, 422),
        ({**REQUEUE, "selection": {"every": True}, "selection_etag": etag}, 422),
    ):
        assert desk.site.problem("POST", URL, order, Idempotency_Key=desk.key())[0] == status, order
    assert desk.world.scalar("SELECT COUNT(*) FROM eed_operation") == 0


def test_a_selection_that_grew_is_refused_unless_that_is_tolerated(desk: Desk) -> None:
    desk.world.add_job(["x@example.com", "y@example.com"], job_id=2)
    desk.world.enlist(2)
    order = {**REQUEUE, "selection": {"jobs": ["1", "2"]}}
    etag = desk.count(order)["selection_etag"]
    desk.fail(2000, at=FUTURE)
    status, problem = desk.site.problem("POST", URL, {**order, "selection_etag": etag}, Idempotency_Key="a")
    assert (status, problem["type"]) == (412, "urn:eed-delivery:problem:changed")
    assert "25 matched then, 26 match now" in problem["detail"]
    # one goes and another comes: the count is the same, and still they are not those that were looked at
    desk.world.execute("UPDATE eed_email SET state = 'sent' WHERE email_id = 1000")
    assert desk.site.problem("POST", URL, {**order, "selection_etag": etag}, Idempotency_Key="b")[0] == 412
    tolerant = {**order, "selection_etag": etag, "tolerance": 1}
    assert desk.site.ask("POST", URL, tolerant, Idempotency_Key="c").status_code == 202


def test_what_fails_after_it_was_confirmed_is_left(desk: Desk) -> None:
    desk.start(REQUEUE)
    desk.fail(1020, at=FUTURE)
    desk.run()
    assert desk.gens() == [1] * 20 + [0] + [1] * 4


def test_a_selection_by_reason_takes_these_only(desk: Desk) -> None:
    desk.fail(1003, 1017, detail="452 100% full_up")
    act_id = desk.start({**REQUEUE, "selection": {"every": True, "reason_contains": "100% full_"}})
    desk.run()
    assert desk.of(act_id)["done"] == 2
    assert [n for n, gen in enumerate(desk.gens()) if gen] == [3, 17]


MISFITS: list[tuple[dict[str, Any], str]] = [
    ({**REQUEUE, "selection": {}}, "/selection"),
    ({**REQUEUE, "selection": {"every": True, "jobs": ["1"]}}, "/selection"),
    ({**REQUEUE, "selection": {"job": ["1"]}}, "/selection/job"),
    ({**REQUEUE, "selection": {"jobs": ["1"], "domain": "example.com"}}, "/selection/domain"),
    ({**REQUEUE, "selection": {"emails": ["1"] * 1001}}, "/selection/emails"),
    ({**REQUEUE, "selection": {"jobs": ["1"], "state": "in_doubt"}}, "/accept_duplicates"),
    ({**REQUEUE, "as": "sent"}, "/as"),
    ({**REQUEUE, "kind": "settle"}, "/as"),
    ({**REQUEUE, "kind": "retry_now", "selection": {"jobs": ["1"], "state": "failed"}}, "/selection/state"),
    ({**REQUEUE, "kind": "unsuppress"}, "/selection/jobs"),
    ({**REQUEUE, "kind": "cancel"}, "/kind"),
    ({**REQUEUE, "canary": 0}, "/canary"),
    ({**REQUEUE, "reason": " "}, "/reason"),
]


def test_an_order_that_does_not_fit_says_where(desk: Desk) -> None:
    for order, pointer in MISFITS:
        status, problem = desk.site.problem("POST", f"{URL}?dry_run=true", order)
        assert (status, [one["pointer"] for one in problem["errors"]]) == (422, [pointer]), order


def test_operations_are_listed_page_by_page(desk: Desk) -> None:
    ids = [desk.start(REQUEUE) for _ in range(3)]
    first = desk.site.json("GET", f"{URL}?limit=2&unfinished=true")
    second = desk.site.json("GET", first["next"])
    assert [one["id"] for one in (*first["items"], *second["items"])] == ids[::-1]
    assert second["next"] is None
    desk.run()
    assert desk.site.json("GET", f"{URL}?unfinished=true")["items"] == []
    assert desk.site.problem("GET", f"{URL}/0123456789abcdef")[0] == 404
    assert desk.site.problem("GET", f"{URL}/1")[0] == 422


# --- canary and stop -------------------------------------------------------------------------------------------------


def test_behind_the_first_ones_it_waits_for_a_person(desk: Desk) -> None:
    act_id = desk.start({**REQUEUE, "canary": 3})
    desk.run()
    shown = desk.of(act_id)
    assert (shown["state"], shown["done"]) == ("canary", 3)
    why = {"reason": "they have arrived"}
    assert desk.site.json("POST", f"{URL}/{act_id}/continue", why)["state"] == "waiting"
    assert desk.site.problem("POST", f"{URL}/{act_id}/continue", why)[0] == 409
    desk.run()
    assert (desk.of(act_id)["state"], desk.gens()) == ("done", [1] * EMAILS)
    assert [act[:4] for act in desk.acts("operation_continue")] == [("token admin", "api", "they have arrived", None)]


def test_a_continuation_whose_process_was_killed_is_answered_when_it_comes_again(desk: Desk) -> None:
    act_id = desk.start({**REQUEUE, "canary": 3})
    desk.run()
    path, why = f"{URL}/{act_id}/continue", {"reason": "they have arrived"}

    def kill(place: str) -> None:
        if place == "operators.acted":
            failpoints.hook(None)
            raise RuntimeError("killed")

    failpoints.hook(kill)
    assert desk.site.ask("POST", path, why, Idempotency_Key="go").status_code == 500
    desk.world.execute(f"UPDATE eed_idempotency_key SET lease_until = '{PAST}'")
    assert desk.site.json("POST", path, why, Idempotency_Key="go")["state"] == "waiting"
    assert len(desk.acts("operation_continue")) == 1


def test_a_stopped_act_does_no_further_chunk(desk: Desk) -> None:
    act_id = desk.start(REQUEUE)
    desk.steps.chunks()
    stopped = desk.site.json("POST", f"{URL}/{act_id}/stop", {"reason": "wrong job"})
    desk.run()
    assert (stopped["state"], desk.of(act_id)["done"]) == ("stopped", 10)
    assert sum(desk.gens()) == 10
    assert desk.site.json("POST", f"{URL}/{act_id}/stop", {"reason": "again"})["state"] == "stopped"
    assert len(desk.acts("operation_stop")) == 1
    done = desk.start(REQUEUE)
    desk.run()
    assert desk.site.problem("POST", f"{URL}/{done}/stop", {"reason": "too late"})[0] == 409


def test_a_chunk_that_was_begun_when_the_act_was_stopped_is_not_done(desk: Desk) -> None:
    act_id = desk.start(REQUEUE)

    def stop(place: str) -> None:
        if place == "operations.taken":
            failpoints.hook(None)
            desk.site.json("POST", f"{URL}/{act_id}/stop", {"reason": "x"})

    failpoints.hook(stop)
    desk.run()
    assert (desk.of(act_id)["state"], sum(desk.gens())) == ("stopped", 0)


def test_a_person_who_may_not_start_it_may_not_stop_or_continue_it(desk: Desk) -> None:
    desk.world.execute("UPDATE eed_email SET state = 'in_doubt'")
    order = {"kind": "requeue", "reason": "x", "selection": {"jobs": ["1"], "state": "in_doubt"}, "canary": 1}
    order["accept_duplicates"] = True
    status, problem = desk.site.problem("POST", f"{URL}?dry_run=true", order, role="operator")
    assert (status, problem["right"]) == (403, "admin")
    act_id = desk.start(order)
    desk.run()
    for what in ("stop", "continue"):
        assert desk.site.problem("POST", f"{URL}/{act_id}/{what}", {"reason": "x"}, role="operator")[0] == 403


def test_what_waits_for_a_person_for_a_day_is_stopped_and_old_acts_are_forgotten(desk: Desk) -> None:
    act_id = desk.start({**REQUEUE, "canary": 1})
    desk.run()
    desk.steps.over()
    assert desk.of(act_id)["state"] == "canary"
    desk.world.execute(f"UPDATE eed_operation SET moved_at = '{PAST}'")
    desk.steps.over()
    assert desk.of(act_id)["state"] == "stopped"
    desk.world.execute(f"UPDATE eed_operation SET ended_at = '{PAST}'")
    desk.steps.over()
    assert desk.site.problem("GET", f"{URL}/{act_id}")[0] == 404


def test_what_a_person_continues_meanwhile_is_not_stopped_as_undecided(desk: Desk) -> None:
    act_id = desk.start({**REQUEUE, "canary": 1})
    desk.run()
    desk.world.execute(f"UPDATE eed_operation SET moved_at = '{PAST}'")
    ledger = desk.site.operations.long_act_ledger
    assert ledger.neglected() == [act_id]
    desk.site.json("POST", f"{URL}/{act_id}/continue", {"reason": "x"})
    assert not ledger.stop_neglected(act_id, "no person decided about it in time")
    assert desk.of(act_id)["state"] == "waiting"


# --- killed, and by two at once --------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["operations.taken", "operations.chunk", "operations.advanced"])
def test_killed_at_any_step_it_goes_on_at_its_cursor_and_does_nothing_twice(
    desk: Desk, kill: Callable[[str], None], place: str
) -> None:
    act_id = desk.start(REQUEUE)
    desk.steps.chunks()
    kill(place)
    with pytest.raises(Killed):
        desk.run()
    assert sum(desk.gens()) in (10, 20)
    desk.lapse()
    desk.run()
    shown = desk.of(act_id)
    assert (shown["state"], shown["done"], desk.gens()) == ("done", EMAILS, [1] * EMAILS)
    assert [count for *_, count, _ in desk.acts("requeue")] == [10, 10, 5]


def test_a_process_that_was_frozen_does_nothing_when_another_has_gone_on(desk: Desk) -> None:
    act_id = desk.start(REQUEUE)
    frozen: list[object] = []

    def freeze(place: str) -> None:
        if place == "operations.taken":
            failpoints.hook(None)
            desk.lapse()
            desk.run()
            frozen.append(place)

    failpoints.hook(freeze)
    desk.run()
    assert frozen
    assert (desk.of(act_id)["done"], desk.gens()) == (EMAILS, [1] * EMAILS)
    assert [count for *_, count, _ in desk.acts("requeue")] == [10, 10, 5]


def test_a_chunk_that_always_breaks_off_ends_the_act(desk: Desk) -> None:
    act_id = desk.start(REQUEUE)

    def strike(place: str) -> None:
        if place == "operations.chunk":
            raise Killed

    failpoints.hook(strike)
    try:
        for _ in range(5):
            with pytest.raises(Killed):
                desk.steps.chunks()
            desk.lapse()
    finally:
        failpoints.hook(None)
    desk.run()
    shown = desk.of(act_id)
    assert (shown["state"], sum(desk.gens())) == ("failed", 0)
    assert "broke off 5 times" in shown["errors"][0]


def test_two_hosts_do_an_act_together_and_nothing_twice(desk: Desk) -> None:
    if desk.world.database.dialect == "sqlite":
        pytest.skip("SQLite has one writer")
    act_ids = [desk.start({**REQUEUE, "selection": {"emails": [str(n)]}}) for n in range(1000, 1010)]
    act_ids.append(desk.start(REQUEUE))
    hosts = [long_act_steps(desk.site.settings, desk.world.database, chunk=2) for _ in range(4)]

    def work(steps: LongActSteps) -> None:
        while steps.chunks() == 0.0:
            pass

    threads = [threading.Thread(target=work, args=(steps,)) for steps in hosts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    desk.run()
    assert {desk.of(act_id)["state"] for act_id in act_ids} == {"done"}
    assert desk.gens() == [1] * EMAILS
    assert sum(desk.of(act_id)["done"] for act_id in act_ids) == EMAILS
    assert sum(count for *_, count, _ in desk.acts("requeue")) == EMAILS


COMMANDS = st.lists(st.sampled_from(["chunk", "kill", "freeze", "lapse", "stop", "continue", "fail"]), max_size=12)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(commands=COMMANDS, canary=st.sampled_from([None, 1, 7, 30]))
def test_whatever_happens_it_moves_along_its_states_and_does_each_once(
    desk: Desk, commands: list[str], canary: int | None
) -> None:
    desk.world.execute("DELETE FROM eed_operation")
    desk.world.execute("UPDATE eed_email SET gen = 0")
    desk.fail()
    act_id = desk.start({**REQUEUE, **({} if canary is None else {"canary": canary})})
    before = desk.of(act_id)

    def strike(place: str) -> None:
        failpoints.hook(None)
        raise Killed

    for command in commands:
        if command == "kill":
            failpoints.hook(strike)
        try:
            if command in ("chunk", "kill"):
                desk.steps.chunks()
            elif command in ("stop", "continue"):
                desk.site.ask("POST", f"{URL}/{act_id}/{command}", {"reason": "x"})
            elif command == "lapse":
                desk.lapse()
            elif command == "fail":
                desk.fail(1004, at=FUTURE)
        except Killed:
            pass
        finally:
            failpoints.hook(None)
        now = desk.of(act_id)
        was, is_now = LongActState(before["state"]), LongActState(now["state"])
        step = {was, *TRANSITIONS[was], *(one for following in TRANSITIONS[was] for one in TRANSITIONS[following])}
        assert is_now in step
        assert was not in ENDED or now == before
        assert before["done"] <= now["done"] == sum(desk.gens()) <= EMAILS
        assert now["done"] + now["skipped"] <= now["total"]
        assert canary is None or "continue" in commands or now["done"] <= canary
        before = now
    assert max(desk.gens()) <= 1


# --- the statements --------------------------------------------------------------------------------------------------

ROW = {"state": "running", "token": 77, "lease_until": PAST, "after_key": "5"}
VALUES = {
    "id": "one", "our_token": 77, "new_token": 78, "lease": 9, "from_key": "5", "to_key": "9", "more_done": 1,
    "more_skipped": 0, "to_state": "running", "its_done": 1, "its_errors": "[]", "its_result": None,
    "its_selection": "{}", "its_total": None,
}  # fmt: skip
OURS = [{"token": 78}, {"state": "stopped"}]
CASES: dict[str, tuple[Update, dict[str, Any], list[dict[str, Any]]]] = {
    "take": (statements.TAKE, {}, [{"lease_until": FUTURE}, {"state": "canary"}, {"state": "unapproved"}]),
    "take a new one": (statements.TAKE, {"state": "waiting", "lease_until": None}, [{"state": "stopped"}]),
    "advance": (statements.ADVANCE, {}, [*OURS, {"after_key": "9"}]),
    "renew": (statements.RENEW, {}, OURS),
    "put back": (statements.PUT_BACK, {}, OURS),
    "end": (statements.END, {}, OURS),
    "stop": (statements.STOP, {"state": "canary"}, [{"state": "done"}, {"state": "stopped"}, {"state": "failed"}]),
    "go on": (statements.GO_ON, {"state": "canary"}, [{"state": "running"}, {"state": "stopped"}]),
    "approved": (statements.APPROVED, {"state": "unapproved"}, [{"state": "stopped"}, {"state": "running"}]),
}
DECISION = {"id": "one", "to_state": "approved", "who": "bert", "its_subject": "bert", "why": None}


def test_a_statement_moves_the_act_it_is_about_and_only_in_its_state(desk: Desk) -> None:
    other = desk.start(REQUEUE)
    columns = "kind, selection, parameters, who, host, surface, errors, made_at, moved_at"
    desk.world.execute(
        f"INSERT INTO eed_operation (operation_id, state, {columns}) SELECT 'one', 'waiting', {columns}"
        " FROM eed_operation"
    )
    for name, (statement, row, spoilers) in CASES.items():

        def fits(statement: Update = statement, **given: Any) -> int:
            named = ", ".join(f"{column} = :{column}" for column in given)
            desk.world.execute(f"UPDATE eed_operation SET {named} WHERE operation_id = 'one'", **given)
            wanted = {key: VALUES[key] for key in statement.compile().params if key in VALUES}
            return int(desk.world.database.run(lambda c: c.execute(statement, wanted).rowcount))

        assert fits(**{**ROW, **row}) == 1, name
        for spoiler in spoilers:
            assert fits(**{**ROW, **row, **spoiler}) == 0, (name, spoiler)
    assert desk.of(other)["state"] == "waiting"


def test_an_approval_is_decided_once_and_in_its_time(desk: Desk) -> None:
    row = {"asked_at": PAST, "until_at": FUTURE}
    desk.world.execute(
        "INSERT INTO eed_approval (operation_id, rule, state, asked_by, asked_subject, asked_at, until_at)"
        " VALUES ('one', 'cancel', 'waiting', 'anna', 'anna', :asked_at, :until_at)",
        **row,
    )

    def fits(**columns: Any) -> int:
        named = ", ".join(f"{column} = :{column}" for column in columns)
        desk.world.execute(f"UPDATE eed_approval SET {named}", **columns)
        return int(desk.world.database.run(lambda c: c.execute(statements.DECIDE, DECISION).rowcount))

    assert fits(state="waiting", until_at=FUTURE) == 1
    assert fits(state="approved", until_at=FUTURE) == 0
    assert fits(state="waiting", until_at=PAST) == 0


def test_every_update_of_long_acts_has_a_case() -> None:
    named = {
        name: one for name, one in vars(statements).items() if isinstance(one, Update) and not name.startswith("_")
    }
    known = {id(statement) for statement, *_ in CASES.values()} | {id(statements.DECIDE)}
    assert [name for name, one in named.items() if id(one) not in known] == []


# --- the other kinds -------------------------------------------------------------------------------------------------


def test_doubts_are_settled_and_each_has_its_row(desk: Desk) -> None:
    desk.world.execute("UPDATE eed_email SET state = 'in_doubt' WHERE email_id < 1012")
    order = {"kind": "settle", "selection": {"jobs": ["1"]}, "as": "sent", "reason": "seen in the log"}
    act_id = desk.start(order, "operator")
    desk.world.execute("UPDATE eed_email SET state = 'sent' WHERE email_id = 1011")
    desk.run()
    assert desk.of(act_id)["done"] == 11
    assert {desk.world.state(n) for n in range(1000, 1012)} == {"sent"}
    why = "settled as sent by an operator: seen in the log"
    assert desk.acts("settle") == [("token operator", "api", why, 1, act_id)] * 11


def test_what_waits_for_its_retry_is_published_now(desk: Desk) -> None:
    desk.world.execute(f"UPDATE eed_email SET state = 'queued', not_before = '{FUTURE}' WHERE email_id < 1003")
    desk.world.execute(f"UPDATE eed_email SET state = 'sending', not_before = '{FUTURE}' WHERE email_id = 1003")
    desk.world.execute("UPDATE eed_email SET state = 'queued', not_before = NULL WHERE email_id = 1004")
    act_id = desk.start({"kind": "retry_now", "selection": {"every": True}, "reason": "mended"})
    desk.run()
    assert desk.of(act_id)["done"] == 3
    assert {(desk.world.state(n), desk.world.row(n)["not_before"]) for n in range(1000, 1003)} == {("pending", None)}
    assert [desk.world.state(n) for n in (1003, 1004)] == ["sending", "queued"]
    assert desk.acts("retry_now") == [("token admin", "api", "mended", 3, act_id)]


def looked_for(desk: Desk) -> list[tuple[Any, ...]]:
    which = "act IN ('emails', 'suppression_list') ORDER BY act_id"
    return list(desk.world.execute(f"SELECT act, object_kind, object_key FROM eed_audit WHERE {which}"))


def test_who_counts_by_a_reason_or_an_address_has_searched_and_is_in_the_audit(desk: Desk) -> None:
    desk.count(REQUEUE)
    assert looked_for(desk) == [], "it looks for nobody"
    desk.count({**REQUEUE, "selection": {"every": True, "reason_contains": "Anna@Example.COM"}})
    desk.count({**REQUEUE, "selection": {"jobs": ["1"], "reason_contains": "full"}})
    found = [("emails", "address", "anna@example.com"), ("emails", "email", "full")]
    assert looked_for(desk) == found
    listed = {"kind": "unsuppress", "selection": {"addresses": ["A@example.com", "b@example.com"]}, "reason": "x"}
    desk.count(listed)
    theirs = [("suppression_list", "address", "a@example.com"), ("suppression_list", "address", "b@example.com")]
    assert looked_for(desk) == found + theirs
    forged = {**listed, "selection_etag": f"0-20010101T000000000000-{'0' * 16}"}
    assert desk.site.problem("POST", URL, forged, Idempotency_Key=desk.key())[0] == 422
    assert looked_for(desk) == found + theirs * 2, "a refusal may say how many match"
    desk.site.cli.good("requeue", "--job", "1", "--error-like", "gone", "--dry-run")
    assert looked_for(desk)[-1] == ("emails", "email", "gone")


def test_what_one_caller_has_waiting_is_bounded(desk: Desk) -> None:
    def order(role: str) -> TestResponse:
        body = {"format": "html"}
        return desk.site.ask("POST", "/api/v1/jobs/1/reports", body, role=role, Idempotency_Key=desk.key())

    desk.start(REQUEUE)
    assert {order("admin").status_code for _ in range(5)} == {202}
    refused = order("admin")
    assert refused.status_code == 429, refused.text
    problem = refused.json or {}
    assert problem["type"] == "urn:eed-delivery:problem:too_many"
    assert problem["detail"].startswith("5 reports of yours have not ended")
    assert problem["do"] == "Wait until one has ended, or stop one."
    assert refused.headers["Retry-After"] == "60"
    assert order("operator").status_code == 202, "another caller"
    desk.run()
    assert order("admin").status_code == 202


def test_entries_are_taken_off_the_suppression_list(desk: Desk) -> None:
    for n in range(12):
        desk.site.cli.good("suppression", "add", f"b{n}@example.com", "--reason", "x")
    desk.site.cli.good("suppression", "add", "c@example.net", "--reason", "x")
    order = {"kind": "unsuppress", "selection": {"domain": "example.com"}, "reason": "a fault of their server"}
    assert desk.site.problem("POST", f"{URL}?dry_run=true", order, role="operator")[0] == 403
    act_id = desk.start(order)
    desk.site.cli.good("suppression", "add", "late@example.com", "--reason", "x")
    desk.world.execute(f"UPDATE eed_suppression SET created_at = '{FUTURE}' WHERE address = 'late@example.com'")
    desk.run()
    assert (desk.of(act_id)["done"], desk.of(act_id)["total"]) == (12, 12)
    left = desk.world.execute("SELECT address FROM eed_suppression ORDER BY address")
    assert left == [("c@example.net",), ("late@example.com",)]
    assert len(desk.acts("suppression_remove")) == 12


def test_addresses_that_were_named_are_not_kept_and_not_shown(desk: Desk) -> None:
    for address in ("b@example.com", "c@example.com"):
        desk.site.cli.good("suppression", "add", address, "--reason", "x")
    order = {"kind": "unsuppress", "selection": {"addresses": ["B@example.com", "d@example.com"]}, "reason": "x"}
    act_id = desk.start(order)
    assert desk.of(act_id)["selection"]["addresses"] == 2
    desk.run()
    assert desk.of(act_id)["done"] == 1
    stored = json.loads(desk.world.scalar("SELECT selection FROM eed_operation"))
    assert stored["addresses"] == 2
    assert desk.world.execute("SELECT address FROM eed_suppression") == [("c@example.com",)]


# --- reports ---------------------------------------------------------------------------------------------------------

REPORTS = "/api/v1/jobs/1/reports"


def order_report(desk: Desk, form: str, token: str) -> str:
    answer = desk.site.ask("POST", REPORTS, {"format": form}, token=token, Idempotency_Key=desk.key())
    assert answer.status_code == 202, answer.text
    return str(answer.json["id"])  # type: ignore[index]


def test_a_report_is_written_by_the_side_and_fetched_by_who_may_see_it(desk: Desk, tmp_path: Path) -> None:
    viewer, seeing = desk.site.token("viewer"), desk.site.token("viewer", "view", "see_recipients")
    status, problem = desk.site.problem("POST", REPORTS, {"format": "csv"}, token=viewer, Idempotency_Key="a")
    assert (status, problem["right"]) == (403, "see_recipients")
    desk.world.execute("UPDATE eed_job SET name = 'for anna@bank.example', reason = 'bert@bank.example said so'")
    ids = {form: order_report(desk, form, seeing) for form in ("csv", "json", "html", "certificate")}
    assert desk.site.problem("GET", f"{URL}/{ids['csv']}/file", token=seeing)[0] == 409
    desk.run()
    for form, act_id in ids.items():
        answer = desk.site.ask("GET", f"{URL}/{act_id}/file", token=seeing)
        shown = desk.of(act_id)
        assert (answer.status_code, len(answer.data)) == (200, shown["result"]["bytes"])
        assert shown["done"] == shown["total"] == EMAILS
        assert answer.headers["ETag"] == f'"{shown["result"]["sha256"]}"'
        assert ("a7@example.com" in answer.text) == (form in ("csv", "json"))
        assert ("anna@bank" in answer.text or "bert@bank" in answer.text) == (form == "json")
        assert ("***@bank.example" in answer.text) == (form in ("html", "certificate"))
    assert desk.site.problem("GET", f"{URL}/{ids['csv']}/file", token=viewer)[0] == 403
    assert desk.site.ask("GET", f"{URL}/{ids['html']}/file", token=viewer).status_code == 200
    assert json.loads((tmp_path / "reports" / f"{ids['certificate']}.certificate.json").read_bytes())["job"] == "1"
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "reports").iterdir()} == {0o600}
    assert (tmp_path / "reports").stat().st_mode & 0o777 == 0o700
    assert len(desk.acts("report")) == 4  # written and fetched, csv and json


def test_a_report_is_kept_for_a_day_and_is_of_bounded_size(desk: Desk, tmp_path: Path) -> None:
    import os

    act_id = order_report(desk, "html", desk.site.token("viewer"))
    desk.run()
    (path,) = (tmp_path / "reports").iterdir()
    others = tmp_path / "reports" / "quarter.csv"
    others.write_text("not ours")
    for old in (path, others):
        os.utime(old, (0, 0))
    assert desk.site.problem("GET", f"{URL}/{act_id}/file")[0] == 404
    desk.steps.over()
    assert list((tmp_path / "reports").iterdir()) == [others], "a file that is not ours stays"
    others.unlink()
    small = Desk(desk.world, tmp_path / "small", _with(tmp_path, "reports_max_bytes = 1000000\n"))
    (tmp_path / "reports" / "other").write_bytes(b"x" * 999_999)
    act_id = order_report(small, "html", small.site.token("viewer", name="another"))
    small.run()
    assert desk.of(act_id)["state"] == "failed"
    assert "reports_max_bytes" in desk.of(act_id)["errors"][0]
    assert [one.name for one in (tmp_path / "reports").iterdir()] == ["other"]


def _with(tmp_path: Path, more: str) -> str:
    (tmp_path / "small").mkdir()
    return f'[operators]\nlisten = "127.0.0.1:8027"\nreports_directory = "{tmp_path}/reports"\n{more}'


def test_a_report_that_was_stopped_or_killed_leaves_no_part_of_a_file(
    desk: Desk, tmp_path: Path, kill: Callable[[str], None]
) -> None:
    stopped = order_report(desk, "html", desk.site.token("viewer"))
    desk.site.json("POST", f"{URL}/{stopped}/stop", {"reason": "x"})
    killed = order_report(desk, "html", desk.site.token("viewer"))
    kill("operations.taken")
    with pytest.raises(Killed):
        desk.run()
    desk.lapse()
    desk.run()
    assert [desk.of(one)["state"] for one in (stopped, killed)] == ["stopped", "done"]
    assert [path.name for path in (tmp_path / "reports").iterdir()] == [f"{killed}.html"]


def test_without_a_directory_no_report_is_ordered(world: World, tmp_path: Path) -> None:
    world.add_job()
    world.enlist()
    site = Site(world, tmp_path)
    status, problem = site.problem("POST", REPORTS, {"format": "html"}, Idempotency_Key="a")
    assert (status, "operators.reports_directory" in problem["detail"]) == (409, True)


def test_the_end_of_an_act_is_told(desk: Desk) -> None:
    act_id = desk.start(REQUEUE)
    desk.steps.chunks()
    outbox = Outbox((NoticeKind.OPERATION_FINISHED,))
    LongActLedger(desk.world.database, SERVICE, outbox).stop(act_id, "x")
    ((facts,),) = desk.world.execute("SELECT facts FROM eed_webhook WHERE kind = 'operation.finished'")
    expected = {"operation": act_id, "kind": "requeue", "state": "stopped", "total": EMAILS, "done": 10}
    assert json.loads(facts) == expected


# --- the pages -------------------------------------------------------------------------------------------------------


def test_a_person_starts_follows_and_stops_an_act_on_the_pages(desk: Desk) -> None:
    desk.site.user("anna", "operator")
    browser, here = desk.site.browser(), {"environ_base": {"REMOTE_ADDR": "127.0.0.1"}}
    browser.post("/login", data={"name": "anna", "password": PASSWORD}, **here)
    path = "/operations/requeue?job=1&reason_contains=550"
    asked = browser.get(path, **here).text
    assert "Send 25 failed emails of job 1 whose reason contains" in asked
    etag = asked.partition('name="version" value="')[2].partition('"')[0]
    form = {"reason": "mended", "version": etag, "canary": "3"}
    desk.fail(1004, detail="550 other", at=FUTURE)
    assert browser.post(_action(asked), data=form, **here).status_code == 412
    desk.fail()
    begun = browser.post(_action(asked), data=form, **here)
    assert begun.status_code == 303
    shown = browser.get(begun.headers["Location"], **here).text
    assert "is begun" in shown
    desk.run()
    figures = browser.get(begun.headers["Location"], headers={"HX-Request": "true"}, **here).text
    assert "canary" in figures
    assert "<html" not in figures
    answer = browser.post(f"{begun.headers['Location']}/stop", data={"reason": "enough"}, **here)
    assert answer.status_code == 303
    listed = browser.get("/operations", **here).text
    assert "stopped" in listed
    assert sum(desk.gens()) == 3


def _action(page: str) -> str:
    """Where the browser sends the form of a page."""
    return unescape(page.partition("novalidate")[0].rpartition('action="')[2].partition('"')[0])


def test_a_confirmed_form_is_about_what_its_address_names(desk: Desk) -> None:
    desk.site.user("anna", "operator")
    browser, here = desk.site.browser(), {"environ_base": {"REMOTE_ADDR": "127.0.0.1"}}
    browser.post("/login", data={"name": "anna", "password": PASSWORD}, **here)
    for path, text in (
        ("/operations/requeue?job=1&reason_contains=550", "Send 25 failed emails of job 1 whose reason"),
        ("/operations/report?job=1", "Write a report of job 1?"),
    ):
        asked = browser.get(path, **here).text
        again = browser.post(_action(asked), data={}, **here)
        assert (again.status_code, text in asked, text in unescape(again.text)) == (422, True, True)
        assert _action(again.text) == path


@pytest.mark.parametrize(
    "query", ["", "?reason_contains=550", "?jobs=1", "?job=1&every=yes", "?every=1", "?job=1&state=sent"]
)
def test_everything_is_requeued_only_where_the_address_says_so(desk: Desk, query: str) -> None:
    desk.site.user("anna", "operator")
    browser, here = desk.site.browser(), {"environ_base": {"REMOTE_ADDR": "127.0.0.1"}}
    browser.post("/login", data={"name": "anna", "password": PASSWORD}, **here)
    assert browser.get(f"/operations/requeue{query}", **here).status_code == 422
    assert browser.get(f"/operations/report{query}", **here).status_code == 422
    assert browser.get("/operations/requeue?every=yes", **here).status_code == 200
