"""What becomes of a copy in the spool, by what the ledger says of its email."""

from enum import Enum, auto

from eed_delivery.archive.names import ON_WIRE, CopyName
from eed_delivery.ledger.archiving import EmailStanding, TriedContent
from eed_delivery.model import OPEN_STATES, EmailState, Verdict


class CopyFate(Enum):
    """What to do with a copy."""

    ARCHIVE = auto()  # its email was accepted
    WAIT = auto()  # not decided yet: the email is in a worker's hand, or in doubt
    DROP = auto()  # these bytes were not accepted, or the archive has them
    UNKNOWN = auto()  # the ledger has no such email, or an older generation of it: it is kept, and nothing is done


def fate_of(name: CopyName, ending: str, standing: EmailStanding | None) -> CopyFate:
    """The fate of one copy.

    These bytes were accepted if an attempt of their generation was, and has their digest. If the worker died before it
    could record that, its email is in doubt. Once that is settled as sent, the copy that had the wire is the one. A
    copy that never had it was never sent.
    """
    if standing is None or name.gen > standing.gen:
        return CopyFate.UNKNOWN
    if name.gen in standing.archived:
        return CopyFate.DROP
    accepted = [tried for tried in standing.tried if tried.gen == name.gen and tried.verdict == Verdict.SENT]
    if TriedContent(name.gen, Verdict.SENT, name.sha256) in accepted:
        return CopyFate.ARCHIVE
    if _may_still_be_recorded(name, standing):
        return CopyFate.WAIT
    settled = bool(accepted) and all(tried.sha256 is None for tried in accepted)
    return CopyFate.ARCHIVE if settled and ending == ON_WIRE else CopyFate.DROP


def _may_still_be_recorded(name: CopyName, standing: EmailStanding) -> bool:
    """Whether this copy's own worker, an event or an operator may still say what became of it."""
    undecided = standing.state in OPEN_STATES or standing.state is EmailState.IN_DOUBT
    return undecided and (standing.gen, standing.token) == (name.gen, name.token)
