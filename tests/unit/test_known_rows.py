"""What becomes of a row that says "not sent yet" although the ledger knows its key: every state, job and policy."""

from datetime import datetime

import pytest

from eed_delivery.ledger.publishing.known_rows import KnownEmail, KnownRowFate, fate
from eed_delivery.model import EmailState

WHEN = datetime.fromisoformat("2026-11-22T12:00:00")
HERE, ELSEWHERE = 1, 2
OPEN = (EmailState.PENDING, EmailState.QUEUED, EmailState.SENDING)
ENDED = (EmailState.SENT, EmailState.FAILED, EmailState.SUPPRESSED, EmailState.CANCELLED)
CASES = [
    *[(state, HERE, policy, KnownRowFate.NONE, "") for state in OPEN for policy in ("refuse", "new_generation")],
    *[
        (state, ELSEWHERE, policy, KnownRowFate.REFUSE, "known already: job J7 is still sending it")
        for state in OPEN
        for policy in ("refuse", "new_generation")
    ],
    *[
        (
            EmailState.IN_DOUBT,
            job,
            policy,
            KnownRowFate.REFUSE,
            "known already: it is in doubt in job J7. Settle it first",
        )
        for job in (HERE, ELSEWHERE)
        for policy in ("refuse", "new_generation")
    ],
    *[(state, job, "new_generation", KnownRowFate.REGENERATE, "") for state in ENDED for job in (HERE, ELSEWHERE)],
]


def known(state: EmailState, job_id: int, changed_at: datetime | None = WHEN) -> KnownEmail:
    return KnownEmail(5, job_id, "J7", 0, state, changed_at)


@pytest.mark.parametrize(("state", "job", "policy", "becomes", "why"), CASES)
def test_the_fate_of_a_known_row(state: EmailState, job: int, policy: str, becomes: KnownRowFate, why: str) -> None:
    assert fate(known(state, job), HERE, policy) == (becomes, why)  # type: ignore[arg-type]


@pytest.mark.parametrize("job", [HERE, ELSEWHERE])
@pytest.mark.parametrize(
    ("state", "words"),
    [
        (EmailState.SENT, "sent it"),
        (EmailState.FAILED, "ended it as failed"),
        (EmailState.SUPPRESSED, "ended it as suppressed"),
        (EmailState.CANCELLED, "ended it as cancelled"),
    ],
)
def test_what_has_ended_is_refused_with_what_became_of_it(state: EmailState, words: str, job: int) -> None:
    policy = 'source.job.known_rows is "refuse"'
    at = f"known already: job J7 {words} at 2026-11-22 12:00 UTC; {policy}"
    assert fate(known(state, job), HERE, "refuse") == (KnownRowFate.REFUSE, at)
    assert fate(known(state, job, None), HERE, "refuse") == (
        KnownRowFate.REFUSE,
        f"known already: job J7 {words}; {policy}",
    )
