"""What a temporary answer costs its email: counted tries, then patience, and a full mailbox without it."""

import pytest

from eed_delivery.ledger.answers import PATIENCE_SECONDS
from eed_delivery.model import Concerns, Email, Outcome, Verdict
from eed_delivery.worker.temporary_answers import TemporaryAnswers

MAX_ATTEMPTS = 3
COUNTED = None
NOT_NOW = (
    "450 4.2.1 Mailbox busy",
    "451 Invalid Recipient - https://mail.example/docs#451",
    "450 4.2.2 <anna@d.example>... temporary failure; please retry later",
    "450 4.1.1 <anna@d.example>: Recipient address rejected: unverified address",
    "451 4.7.1 Greylisted, try again in 300 seconds",
)
FULL = ("452 4.2.2 mailbox is full", "450 4.2.2 over its limit", "452 Postfach voll")


def outcome(reply: str) -> Outcome:
    enhanced = reply.split()[1] if reply[4:6] == "4." else None
    return Outcome(Verdict.TEMPORARY, reply, int(reply[:3]), enhanced)


class Shared:
    """What the ledger says of others, and since when this email is answered so."""

    def __init__(self, others: Concerns | None = None, since: float = 0.0) -> None:
        self._others = others
        self._since = since

    def whose(self, _email: Email, _outcome: Outcome) -> Concerns | None:
        return self._others

    def has_lasted(self, _email: Email, _outcome: Outcome, seconds: float) -> bool:
        return self._since >= seconds


def whose(
    reply: str, attempts: int, shared: Shared, *, everybodys: bool = False, max_attempts: int = MAX_ATTEMPTS
) -> Concerns | None:
    email = Email(1, 1, "1", 0, 1, attempts, "anna@d.example")
    answers = TemporaryAnswers(shared, lambda _: everybodys, max_attempts)  # type: ignore[arg-type]
    return answers.whose(email, outcome(reply))


@pytest.mark.parametrize("reply", NOT_NOW)
@pytest.mark.parametrize(
    ("attempts", "since", "wanted"),
    [
        (0, 0.0, COUNTED),
        (1, 60.0, COUNTED),
        (2, 300.0, Concerns.RECIPIENT),
        (2, PATIENCE_SECONDS - 1, Concerns.RECIPIENT),
        (2, PATIENCE_SECONDS, COUNTED),
    ],
)
def test_the_last_try_is_counted_after_hours_and_not_before(
    reply: str, attempts: int, since: float, wanted: Concerns | None
) -> None:
    assert whose(reply, attempts, Shared(since=since)) is wanted


@pytest.mark.parametrize("reply", FULL)
@pytest.mark.parametrize("attempts", [0, 1, 2])
def test_a_full_mailbox_has_its_tries_and_no_more(reply: str, attempts: int) -> None:
    assert whose(reply, attempts, Shared(since=300.0)) is COUNTED


@pytest.mark.parametrize("reply", [*NOT_NOW[:-1], *FULL])
@pytest.mark.parametrize("concerns", [Concerns.RECIPIENT, Concerns.OTHERS])
def test_what_others_get_too_is_not_counted_from_the_second_try_on(reply: str, concerns: Concerns) -> None:
    shared = Shared(concerns, since=60.0)
    assert [whose(reply, attempts, shared) for attempts in (0, 1, 2)] == [COUNTED, concerns, concerns]


@pytest.mark.parametrize("reply", NOT_NOW)
def test_what_recipients_share_is_counted_in_the_end(reply: str) -> None:
    assert whose(reply, 1, Shared(Concerns.RECIPIENT, since=PATIENCE_SECONDS)) is COUNTED


def test_what_a_whole_domain_says_is_not_counted_by_time() -> None:
    shared = Shared(Concerns.OTHERS, since=2 * PATIENCE_SECONDS)
    assert whose(NOT_NOW[0], 2, shared) is Concerns.OTHERS


def test_a_row_of_one_answer_to_all_is_nobodys() -> None:
    assert whose(NOT_NOW[0], 0, Shared(), everybodys=True) is Concerns.EVERYBODY
    assert whose(FULL[0], 0, Shared(), everybodys=True) is Concerns.RECIPIENT


@pytest.mark.parametrize("reply", [*NOT_NOW[:-1], *FULL])
def test_who_allows_one_try_has_one(reply: str) -> None:
    assert whose(reply, 0, Shared(), max_attempts=1) is COUNTED
    assert whose(reply, 0, Shared(Concerns.RECIPIENT), max_attempts=1) is Concerns.RECIPIENT
