"""What becomes of a copy, for all that the ledger can say of its email."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eed_delivery.archive.fates import CopyFate, fate_of
from eed_delivery.archive.names import DRAFT, ON_WIRE, CopyName
from eed_delivery.ledger.archiving import EmailStanding, TriedContent
from eed_delivery.model import EmailState, Verdict

OURS, OTHERS = "ab" * 32, "cd" * 32
COPY = CopyName(1, 7, 2, 9, OURS)


def standing(
    state: EmailState, gen: int = 2, token: int | None = 9, *tried: TriedContent, archived: int | None = None
) -> EmailStanding:
    return EmailStanding(state, gen, token, tried, frozenset() if archived is None else frozenset({archived}))


def sent(sha256: str | None, gen: int = 2) -> TriedContent:
    return TriedContent(gen, Verdict.SENT, sha256)


def doubt(sha256: str | None, gen: int = 2) -> TriedContent:
    return TriedContent(gen, Verdict.IN_DOUBT, sha256)


@pytest.mark.parametrize("ending", [DRAFT, ON_WIRE])
@pytest.mark.parametrize(
    ("of", "fate"),
    [
        (None, CopyFate.UNKNOWN),
        (standing(EmailState.PENDING, 1), CopyFate.UNKNOWN),
        # in its worker's hand, or its worker may still answer
        (standing(EmailState.SENDING), CopyFate.WAIT),
        (standing(EmailState.PENDING, 2, 9, doubt(None)), CopyFate.WAIT),
        (standing(EmailState.IN_DOUBT, 2, 9, doubt(None)), CopyFate.WAIT),
        (standing(EmailState.IN_DOUBT, 2, 9, doubt(OURS)), CopyFate.WAIT),
        # accepted, whatever came later
        (standing(EmailState.SENT, 2, 9, sent(OURS)), CopyFate.ARCHIVE),
        (standing(EmailState.SENT, 2, 9, doubt(OTHERS), sent(OURS)), CopyFate.ARCHIVE),
        (standing(EmailState.PENDING, 3, None, sent(OURS)), CopyFate.ARCHIVE),
        (standing(EmailState.SENT, 3, 5, sent(OURS), sent(OTHERS, 3)), CopyFate.ARCHIVE),
        # the archive has it
        (standing(EmailState.SENT, 2, 9, sent(OURS), archived=2), CopyFate.DROP),
        # not accepted, or another try was
        (standing(EmailState.SENDING, 2, 5), CopyFate.DROP),
        (standing(EmailState.SENT, 2, 5, sent(OTHERS)), CopyFate.DROP),
        (standing(EmailState.FAILED), CopyFate.DROP),
        (standing(EmailState.SUPPRESSED), CopyFate.DROP),
        (standing(EmailState.CANCELLED), CopyFate.DROP),
        (standing(EmailState.FAILED, 2, 5, doubt(OURS), TriedContent(2, Verdict.PERMANENT, None)), CopyFate.DROP),
        (standing(EmailState.PENDING, 3, None, doubt(OURS)), CopyFate.DROP),
        (standing(EmailState.SENT, 3, 5, sent(OURS, 3)), CopyFate.DROP),
    ],
)
def test_a_fate(ending: str, of: EmailStanding | None, fate: CopyFate) -> None:
    assert fate_of(COPY, ending, of) is fate


@pytest.mark.parametrize(
    "of",
    [
        standing(EmailState.SENT, 2, 5, doubt(None), sent(None)),  # an operator's settlement changes the token
        standing(EmailState.SENT, 2, 9, doubt(OURS), sent(None)),  # an event's does not
        standing(EmailState.PENDING, 3, None, doubt(OURS), sent(None)),  # and a new generation since
    ],
)
def test_of_a_doubt_that_is_settled_as_sent_the_copy_counts_that_had_the_wire(of: EmailStanding) -> None:
    assert fate_of(COPY, ON_WIRE, of) is CopyFate.ARCHIVE
    assert fate_of(COPY, DRAFT, of) is CopyFate.DROP


STANDINGS = st.builds(
    EmailStanding,
    st.sampled_from(EmailState),
    st.integers(1, 3),
    st.sampled_from([None, 5, 9]),
    st.lists(
        st.builds(TriedContent, st.integers(1, 3), st.sampled_from(Verdict), st.sampled_from([None, OURS, OTHERS])),
        max_size=4,
    ),
    st.frozensets(st.integers(1, 3)),
)


@given(of=STANDINGS, ending=st.sampled_from([DRAFT, ON_WIRE]))
def test_nothing_is_archived_without_a_yes_on_record_and_nothing_that_was_accepted_is_dropped(
    of: EmailStanding, ending: str
) -> None:
    fate = fate_of(COPY, ending, of)
    accepted = [tried for tried in of.tried if tried.gen == COPY.gen and tried.verdict == Verdict.SENT]
    if fate is CopyFate.ARCHIVE:
        assert accepted
    if sent(OURS) in of.tried and COPY.gen not in of.archived and COPY.gen <= of.gen:
        assert fate is CopyFate.ARCHIVE
