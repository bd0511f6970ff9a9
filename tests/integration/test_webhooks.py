"""What is due is told to a real HTTP receiver, which verifies it, fails, hangs, redirects, closes and floods."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from eed_delivery.config import WebhooksSettings
from eed_delivery.ledger.webhooks import statements as sql
from eed_delivery.ledger.webhooks.endpoint import TOO_MANY_FAILURES, EndpointNews
from eed_delivery.ledger.webhooks.ledger import Try, WebhookLedger
from eed_delivery.ledger.webhooks.listing import WebhookList
from eed_delivery.ledger.webhooks.outbox import Outbox
from eed_delivery.notices import Notice, NoticeKind
from eed_delivery.webhooks.endpoint import WebhookEndpoint
from eed_delivery.webhooks.signing import WebhookSigner
from eed_delivery.webhooks.teller import Housekeeper, Teller
from tests.servers import free_port
from tests.servers.certificates import make_certificate
from tests.servers.webhook_receiver import (
    FORMER,
    SECRET,
    Handler,
    Receiver,
    Told,
    answering,
    closing,
    dripping,
    each,
    flooding,
    hanging,
    taking,
)
from tests.world import World

NOON = datetime.fromisoformat("2026-11-23T12:00:00.123456")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running
        assert running.forged == []
        assert running.strangers == []


class Telling:
    """A world, an outbox, and a teller as one thread of the role has it."""

    def __init__(self, world: World, url: str, **given: Any) -> None:
        defaults = {"secret": SecretStr(SECRET), "timeout_seconds": 5, "retry_delay_seconds": 3600}
        self.settings = WebhooksSettings(**{"url": url, **defaults, **given})
        self.world = world
        self.outbox = Outbox.of(self.settings)
        self.ledger = WebhookLedger(world.database, self.settings)
        self.list = WebhookList(world.database, self.settings)
        self.stop = threading.Event()

    def teller(self) -> Teller:
        settings = self.settings
        endpoint = WebhookEndpoint(
            settings.url or "", WebhookSigner(settings.keys()), settings.timeout_seconds, settings.ca_file
        )
        return Teller(self.ledger, endpoint, settings, self.stop)

    def put(self, count: int = 1, kind: NoticeKind = NoticeKind.JOB_PAUSED, **facts: Any) -> None:
        notices = [Notice(kind, job_id=1, facts={"n": n, **facts}) for n in range(count)]
        self.world.database.run(lambda c: self.outbox.put(c, notices))

    def tell(self) -> None:
        """One round after the other, until nothing is due."""
        teller = self.teller()
        while teller.step() == 0.0:
            pass

    def lapse(self) -> None:
        """Let time pass: what waits is due, and so is the next probe."""
        past = "'2020-01-01 00:00:00.000000'"
        self.world.execute(f"UPDATE eed_webhook SET due_at = {past} WHERE state = 'waiting'")
        self.world.execute(f"UPDATE eed_webhook_endpoint SET probe_at = {past}")

    def rows(self, columns: str = "state, tries, status") -> list[Any]:
        return list(self.world.execute(f"SELECT {columns} FROM eed_webhook ORDER BY webhook_id"))


@pytest.fixture
def telling(world: World, receiver: Receiver) -> Telling:
    return Telling(world, receiver.url)


# --- what is told --------------------------------------------------------------------------------------------------


def test_it_says_what_happened_by_the_keys_that_the_reader_knows(world: World, receiver: Receiver, one: int) -> None:
    telling = Telling(world, receiver.url)
    notice = Notice(
        NoticeKind.EMAIL_BOUNCED, None, one, 2, "e-1", NOON, {"outcome": "hard_bounced", "enhanced": "5.1.1"}
    )
    world.database.run(lambda c: telling.outbox.put(c, [notice]))
    telling.tell()
    (told,) = receiver.told
    assert told.said == {
        "type": "email.bounced",
        "timestamp": "2026-11-23T12:00:00.123456Z",
        "data": {
            "job": "1",
            "email": str(one),
            "gen": 2,
            "event": "e-1",
            "outcome": "hard_bounced",
            "enhanced": "5.1.1",
        },
    }
    assert told.path == "/hooks?tenant=7"
    assert told.headers["content-type"] == "application/json"
    assert telling.rows() == [("done", 1, 200)]


def test_the_address_is_told_only_when_it_is_asked_for(world: World, receiver: Receiver, one: int) -> None:
    telling = Telling(world, receiver.url, addresses=True)
    world.database.run(lambda c: telling.outbox.put(c, [Notice(NoticeKind.EMAIL_OPENED, email_id=one)]))
    telling.tell()
    assert receiver.told[0].said["data"]["address"] == "a@example.com"
    world.database.run(lambda c: telling.outbox.put(c, [Notice(NoticeKind.EMAIL_OPENED, email_id=one)]))
    Telling(world, receiver.url).tell()
    assert b"example.com" not in receiver.told[1].body


def test_the_address_is_that_of_the_generation_that_is_told_of(world: World, receiver: Receiver, one: int) -> None:
    world.execute(
        "INSERT INTO eed_attempt (email_id, gen, attempt, verdict, counted, recipient, ended_at)"
        " VALUES (:i, 0, 1, 'permanent', 1, 'former@example.com', '2026-01-01 00:00:00')",
        i=one,
    )
    world.execute("UPDATE eed_email SET gen = 1 WHERE email_id = :i", i=one)
    telling = Telling(world, receiver.url, addresses=True)
    for gen in (0, 1):
        world.database.run(lambda c, g=gen: telling.outbox.put(c, [Notice(NoticeKind.EMAIL_BOUNCED, None, one, g)]))
    telling.tell()
    told = {said.said["data"]["gen"]: said.said["data"]["address"] for said in receiver.told}
    assert told == {0: "former@example.com", 1: "a@example.com"}


def test_what_is_not_known_any_more_is_told_without_its_keys(telling: Telling, receiver: Receiver) -> None:
    notice = Notice(NoticeKind.EMAIL_CLICKED, 4242, 4243, 0)
    telling.world.database.run(lambda c: telling.outbox.put(c, [notice]))
    telling.tell()
    assert receiver.told[0].said["data"] == {"gen": 0}


def test_only_the_kinds_that_are_wanted_are_told(world: World, receiver: Receiver) -> None:
    telling = Telling(world, receiver.url, events=("job.finished",))
    telling.put(kind=NoticeKind.JOB_PAUSED)
    telling.put(kind=NoticeKind.JOB_FINISHED)
    telling.tell()
    assert receiver.types() == ["job.finished"]


def test_many_are_told_each_once_over_one_connection(telling: Telling, receiver: Receiver) -> None:
    ports = set()

    def behave(handler: Handler, told: Told) -> None:
        ports.add(handler.client_address[1])
        taking(handler, told)

    receiver.behave = behave
    telling.put(40)
    telling.tell()
    assert set(receiver.ids().values()) == {1}
    assert len(receiver.ids()) == 40
    assert len(ports) == 1


def test_the_receiver_may_still_know_the_former_secret_alone(world: World) -> None:
    with Receiver(secret=FORMER) as receiver:
        telling = Telling(world, receiver.url, former_secrets=SecretStr(FORMER))
        telling.put()
        telling.tell()
        assert (len(receiver.told), receiver.forged) == (1, [])


# --- what goes wrong -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 401, 404, 408, 429, 500, 503])
def test_what_is_not_taken_is_told_again_with_the_same_id_and_body(
    telling: Telling, receiver: Receiver, status: int
) -> None:
    receiver.behave = each(answering(status, b"not now \x1b[31m"), taking)
    telling.put()
    telling.tell()
    assert telling.rows("state, tries, status, answer") == [("waiting", 1, status, "not now ·[31m")]
    telling.lapse()
    telling.tell()
    first, second = receiver.told
    assert (first.message_id, first.body) == (second.message_id, second.body)
    assert telling.rows() == [("done", 2, 200)]


def test_it_waits_before_the_next_try(telling: Telling, receiver: Receiver) -> None:
    receiver.behave = answering(500)
    telling.put()
    telling.tell()
    telling.tell()
    assert len(receiver.told) == 1


def test_a_redirect_is_not_followed(telling: Telling, receiver: Receiver) -> None:
    with Receiver() as elsewhere:
        receiver.behave = answering(307, headers={"location": elsewhere.url})
        telling.put()
        telling.tell()
        assert (elsewhere.told, elsewhere.strangers) == ([], [])
    ((state, status, answer),) = telling.rows("state, status, answer")
    assert (state, status) == ("waiting", 307)
    assert answer.startswith("a redirect, which is not followed, to http://127.0.0.1:")


@pytest.mark.parametrize("behaviour", [hanging, dripping, closing], ids=["hangs", "drips", "closes"])
def test_no_answer_is_a_failure_and_takes_no_longer_than_it_may(
    world: World, receiver: Receiver, behaviour: Any
) -> None:
    telling = Telling(world, receiver.url, timeout_seconds=0.5)
    receiver.behave = behaviour
    telling.put()
    telling.tell()
    assert telling.rows() == [("waiting", 1, None)]


def test_an_answer_without_an_end_is_taken_for_what_its_status_says(world: World, receiver: Receiver) -> None:
    telling = Telling(world, receiver.url, timeout_seconds=5)
    receiver.behave = each(flooding, taking)
    telling.put(2)
    telling.tell()
    assert telling.rows() == [("done", 1, 200)] * 2


def test_who_floods_is_hung_up_on_at_once(receiver: Receiver) -> None:
    receiver.behave = flooding
    endpoint = WebhookEndpoint(receiver.url, WebhookSigner(WebhooksSettings(secret=SecretStr(SECRET)).keys()), 30)
    assert endpoint.post("msg_1_a", b"{}").status == 200
    for _ in range(600):
        if receiver.taken:
            break
        receiver.ended.wait(0.05)
    assert receiver.taken == ["msg_1_a"]


def test_a_connection_that_died_in_between_is_no_failure(telling: Telling, receiver: Receiver) -> None:
    def last_words(handler: Handler, told: Told) -> None:
        taking(handler, told)
        handler.close_connection = True  # and has not said so

    receiver.behave = last_words
    telling.put(3)
    telling.tell()
    assert set(receiver.ids().values()) == {1}
    assert telling.rows() == [("done", 1, 200)] * 3


def test_nobody_listens(world: World) -> None:
    telling = Telling(world, f"http://127.0.0.1:{free_port()}/")
    telling.put()
    telling.tell()
    ((state, status, answer),) = telling.rows("state, status, answer")
    assert (state, status) == ("waiting", None)
    assert "refused" in answer


def test_tls_is_verified_by_authority_and_name(world: World, tmp_path: Path) -> None:
    good, other = make_certificate(tmp_path / "1", "127.0.0.1"), make_certificate(tmp_path / "2", "hooks.example.com")
    with Receiver(context=good.server_context()) as receiver, Receiver(context=other.server_context()) as misnamed:
        for url, authority in ((receiver.url, None), (receiver.url, other.authority), (misnamed.url, other.authority)):
            telling = Telling(world, url, ca_file=authority)
            telling.list.go_on()
            telling.put()
            telling.tell()
            assert "certificate verify failed" in telling.rows("answer")[-1][0]
            world.execute("DELETE FROM eed_webhook")
        telling = Telling(world, receiver.url, ca_file=good.authority)
        telling.put(2)
        telling.list.go_on()
        telling.tell()
        assert (len(receiver.told), misnamed.told) == (2, [])


# --- an endpoint that is down, or gone -----------------------------------------------------------------------------


def test_an_endpoint_that_is_down_costs_one_try_at_a_time(telling: Telling, receiver: Receiver) -> None:
    receiver.behave = answering(503)
    telling.put(5)
    with capture_logs() as logs:
        telling.tell()
        assert len(receiver.told) == 1  # it said so for all of them
        telling.tell()
        assert len(receiver.told) == 1
        for probes in (2, 3):
            telling.lapse()
            telling.tell()
            assert len(receiver.told) == probes
        receiver.behave = taking
        telling.lapse()
        telling.tell()
    assert len(receiver.told) == 8
    assert {state for state, _, _ in telling.rows()} == {"done"}
    assert [entry["event"] for entry in logs] == ["webhooks_down", "webhooks_up"]


def test_one_that_is_refused_does_not_hold_up_the_others(telling: Telling, receiver: Receiver) -> None:
    def behave(handler: Handler, told: Told) -> None:
        if told.said["data"]["n"] == 0:
            handler.answer(422)
        else:
            taking(handler, told)

    receiver.behave = behave
    telling.put(10)
    telling.tell()
    assert sorted(telling.rows("state")) == [("done",)] * 9 + [("waiting",)]


def test_refused_too_often_in_a_row_it_is_down(telling: Telling, receiver: Receiver) -> None:
    receiver.behave = answering(500)
    telling.put(10)
    telling.tell()
    assert len(receiver.told) == TOO_MANY_FAILURES
    assert sorted(telling.rows("tries, token")) == [(0, None)] * 7 + [(1, None)] * 3


def test_two_hosts_have_one_probe(telling: Telling, receiver: Receiver) -> None:
    """While one of them waits for its answer, the other tells nothing."""
    telling.ledger.take(1, 60, 0)  # the endpoint is known
    telling.world.execute("UPDATE eed_webhook_endpoint SET failures = 9")
    telling.put(5)
    asked, answered = threading.Event(), threading.Event()

    def behave(handler: Handler, told: Told) -> None:
        asked.set()
        answered.wait(30)
        taking(handler, told)

    receiver.behave = behave
    with ThreadPoolExecutor(1) as pool:
        probe = pool.submit(telling.teller().step)
        assert asked.wait(30)
        other = telling.teller()
        assert other.step() > 0
        assert len(receiver.told) == 1
        assert telling.world.scalar("SELECT COUNT(*) FROM eed_webhook WHERE token IS NOT NULL") == 1
        answered.set()
        assert probe.result(30) == 0.0
    telling.tell()
    assert len(receiver.told) == 5


def test_gone_pauses_the_endpoint_until_it_takes_a_test_or_has_another_url(
    world: World, telling: Telling, receiver: Receiver
) -> None:
    receiver.behave = answering(410, b"we moved")
    telling.put(3)
    with capture_logs() as logs:
        telling.tell()
        telling.lapse()
        telling.tell()
    assert len(receiver.told) == 1
    assert [(entry["event"], entry["reason"]) for entry in logs] == [("webhooks_paused", "we moved")]
    paused = telling.list.endpoint()
    assert (paused.paused_at is not None, paused.reason) == (True, "we moved")
    receiver.behave = taking
    telling.list.go_on()
    telling.lapse()
    telling.tell()
    assert len(receiver.taken) == 3
    receiver.behave = answering(410)
    telling.put()
    telling.tell()
    receiver.behave = taking
    moved = Telling(world, receiver.url + "&new=1")
    moved.lapse()
    moved.tell()
    assert len(receiver.taken) == 4


def test_what_one_url_does_is_nothing_to_another(world: World) -> None:
    here, there = (Telling(world, f"http://127.0.0.1:{port}/") for port in (1, 2))
    there.list.go_on()
    world.execute("UPDATE eed_webhook_endpoint SET failures = 5, probe_at = '2020-01-01 00:00:00.000000'")
    before = there.list.endpoint()
    for news in (EndpointNews(4, 0.0), EndpointNews(0), EndpointNews(1, gone="x")):
        here.ledger.record(1, [], [], news)
        assert there.list.endpoint() == before
    here.list.go_on()
    here.put()
    here.ledger.record(1, [], [], EndpointNews(4, -1.0))
    assert len(here.ledger.take(2, 60, 1).held) == 1  # it is our probe
    assert there.list.endpoint() == before


# --- leases and tokens ---------------------------------------------------------------------------------------------


def test_what_one_has_in_hand_another_does_not_see_until_the_lease_has_run_out(telling: Telling) -> None:
    telling.put(3)
    first = telling.ledger.take(1, 60, 2)
    second = telling.ledger.take(2, 60, 5)
    assert (len(first.held), len(second.held)) == (2, 1)
    assert telling.ledger.take(3, 60, 5).held == ()
    telling.lapse()
    assert len(telling.ledger.take(4, 60, 5).held) == 3


def test_a_row_is_held_only_while_it_waits_and_is_due(telling: Telling) -> None:
    """What two who have read the same ids at the same time come to."""
    telling.put(3)
    telling.world.execute("UPDATE eed_webhook SET state = 'failed', token = 4 WHERE webhook_id = 1")
    telling.world.execute("UPDATE eed_webhook SET due_at = '2999-01-01 00:00:00.000000' WHERE webhook_id = 2")
    run, ids = telling.world.database.run, [1, 2, 3]
    assert run(lambda c: c.execute(sql.HOLD, {"ids": ids, "new_token": 5, "lease": 60}).rowcount) == 1
    held = run(lambda c: c.execute(sql.HELD, {"ids": ids, "our_token": 5}).all())
    assert [row.webhook_id for row in held] == [3]


def test_whoever_is_late_writes_into_the_void(telling: Telling) -> None:
    telling.put()
    (late,) = telling.ledger.take(1, 60, 1).held
    telling.lapse()
    (held,) = telling.ledger.take(2, 60, 1).held
    for status in (200, 500):
        telling.ledger.record(1, [Try(late.webhook_id, status, "late")], [], EndpointNews())
    telling.ledger.record(1, [], [late], EndpointNews())
    assert telling.rows("state, tries, token, status") == [("waiting", 2, 2, None)]
    telling.ledger.record(2, [Try(held.webhook_id, 200, "")], [], EndpointNews())
    telling.ledger.record(2, [Try(held.webhook_id, 500, "")], [], EndpointNews())
    assert telling.rows() == [("done", 2, 200)]


def test_at_the_end_of_the_process_what_was_not_tried_goes_back_unharmed(telling: Telling, receiver: Receiver) -> None:
    def behave(handler: Handler, told: Told) -> None:
        telling.stop.set()
        taking(handler, told)

    receiver.behave = behave
    telling.put(3)
    telling.world.execute("UPDATE eed_webhook SET due_at = '2026-11-23 00:00:00.000000' WHERE webhook_id = 3")
    telling.world.execute("UPDATE eed_webhook SET due_at = '2026-11-22 00:00:00.000000' WHERE webhook_id = 1")
    before = telling.rows("due_at")
    telling.teller().step()
    assert sorted(telling.rows("state, tries, token")) == [("done", 1, None)] + [("waiting", 0, None)] * 2
    assert telling.rows("due_at")[1:] == before[1:]


def test_four_threads_never_tell_the_same_one_at_the_same_time(telling: Telling, receiver: Receiver) -> None:
    def behave(handler: Handler, told: Told) -> None:
        number = int(told.said["data"]["n"])
        answering(500)(handler, told) if number % 10 == 3 else taking(handler, told)

    receiver.behave = behave
    telling.put(200)
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(telling.tell) for _ in range(4)]:
            done.result(120)
    assert receiver.together == 1
    assert set(receiver.ids().values()) == {1}


# --- ages ----------------------------------------------------------------------------------------------------------


def age(telling: Telling, days: float) -> None:
    """Make everything so much older."""
    sqlite = telling.world.database.dialect == "sqlite"
    back = (
        f"strftime('%Y-%m-%d %H:%M:%f000', {{}}, '-{days} days')"
        if sqlite
        else f"{{}} - INTERVAL {days * 86_400} SECOND"
    )  # as the database writes its times
    moved = ", ".join(f"{column} = {back.format(column)}" for column in ("waiting_since", "due_at"))
    telling.world.execute(f"UPDATE eed_webhook SET {moved}")


def test_it_is_given_up_when_the_next_try_would_be_too_late(telling: Telling, receiver: Receiver) -> None:
    receiver.behave = answering(500)
    telling.put(2)
    age(telling, 2.99)  # the first wait is three quarters of an hour or more
    telling.world.execute("UPDATE eed_webhook SET waiting_since = due_at WHERE webhook_id = 1")
    telling.world.execute("UPDATE eed_webhook SET waiting_since = '2999-01-01 00:00:00.000000' WHERE webhook_id = 2")
    telling.tell()
    assert telling.rows("state, tries") == [("failed", 1), ("waiting", 1)]


def test_after_its_time_it_is_given_up_and_kept(telling: Telling, receiver: Receiver) -> None:
    receiver.behave = answering(500, b"no")
    telling.put()
    telling.tell()
    age(telling, 2)
    telling.tell()
    assert telling.rows() == [("waiting", 2, 500)]
    age(telling, 1)
    with capture_logs() as logs:
        telling.tell()
    assert telling.rows() == [("failed", 3, 500)]
    assert [(entry["event"], entry["count"]) for entry in logs if "count" in entry] == [("webhooks_given_up", 1)]
    telling.lapse()
    telling.tell()
    assert len(receiver.told) == 3


def test_what_waited_too_long_for_an_endpoint_that_is_down_is_given_up_untried(telling: Telling) -> None:
    telling.put(2)
    age(telling, 3)
    telling.put()
    with capture_logs() as logs:
        assert Housekeeper(telling.ledger).step() == 0.0
        assert Housekeeper(telling.ledger).step() > 0
    assert telling.rows("state, answer") == [("failed", "the endpoint was down or paused all the time")] * 2 + [
        ("waiting", None)
    ]
    assert [(entry["event"], entry["count"]) for entry in logs] == [("webhooks_given_up", 2)]


def test_what_is_done_is_forgotten_and_what_was_given_up_later(telling: Telling, receiver: Receiver) -> None:
    receiver.behave = each(taking, answering(500))
    telling.put(2)
    telling.tell()
    telling.world.execute("UPDATE eed_webhook SET waiting_since = '2020-01-01 00:00:00.000000'")
    telling.lapse()
    telling.tell()
    assert telling.rows() == [("done", 1, 200), ("failed", 2, 500)]
    for days, left in ((6, 2), (1, 1), (22, 1), (1, 0)):
        age(telling, days)
        while Housekeeper(telling.ledger).step() == 0.0:
            pass
        assert len(telling.rows()) == left, days


def test_what_waits_is_never_forgotten(telling: Telling) -> None:
    telling.put()
    age(telling, 1)
    assert telling.ledger.forget() == 0
    assert telling.rows("state") == [("waiting",)]


def test_the_housekeeping_changes_what_it_has_found_and_only_while_it_is_so(telling: Telling) -> None:
    telling.put(4)
    standing = {1: ("waiting", 2020), 2: ("waiting", 2999), 3: ("done", 2020), 4: ("failed", 2999)}
    for number, (state, year) in standing.items():
        moved = f"state = '{state}', due_at = '{year}-01-01 00:00:00.000000'"
        telling.world.execute(f"UPDATE eed_webhook SET {moved} WHERE webhook_id = {number}")
    age_and_keep = {"max_age": 259_200, "keep": 60}

    def found(statement: Any, **values: Any) -> list[int]:
        return telling.world.database.run(lambda c: list(c.execute(statement, {"at_most": 9, **values}).scalars()))

    def changed(statement: Any, *ids: int, **values: Any) -> list[int]:
        return [
            telling.world.database.run(lambda c, i=i: c.execute(statement, {"id": i, **values}).rowcount) for i in ids
        ]

    assert found(sql.TOO_OLD, max_age=259_200) == [1]
    assert [found(sql.FORGETTABLE, ended=state) for state in ("done", "failed")] == [[3], []]
    assert changed(sql.EXPIRE, 2, 3, 4, 1, **age_and_keep) == [0, 0, 0, 1]
    telling.world.execute("UPDATE eed_webhook SET due_at = '2020-01-01 00:00:00.000000' WHERE webhook_id = 2")
    assert changed(sql.FORGET, 2, 4, 1, 3) == [0, 0, 0, 1]


# --- an operator ---------------------------------------------------------------------------------------------------


def given_up(telling: Telling, count: int) -> list[str]:
    telling.put(count)
    telling.world.execute("UPDATE eed_webhook SET state = 'failed', tries = 7 WHERE state = 'waiting'")
    return [report.message_id for report in telling.list.all("failed", 100)]


def test_what_was_given_up_can_be_told_again_with_its_id(telling: Telling, receiver: Receiver) -> None:
    first, second, third = given_up(telling, 3)
    age(telling, 29)
    number, _, nonce = second.removeprefix("msg_").partition("_")
    wrong = [f"msg_{number}_{'0' * len(nonce)}", f"msg_9{number}_{nonce}", second.upper(), "x", ""]
    assert telling.list.tell_anew([*wrong, first]) == [first]
    assert telling.list.tell_anew([first]) == []
    telling.tell()
    assert receiver.taken == [first]
    assert telling.rows()[0] == ("done", 1, 200)
    assert telling.list.tell_all_anew() == 2
    telling.tell()
    assert sorted(receiver.taken) == sorted([first, second, third])


def test_the_list_tells_keys_states_and_answers(world: World, receiver: Receiver, one: int) -> None:
    telling = Telling(world, receiver.url)
    receiver.behave = answering(500, b"no")
    world.database.run(lambda c: telling.outbox.put(c, [Notice(NoticeKind.EMAIL_OPENED, email_id=one)]))
    telling.put()
    telling.tell()
    by_email, by_job = sorted(telling.list.all("waiting", 10), key=lambda report: report.kind)
    assert (by_email.kind, by_email.job, by_email.email, by_email.status, by_email.answer) == (
        "email.opened",
        "1",
        str(one),
        500,
        "no",
    )
    assert (by_job.job, by_job.email, by_job.tries) == ("1", None, 1)
    assert len(telling.list.all("waiting", 1)) == 1
    assert telling.list.counts() == {"waiting": 2}
    assert telling.list.endpoint().failures == 2
