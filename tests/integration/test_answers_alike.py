"""Refusals alike over many domains are not the recipients': what failed goes back by itself."""

import string
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eed_delivery.ledger.answers import AnswersLedger, ServerAnswer
from eed_delivery.ledger.delivering.domain_holds import DomainHolds
from eed_delivery.ledger.delivering.recording import Decision
from eed_delivery.model import EmailState, Outcome, Verdict
from eed_delivery.sweeper.answers_alike import ENOUGH, AnswersAlike, judge
from eed_delivery.transports.replies.kinds import kind_of
from tests.world import World

UNKNOWN_WORDS = "550 5.0.0 Computer says no, ticket {}"


def answers(*, refused: int, sent: int, domains: int, reply: str = UNKNOWN_WORDS) -> list[ServerAnswer]:
    """`refused` refusals over so many domains, spread evenly among emails to other domains that were sent."""
    no = [
        ServerAnswer(n, f"c{n}@d{n % domains}.example", Verdict.PERMANENT, 550, reply.format(n)) for n in range(refused)
    ]
    yes = [ServerAnswer(1000 + n, f"c{n}@other{n % 7}.example", Verdict.SENT, 250, "250 ok") for n in range(sent)]
    step = max(1, len(yes) // max(1, len(no)))
    mixed = [one for n, answer in enumerate(no) for one in (answer, *yes[n * step : (n + 1) * step])]
    return mixed + yes[len(no) * step :]


def test_one_refusal_of_most_recipients_over_many_domains_is_everybodys() -> None:
    finding = judge(answers(refused=60, sent=20, domains=10))
    assert finding is not None
    assert (finding.domain, finding.count, finding.of) == ("", 60, 80)


@pytest.mark.parametrize(
    ("refused", "sent", "domains"), [(ENOUGH - 1, 0, 10), (30, 170, 10), (40, 40, 2)], ids=["few", "scattered", "two"]
)
def test_few_or_scattered_refusals_are_the_recipients(refused: int, sent: int, domains: int) -> None:
    assert judge(answers(refused=refused, sent=sent, domains=domains)) is None


def test_all_that_one_domain_says_is_that_domains() -> None:
    finding = judge(answers(refused=30, sent=170, domains=1))
    assert finding is not None
    assert finding.domain == "d0.example"


def test_a_job_whose_recipients_are_all_at_one_domain_is_judged_as_a_whole() -> None:
    finding = judge(answers(refused=30, sent=0, domains=1))
    assert finding is not None
    assert finding.domain == ""


@pytest.mark.parametrize(
    "reply",
    [
        "550 5.1.1 <c{}@x.example>: user unknown",
        "550 no such user here",
        "550 5.1.1 gone",
        "556 5.1.10 gone",
        "550 5.1.2 <c{}@x.example>: Domain not found",
    ],
)
def test_dead_addresses_are_their_own_however_many_they_are(reply: str) -> None:
    assert judge(answers(refused=200, sent=0, domains=20, reply=reply)) is None


FULL_OR_SUSPENDED = (
    "552 5.2.2 mailbox full",
    "552 Mailbox space not enough for c{}@x.example",
    "550 Mailbox currently suspended",
    "550 5.2.1 c{}@x.example: account disabled",
    "452 4.2.2 <c{}@x.example> over quota",
)


@pytest.mark.parametrize("reply", FULL_OR_SUSPENDED)
def test_mailboxes_that_are_full_or_suspended_all_at_once_are_their_servers(reply: str) -> None:
    everywhere = judge(answers(refused=60, sent=20, domains=10, reply=reply))
    assert everywhere is not None
    assert everywhere.domain == ""
    at_one_domain = judge(answers(refused=30, sent=170, domains=1, reply=reply))
    assert at_one_domain is not None
    assert at_one_domain.domain == "d0.example"


@pytest.mark.parametrize("reply", FULL_OR_SUSPENDED)
@pytest.mark.parametrize(("refused", "sent", "domains"), [(ENOUGH - 1, 0, 10), (30, 170, 10)], ids=["few", "scattered"])
def test_mailboxes_that_are_full_or_suspended_among_others_are_their_owners(
    reply: str, refused: int, sent: int, domains: int
) -> None:
    assert judge(answers(refused=refused, sent=sent, domains=domains, reply=reply)) is None


def at_home(reply: str, count: int, verdict: Verdict = Verdict.PERMANENT) -> list[ServerAnswer]:
    """Answers of one domain, beside those that others have."""
    return [ServerAnswer(5000 + n, f"x{n}@d0.example", verdict, int(reply[:3]), reply) for n in range(count)]


def test_dead_addresses_among_them_do_not_make_a_domain_well() -> None:
    full = answers(refused=30, sent=170, domains=1, reply=FULL_OR_SUSPENDED[0])
    finding = judge([*full, *at_home("550 5.1.1 no such user", 5)])
    assert finding is not None
    assert finding.domain == "d0.example"


def test_a_domain_that_takes_an_email_has_some_full_mailboxes() -> None:
    full = answers(refused=30, sent=170, domains=1, reply=FULL_OR_SUSPENDED[0])
    assert judge([*full, *at_home("250 ok", 1, Verdict.SENT)]) is None


@pytest.mark.parametrize(
    "reply",
    [
        "550 c{}@x.example only accepts mail from known senders",
        "521 5.2.1 :  (HVU:B1) A URL contained in your e-mail has generated a high volume of complaints",
        "550 Invalid Domain [mx-{}.x.example; LIB_420]",
        "550 5.2.0 Mail rejete. Mail rejected. ofr_506 [506]",
    ],
)
def test_words_about_the_sender_are_his_whatever_the_code_says(reply: str) -> None:
    finding = judge(answers(refused=60, sent=20, domains=10, reply=reply))
    assert finding is not None
    assert finding.domain == ""


_ids = st.one_of(
    st.uuids().map(str),
    st.text("0123456789abcdef", min_size=8, max_size=40),
    st.text(string.ascii_letters + string.digits, min_size=6, max_size=30),
    st.from_regex(r"[a-z0-9]{13}-[a-z0-9]{20}\.[0-9]{1,3}", fullmatch=True),
    st.from_regex(r"[0-9A-Za-z]{6}-[0-9A-Za-z]{6}-[0-9A-Za-z]{2}", fullmatch=True),
    st.integers(0, 10**12).map(str),
    st.emails(),
)


@given(_ids, _ids)
def test_ids_do_not_make_two_refusals_of_one_kind_differ(one: str, other: str) -> None:
    reply = "550 5.4.5 Daily sending limit exceeded for this customer, see the help pages. {} - gsmtp"
    assert kind_of(reply.format(one)) == kind_of(reply.format(other))


def fail(world: World, email_id: int, reply: str) -> None:
    email = world.claimed(email_id)
    assert world.delivering.wire(email, 60) is None
    world.delivering.record(email, Decision(EmailState.FAILED, Outcome(Verdict.PERMANENT, reply, 550), True), 1)


@pytest.fixture
def alike(world: World) -> AnswersAlike:
    return AnswersAlike(AnswersLedger(world.database), world.operating, partial(DomainHolds, world.database))


def job(world: World, address: Callable[[int], str], emails: int = 90) -> list[int]:
    ids = world.add_job([address(n) for n in range(emails)])
    world.enlist()
    return ids


def test_a_small_job_that_was_refused_whole_is_paused_and_fails_nobody(world: World, alike: AnswersAlike) -> None:
    ids = job(world, lambda n: f"c{n}@d{n % 9}.example")
    for email_id in ids[:-2]:
        fail(world, email_id, UNKNOWN_WORDS.format(email_id))
    for email_id in ids[-2:]:
        fail(world, email_id, "550 5.1.1 no such user")
    assert alike.look_if_failed(1), "it is not finished now"
    assert world.execute("SELECT state, COUNT(*) FROM eed_email GROUP BY state ORDER BY state") == [
        ("failed", 2), ("pending", 88)
    ]  # fmt: skip
    ((state, reason),) = world.execute("SELECT state, reason FROM eed_job")
    assert state == "paused"
    assert reason.startswith("88 of the last 90 replies were the same refusal")
    assert world.execute("SELECT DISTINCT attempts, gen FROM eed_email WHERE state = 'pending'") == [(0, 1)]
    assert not alike.look_if_failed(1)


def test_an_unwatched_job_is_not_judged(world: World, alike: AnswersAlike) -> None:
    for email_id in job(world, lambda n: f"c{n}@d{n % 9}.example", 30):
        fail(world, email_id, UNKNOWN_WORDS.format(email_id))
    world.execute("UPDATE eed_job SET watched = 0")
    assert not alike.look_if_failed(1)
    alike.step()
    assert world.execute("SELECT DISTINCT state FROM eed_email") == [("failed",)]


def test_a_domain_is_held_and_its_emails_go_back_while_the_job_goes_on(world: World, alike: AnswersAlike) -> None:
    ids = job(world, lambda n: f"c{n}@{'closed' if n < 30 else f'd{n}'}.example")
    for email_id in ids[:30]:
        fail(world, email_id, UNKNOWN_WORDS.format(email_id))
    for email_id in ids[30:]:
        email = world.claimed(email_id)
        world.delivering.wire(email, 60)
        world.delivering.record(email, Decision(EmailState.SENT, Outcome(Verdict.SENT, "ok", 250), True), 1)
    alike.step()
    assert world.execute("SELECT state, COUNT(*) FROM eed_email GROUP BY state ORDER BY state") == [
        ("pending", 30), ("sent", 60)
    ]  # fmt: skip
    assert world.execute("SELECT state FROM eed_job") == [("active",)]
    (hold,) = DomainHolds(world.database).all()
    assert (hold.domain, hold.times) == ("closed.example", 1)
    assert 50 < hold.seconds <= 60


def test_a_domain_is_held_on_the_channel_of_the_job_alone(world: World, alike: AnswersAlike) -> None:
    """Another relay has another way to it."""
    for email_id in (ids := job(world, lambda n: f"c{n}@{'closed' if n < 30 else f'd{n}'}.example"))[:30]:
        fail(world, email_id, "550 Mailbox currently suspended")
    for email_id in ids[30:]:
        email = world.claimed(email_id)
        world.delivering.wire(email, 60)
        world.delivering.record(email, Decision(EmailState.SENT, Outcome(Verdict.SENT, "ok", 250), True), 1)
    world.execute("UPDATE eed_job SET channel = 'letters'")
    alike.step()
    assert [hold.domain for hold in DomainHolds(world.database, "letters").all()] == ["closed.example"]
    assert DomainHolds(world.database).all() == []


def test_what_a_domain_says_for_hours_is_believed(world: World, alike: AnswersAlike) -> None:
    """A tenant that stays suspended: its emails end, and do not go back for ever. A job's go back, and it is paused."""
    suspended = "550 Mailbox currently suspended"
    ids = job(world, lambda n: f"c{n}@{'closed' if n < 30 else f'd{n}'}.example")
    for email_id in ids[:30]:
        fail(world, email_id, suspended)
    world.execute("UPDATE eed_attempt SET ended_at = '2001-01-01' WHERE email_id <= :last", last=ids[9])
    for email_id in ids[30:]:
        email = world.claimed(email_id)
        world.delivering.wire(email, 60)
        world.delivering.record(email, Decision(EmailState.SENT, Outcome(Verdict.SENT, "ok", 250), True), 1)
    alike.step()
    assert world.execute("SELECT email_id FROM eed_email WHERE state = 'failed' ORDER BY email_id") == [
        (email_id,) for email_id in ids[:10]
    ]
    world.execute("UPDATE eed_email SET state = 'failed', detail = :reply WHERE state = 'pending'", reply=suspended)
    world.execute("UPDATE eed_attempt SET ended_at = '2001-01-01'")
    world.execute("DELETE FROM eed_domain_hold")
    assert not alike.look_if_failed(1)
    assert DomainHolds(world.database).all() == []


def test_a_hold_grows_with_each_that_follows_it_and_an_answer_ends_it(world: World) -> None:
    holds = DomainHolds(world.database)
    lengths = []
    for _ in range(6):
        hold = holds.hold("closed.example", "421 no")
        assert hold is not None
        assert holds.hold("closed.example", "421 no") is None, "another process said it already"
        lengths.append(round(hold.seconds, -1))
        world.execute("UPDATE eed_domain_hold SET until_at = :past", past="2001-01-01 00:00:00.000000")
    assert lengths == [60, 120, 240, 480, 900, 900]
    assert holds.release("closed.example")
    assert not holds.release("closed.example")
    assert holds.all() == []


def test_a_hold_of_one_channel_is_none_of_another(world: World) -> None:
    ours, theirs = DomainHolds(world.database), DomainHolds(world.database, "letters")
    assert ours.hold("closed.example", "421 no") is not None
    assert theirs.all() == []
    assert theirs.hold("closed.example", "550 blocked") is not None, "it is held there, too"
    world.execute("UPDATE eed_domain_hold SET until_at = :past", past="2001-01-01 00:00:00.000000")
    assert ours.hold("closed.example", "421 no") is not None
    assert [(hold.times, hold.reason) for hold in theirs.all()] == [(1, "550 blocked")]
    assert theirs.release("closed.example")
    assert [hold.times for hold in ours.all()] == [2]


def test_what_is_deferred_waits_without_a_message_until_its_time(world: World) -> None:
    first, second = job(world, lambda n: f"c{n}@d.example", 2)
    email = world.claimed(first)
    world.delivering.defer([email], "d.example is held: 421", 60)
    assert (world.state(first), world.row(first)["attempts"]) == ("pending", 0)
    leased = world.registry.lease(7, 60, 10, 0)
    assert [ticket.email_id for ticket in world.registry.pending(leased, 10)] == [second]
    world.lapse(first, 120)
    assert [ticket.email_id for ticket in world.registry.pending(leased, 10)] == [first, second]


def test_what_fails_after_the_finding_goes_back_too(world: World, alike: AnswersAlike) -> None:
    """It was on the wire when the job was paused, and alone it would be too few to be judged."""
    ids = job(world, lambda n: f"c{n}@d{n % 9}.example", 60)
    on_the_wire = [world.claimed(email_id) for email_id in ids[40:43]]
    for email in on_the_wire:
        assert world.delivering.wire(email, 60) is None
    for email_id in ids[:40]:
        fail(world, email_id, UNKNOWN_WORDS.format(email_id))
    alike.step()
    assert world.execute("SELECT state FROM eed_job") == [("paused",)]
    for email in on_the_wire:
        outcome = Outcome(Verdict.PERMANENT, UNKNOWN_WORDS.format(email.email_id), 550)
        world.delivering.record(email, Decision(EmailState.FAILED, outcome, True), 1)
    alike.step()
    assert world.scalar("SELECT COUNT(*) FROM eed_email WHERE state = 'failed'") == 0


def test_what_all_are_told_for_now_is_nobodys_once_it_has_failed_many(world: World, alike: AnswersAlike) -> None:
    words = "451 Resources temporarily unavailable, ticket {}"
    ids = job(world, lambda n: f"c{n}@d{n % 9}.example", 60)
    for email_id in ids:
        email = world.claimed(email_id)
        assert world.delivering.wire(email, 60) is None
        outcome = Outcome(Verdict.TEMPORARY, words.format(email_id), 451)
        state = EmailState.FAILED if email_id < ids[30] else EmailState.QUEUED
        world.delivering.record(email, Decision(state, outcome, True, delay=60), 1)
    alike.step()
    assert world.scalar("SELECT COUNT(*) FROM eed_email WHERE state = 'failed'") == 0
    assert world.execute("SELECT state FROM eed_job") == [("paused",)]
