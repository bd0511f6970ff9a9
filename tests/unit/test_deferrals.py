"""Temporary answers: which are one recipient's, and which many recipients share."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eed_delivery.errors import DatabaseGone
from eed_delivery.ledger.answers import Deferral
from eed_delivery.model import Concerns, Email, Outcome, Verdict
from eed_delivery.worker.deferrals import (
    DOMAINS,
    ENOUGH,
    ENOUGH_OF_OWN,
    LOOK_SECONDS,
    SharedDeferrals,
    is_full,
    is_greylisting,
    is_own,
)

BUSY = "450 4.2.1 Mailbox busy"
FULL = "452 4.2.2 <{}>: mailbox is full"


def outcome(reply: str) -> Outcome:
    enhanced = reply.split()[1] if reply[4:6] == "4." else None
    return Outcome(Verdict.TEMPORARY, reply, int(reply[:3]), enhanced)


@pytest.mark.parametrize(
    "reply",
    [
        "451 4.7.1 Greylisted, please try again in 300 seconds",
        "450 4.2.0 <a@d.example>: Recipient address rejected: Greylisted, see http://postgrey.example/help",
        "451 #4.7.1 Gray-listed - please try again later",
        "451 4.7.1 Try again later",  # rspamd
        "451 4.7.1 Please wait 300 seconds, unknown triplet",
        "451 Please come back in 00:05:00",
        "450 Retry in 5 minutes",
    ],
)
def test_greylisting_is_told_by_its_words(reply: str) -> None:
    assert is_greylisting(outcome(reply))


@pytest.mark.parametrize(
    "reply",
    [
        BUSY,
        FULL,
        "451 4.7.0 Temporary server error. Please try again later.",
        "450 4.7.1 Recipient's message rate limit exceeded",
        "451 Could not complete recipient verify callout",
        "450 4.1.1 unverified address: Address verification in progress",
    ],
)
def test_other_temporary_answers_are_not_greylisting(reply: str) -> None:
    assert not is_greylisting(outcome(reply))


@pytest.mark.parametrize(
    ("reply", "own", "full"),
    [
        (FULL, True, True),
        ("452 4.2.2 Postfach voll", True, True),
        ("450 4.2.2 mailbox is over its limit", True, True),
        ("450 4.1.1 No such user", True, False),
        ("451 Invalid Recipient", True, False),
        (BUSY, False, False),
        ("450 4.2.2 <a@d.example>... temporary failure; please retry later", False, False),
        ("451 Recipient temporarily unavailable", False, False),
        ("450 4.1.2 Recipient address rejected: Domain not found", False, False),
    ],
)
def test_a_full_mailbox_is_its_owners(reply: str, own: bool, full: bool) -> None:
    assert (is_own(outcome(reply)), is_full(outcome(reply))) == (own, full)


class Ledger:
    """The recent answers of all hosts, the newest first, and what was sent: attempt and domain."""

    def __init__(self) -> None:
        self.attempts = 0
        self.deferred: list[Deferral] = []
        self.sent: list[tuple[int, str]] = []
        self.looks = 0
        self.since = 0.0
        self.gone = False

    def defer(self, email_id: int, domain: str, reply: str = BUSY) -> None:
        self.attempts += 1
        recipient = f"c{email_id}@{domain}"
        self.deferred.insert(0, Deferral(self.attempts, email_id, recipient, reply.format(recipient)))

    def send(self, domain: str) -> None:
        self.attempts += 1
        self.sent.append((self.attempts, domain))

    def deferrals(self, _seconds: float, _limit: int) -> list[Deferral]:
        self.looks += 1
        return list(self.deferred)

    def seconds_since_first(self, _email_id: int, _gen: int, code: int, enhanced: str | None) -> float:
        if self.gone:
            raise DatabaseGone("the database is away")
        return self.since if (code, enhanced) == (450, "4.2.1") else 0.0

    def was_sent_since(self, attempt_id: int, domain: str = "") -> bool:
        return any(at > attempt_id and domain in ("", of) for at, of in self.sent)


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


def whose(ledger: Ledger, domain: str = "d0.example", reply: str = BUSY, email_id: int = 0) -> Concerns | None:
    email = Email(email_id, 1, str(email_id), 0, 1, 1, f"c{email_id}@{domain}")
    shared = SharedDeferrals(ledger, lambda: 0.0)  # type: ignore[arg-type]
    return shared.whose(email, outcome(reply.format(email.recipient)))


@given(st.lists(st.integers(1, 30), unique=True, max_size=12), st.integers(1, 6))
def test_an_answer_is_shared_when_enough_recipients_over_enough_domains_have_it(ids: list[int], domains: int) -> None:
    ledger = Ledger()
    for n, email_id in enumerate(ids):
        ledger.defer(email_id, f"d{n % domains}.example")
        for domain in range(domains):
            ledger.send(f"d{domain}.example")
    over = {f"d{n % domains}.example" for n in range(len(ids))} | {"d0.example"}
    shared = len(ids) + 1 >= ENOUGH and len(over) >= DOMAINS
    assert whose(ledger) is (Concerns.RECIPIENT if shared else None)


def test_one_recipients_own_tries_are_not_many_recipients(ledger: Ledger) -> None:
    for n in range(10 * ENOUGH):
        ledger.defer(0, f"d{n % 9}.example")
        ledger.defer(1, f"d{n % 9}.example")
    assert whose(ledger) is None


def test_other_answers_are_not_compared(ledger: Ledger) -> None:
    for n in range(1, 4 * ENOUGH):
        ledger.defer(n, f"d{n % 9}.example", "451 Could not complete recipient verify callout")
    assert whose(ledger) is None


def test_all_of_one_domain_mean_that_domain(ledger: Ledger) -> None:
    ledger.send("d0.example")
    for n in range(1, ENOUGH):
        ledger.defer(n, "d0.example")
        ledger.send("other.example")
    assert whose(ledger) is Concerns.OTHERS


def test_some_of_one_domain_do_not_mean_it(ledger: Ledger) -> None:
    for n in range(1, 10 * ENOUGH):
        ledger.defer(n, "d0.example")
    ledger.send("d0.example")
    assert whose(ledger) is None


def test_retries_that_come_when_all_else_is_sent_do_not_mean_their_domain(ledger: Ledger) -> None:
    for n in range(1, 2 * ENOUGH):
        ledger.defer(n, "d0.example")
        ledger.send("d0.example")
    for n in range(1, 2 * ENOUGH):
        ledger.defer(n, "d0.example")
    assert whose(ledger) is None


def test_full_mailboxes_among_others_are_their_owners_however_many_they_are(ledger: Ledger) -> None:
    for n in range(1, 10 * ENOUGH_OF_OWN):
        ledger.defer(n, f"d{n % 9}.example", FULL)
        ledger.send("d8.example")
        ledger.send("d0.example")
    assert whose(ledger, reply=FULL) is None


def test_full_mailboxes_of_all_are_nobodys(ledger: Ledger) -> None:
    for n in range(1, ENOUGH_OF_OWN):
        ledger.defer(n, f"d{n % 9}.example", FULL)
    assert whose(ledger, reply=FULL) is Concerns.RECIPIENT


def test_how_long_an_email_is_answered_so_is_the_ledgers_word(ledger: Ledger) -> None:
    shared = SharedDeferrals(ledger, lambda: 0.0)  # type: ignore[arg-type]
    email = Email(1, 1, "1", 0, 1, 2, "a@example.com")
    ledger.since = 600.0
    assert shared.has_lasted(email, outcome(BUSY), 600.0)
    assert not shared.has_lasted(email, outcome(BUSY), 601.0)
    assert not shared.has_lasted(email, outcome(FULL), 600.0), "another answer"
    ledger.gone = True
    assert not shared.has_lasted(email, outcome(BUSY), 600.0), "nobody fails while it is not known"


def test_a_crowd_looks_at_the_ledger_once_in_a_while(ledger: Ledger) -> None:
    now = 0.0
    shared = SharedDeferrals(ledger, lambda: now)  # type: ignore[arg-type]
    email = Email(1, 1, "1", 0, 1, 1, "a@example.com")
    for _ in range(100):
        shared.whose(email, outcome(BUSY))
    assert ledger.looks == 1
    now += LOOK_SECONDS
    shared.whose(email, outcome(BUSY))
    assert ledger.looks == 2
