"""A sent email is sent once more: a new email of the same job, with the original's content, linked and on record."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from eed_delivery.checks.keys import key_findings
from eed_delivery.config import EmailSource, SourceSettings
from eed_delivery.errors import NotPossible
from eed_delivery.ledger.actor import Actor
from eed_delivery.ledger.acts import ActLedger
from eed_delivery.ledger.delivering.claims import new_token
from eed_delivery.ledger.delivering.recording import Decision
from eed_delivery.ledger.operating import Selection
from eed_delivery.ledger.publishing.known_rows import RESEND
from eed_delivery.ledger.resending import Resend, ResendLedger, Resent
from eed_delivery.ledger.suppression.listing import SuppressionEntry, SuppressionList
from eed_delivery.model import RESEND_IDS, Email, EmailState, Outcome, Ticket, Verdict
from eed_delivery.queue import read, write
from eed_delivery.rendering.variables import variables_of
from tests.servers.database_server import DatabaseServer
from tests.servers.mysql_proxy import MySqlProxy
from tests.world import World

NO = Decision(EmailState.FAILED, Outcome(Verdict.PERMANENT, "550 5.1.1 no such mailbox", 550, "5.1.1"), counted=True)
YES = Decision(EmailState.SENT, Outcome(Verdict.SENT, "250 ok", 250, message_id="m-1"), counted=True)


def tried(world: World, email: Email, decision: Decision) -> None:
    assert world.delivering.wire(email, 60) is None
    assert world.delivering.record(email, decision, 5)


@pytest.fixture
def sent(world: World) -> Iterator[int]:
    """The one email of a job that has finished."""
    (one,) = world.add_job(["Anna@Example.com"])
    world.enlist()
    tried(world, world.claimed(one), YES)
    assert world.sweeping.finish(1) is True
    yield one


def resend(world: World, email_id: int, **wanted: Any) -> Resent:
    return ResendLedger(world.database, world.source, Actor("carla", "cli")).resend(Resend(email_id, "lost", **wanted))


def number(world: World, key: str) -> int:
    found = world.reporting.email_id(key)
    assert found is not None
    return found


def job(world: World) -> tuple[Any, ...]:
    (row,) = world.execute("SELECT state, total, resent, finished_at IS NULL FROM eed_job WHERE job_id = 1")
    return tuple(row)


def test_a_resend_is_a_new_email_with_the_content_and_the_address_of_now(world: World, sent: int) -> None:
    assert resend(world, sent) == Resent("1000~1", "Anna@example.com")
    assert job(world) == ("active", 2, 1, 1)
    new = number(world, "1000~1")
    assert new in RESEND_IDS
    world.execute("UPDATE delivery_email SET recipient = 'anna@moved.example', variables = :v", v='{"name": "Anna B."}')
    email = world.claimed(new)
    assert (email.recipient, email.recipient_name, email.settled_elsewhere) == (
        "anna@moved.example", "Customer 1000", False,
    )  # fmt: skip
    variables = variables_of(email)
    assert (variables["name"], variables["email_id"]) == ("Anna B.", sent)
    tried(world, email, YES)
    assert world.sweeping.finish(1) is True
    assert job(world) == ("finished", 2, 1, 0)
    assert world.state(sent) == world.state(new) == "sent"
    report = world.reporting.email(new)
    assert report is not None
    assert (report.key, report.resend_of) == ("1000~1", "1000")


def test_the_original_says_who_has_sent_it_once_more_and_why(world: World, sent: int) -> None:
    resend(world, sent, recipient="b@example.com")
    (act,) = ActLedger(world.database).of_email(sent)
    assert (act.act, act.who, act.count, act.reason) == ("resend", "carla", 1, "as 1000~1 to b@example.com: lost")
    report = world.reporting.job(1)
    assert report is not None
    assert (report.found, report.total, report.resent, report.accounted) == (1, 2, 1, True)


def test_the_sources_row_goes_on_speaking_of_the_original(world: World, sent: int) -> None:
    before = world.execute("SELECT status, status_detail, attempts, message_id, sent_at FROM delivery_email")
    for decision in (NO, YES):
        new = number(world, resend(world, sent).key)
        tried(world, world.claimed(new), decision)
    failed = number(world, "1000~1")
    assert world.operating.requeue(Selection(emails=(failed,))) == 1
    assert world.delivering.wire(world.claimed(failed, gen=1), 60) is None
    world.lapse(failed)
    assert world.sweeping.settle_the_wire(resend_below=0) == 1
    assert world.operating.settle([failed], EmailState.FAILED, "seen") == [failed]
    resend(world, sent)
    assert world.operating.cancel(1, "enough")
    assert world.sweeping.end_leftovers() == 1
    assert world.execute("SELECT status, status_detail, attempts, message_id, sent_at FROM delivery_email") == before


def test_a_resend_goes_where_it_is_told_whatever_the_source_says(world: World, sent: int) -> None:
    new = number(world, resend(world, sent, recipient="Other@Bücher.example").key)
    world.execute("UPDATE delivery_email SET recipient = 'third@example.com'")
    email = world.claimed(new)
    assert email.recipient == "Other@xn--bcher-kva.example"
    tried(world, email, NO)
    assert world.operating.readdressed(Selection(emails=(new,))) == 0


@pytest.mark.parametrize("entry", ["anna@example.com", "*@example.com"])
def test_a_suppressed_address_is_refused_unless_that_is_said(world: World, sent: int, entry: str) -> None:
    SuppressionList(world.database).enter([SuppressionEntry(entry, "", "asked by phone", "operator")])
    with pytest.raises(NotPossible, match=r"on the suppression list .*asked by phone"):
        resend(world, sent)
    assert job(world) == ("finished", 1, 0, 0)
    assert resend(world, sent, recipient="b@other.example").key == "1000~1"
    new = number(world, resend(world, sent, despite_list=True).key)
    assert world.claimed(new).recipient == "Anna@Example.com"


def test_the_list_stops_no_file_that_is_put_once_more(world: World, sent: int) -> None:
    SuppressionList(world.database).enter([SuppressionEntry("anna@example.com", "", "asked by phone", "operator")])
    who = Actor("carla", "cli")
    others = ResendLedger(world.database, world.source, who, file_channels=lambda: ["documents"])
    with pytest.raises(NotPossible, match="on the suppression list"):
        others.resend(Resend(sent, "lost"))
    ledger = ResendLedger(world.database, world.source, who, file_channels=lambda: ["default"])
    assert ledger.resend(Resend(sent, "lost")).key == "1000~1"


def test_an_address_that_is_suppressed_before_the_claim_keeps_a_resend_back(world: World, sent: int) -> None:
    new = number(world, resend(world, sent).key)
    SuppressionList(world.database).enter([SuppressionEntry("anna@example.com", "", "asked", "operator")])
    assert world.claim(new).emails == ()
    assert (world.state(new), world.source_status(sent)) == ("suppressed", "sent")


def test_an_email_that_was_suppressed_by_mistake_is_sent_once_its_address_is_off_the_list(world: World) -> None:
    (email_id,) = world.add_job(["anna@example.com"])
    world.enlist()
    suppressions = SuppressionList(world.database)
    suppressions.enter([SuppressionEntry("anna@example.com", "", "a wrong file", "operator")])
    assert world.claim(email_id).emails == ()
    with pytest.raises(NotPossible, match="on the suppression list"):
        resend(world, email_id)
    assert suppressions.remove("anna@example.com", "") == 1
    new = number(world, resend(world, email_id).key)
    tried(world, world.claimed(new), YES)
    assert (world.state(email_id), world.state(new)) == ("suppressed", "sent")
    assert world.source_status(email_id) == "suppressed"


@pytest.mark.parametrize("category", ["news", ""])
def test_only_entries_for_the_jobs_category_count(world: World, sent: int, category: str) -> None:
    world.execute("UPDATE eed_job SET category = :c", c=category)
    SuppressionList(world.database).enter([SuppressionEntry("anna@example.com", "offers", "asked", "operator")])
    assert resend(world, sent).key == "1000~1"


def test_a_resend_of_a_resend_is_the_next_of_the_original(world: World, sent: int) -> None:
    first = number(world, resend(world, sent).key)
    with pytest.raises(NotPossible, match="1000~1 is pending"):
        resend(world, first)
    tried(world, world.claimed(first), YES)
    assert [resend(world, one).key for one in (first, sent)] == ["1000~2", "1000~3"]
    report = world.reporting.email(sent)
    assert report is not None
    assert [email.key for email in world.reporting.resends(report)] == ["1000~1", "1000~2", "1000~3"]
    assert [email.resend_of for email in world.reporting.resends(report)] == ["1000"] * 3


def test_what_cannot_be_sent_once_more_is_refused(world: World, sent: int) -> None:
    with pytest.raises(NotPossible, match="no email"):
        resend(world, 7)
    world.execute("UPDATE delivery_email SET recipient = 'nobody'")
    with pytest.raises(NotPossible, match=r"not valid.*--to"):
        resend(world, sent)
    world.execute("UPDATE eed_job SET state = 'cancelled'")
    with pytest.raises(NotPossible, match="cancelled"):
        resend(world, sent, recipient="b@example.com")
    world.execute("DELETE FROM delivery_email")
    with pytest.raises(NotPossible, match="has gone"):
        resend(world, sent, recipient="b@example.com")
    assert world.execute("SELECT total, resent FROM eed_job") == [(1, 0)]
    assert len(world.execute("SELECT 1 FROM eed_email")) == 1


def test_an_original_and_its_resend_may_be_in_one_batch(world: World) -> None:
    (one,) = world.add_job(["a@example.com"])
    world.enlist()
    tried(world, world.claimed(one), YES)
    new = number(world, resend(world, one).key)
    world.execute("UPDATE eed_email SET state = 'failed' WHERE email_id = :i", i=one)
    world.operating.requeue(Selection(emails=(one,)))
    claim = world.delivering.claim([Ticket(one, 1, 0), Ticket(new, 0, 0)], new_token(), 60)
    assert [(email.key, email.content_key) for email in claim.emails] == [("1000", "1000"), ("1000~1", "1000")]


def test_a_resend_has_a_message_like_any_other(world: World, sent: int) -> None:
    new = number(world, resend(world, sent).key)
    (leased,) = world.registry.lease(new_token(), 60, 10, 0)
    (ticket,) = world.registry.pending([leased], 10)
    assert ticket.email_id == new
    assert read(write(ticket)) == replace(ticket, group="")


def test_no_row_of_the_source_gets_the_number_of_a_resend(world: World) -> None:
    world.add_job(["a@example.com"])
    world.execute("UPDATE delivery_email SET id = :i", i=RESEND_IDS[5])
    world.enlist()
    assert world.execute("SELECT email_id FROM eed_email") == []
    assert world.execute("SELECT status FROM delivery_email") == [("failed",)]
    found = world.database.run(lambda c: list(key_findings(c, SourceSettings())))
    assert [finding.where for finding in found if finding.level == "error"] == ["source.email.id"]


def test_where_keys_are_words_the_database_numbers_a_resend(world: World) -> None:
    columns = "k VARCHAR(20) PRIMARY KEY, job_id INT, recipient VARCHAR(90), status VARCHAR(20)"
    world.execute(f"CREATE TABLE letter ({columns})")
    for key, recipient in (("A~1", "a@example.com"), ("A", "b@example.com")):
        world.execute("INSERT INTO letter VALUES (:k, 1, :r, 'pending')", k=key, r=recipient)
    world.add_job([])
    lacking = ("recipient_name", "variables", "status_detail", "attempts", "message_id", "sent_at", "outcome")
    mapped = EmailSource(table="letter", id="k", key_type="string", **dict.fromkeys(lacking, ""))
    other = World(world.url, SourceSettings(email=mapped))
    other.enlist()
    ids = {key: number(other, key) for key in ("A", "A~1")}
    for email_id in ids.values():
        tried(other, other.claimed(email_id), YES)
    assert resend(other, ids["A"]).key == "A~2"
    new = number(other, resend(other, ids["A~1"]).key)
    assert new not in RESEND_IDS
    email = other.claimed(new)
    assert (email.key, email.content_key, email.recipient) == ("A~1~1", "A~1", "a@example.com")
    world.execute("INSERT INTO letter VALUES ('A~2', 2, 'c@example.com', 'pending')")
    world.add_job([], job_id=2)
    other.enlist(2)
    assert world.execute("SELECT source_key, reason FROM eed_refusal") == [("A~2", RESEND)]
    other.close()


def test_a_commit_whose_answer_is_lost_sends_no_second_one(database_server: DatabaseServer, database_url: str) -> None:
    with MySqlProxy(database_server.port) as proxy:
        world = World(proxy.url(database_url))
        (one,) = world.add_job()
        world.enlist()
        tried(world, world.claimed(one), YES)
        proxy.cut_after_commit(2)
        assert resend(world, one).key == "1000~1"
        assert sum(proxy.cuts.values()) >= 1
        assert world.execute("SELECT total, resent FROM eed_job") == [(2, 1)]
        assert len(world.execute("SELECT 1 FROM eed_email")) == 2
        assert len(ActLedger(world.database).of_email(one)) == 1
        world.close()
