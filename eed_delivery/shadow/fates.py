"""What became of an email at the old server, what would here, and the verdict of both. Pure tables."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from eed_delivery.model import EmailState
from eed_delivery.shadow.differences import DifferingField, EmailDifference


class OldFate(StrEnum):
    """What the old server says of an email."""

    SENT = "sent"
    FAILED = "failed"
    NOT_SENT = "not_sent"
    SUPPRESSED = "suppressed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"  # a status that is not mapped


class NewFate(StrEnum):
    """What would become of it here."""

    SENT = "sent"
    FAILED = "failed"
    SUPPRESSED = "suppressed"
    UNKNOWN = "unknown"  # its row has gone


class ShadowVerdict(StrEnum):
    """What a comparison says of one email."""

    SAME = "same"
    DIFFERS = "differs"
    ONLY_OLD = "only_old"  # the old server sent it, and here it would not be
    ONLY_NEW = "only_new"  # here it would be sent, and the old server did not
    NOT_COMPARABLE = "not_comparable"


class LogFate(StrEnum):
    """What the relay's log says of an email that the old server sent."""

    ACCEPTED = "accepted"
    BOUNCED = "bounced"
    ABSENT = "absent"  # the log covers its time, and does not have it
    NOTHING = "nothing"  # it need not have it


_OF_STATE = {
    EmailState.SENT: OldFate.SENT,
    EmailState.IN_DOUBT: OldFate.SENT,
    EmailState.FAILED: OldFate.FAILED,
    EmailState.SUPPRESSED: OldFate.SUPPRESSED,
    EmailState.CANCELLED: OldFate.CANCELLED,
    EmailState.PENDING: OldFate.NOT_SENT,
}


def old_fate(means: EmailState | None) -> OldFate:
    """By what the status of its row means."""
    return OldFate.UNKNOWN if means is None else _OF_STATE.get(means, OldFate.UNKNOWN)


@dataclass(frozen=True, slots=True)
class OldSide:
    """What is known of an email there. `copies`: how many were found. None: none are kept. `copy_problem`: why its copy
    cannot be read. `queued`: how often the relay took it. `extra`: other recipients that the relay's log has."""

    fate: OldFate
    copies: int | None = None
    copy_problem: str = ""
    log: LogFate = LogFate.NOTHING
    queued: int = 0
    extra: int = 0


@dataclass(frozen=True, slots=True)
class NewSide:
    """What would become of it here, and why if it would not be sent."""

    fate: NewFate
    why: str = ""


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict, and what it stands on."""

    verdict: ShadowVerdict
    differences: tuple[EmailDifference, ...] = ()


def judged(old: OldSide, new: NewSide, differences: Sequence[EmailDifference]) -> Judged:
    """The verdict of one email. `differences` are those of its messages."""
    if new.fate is NewFate.UNKNOWN:
        return _differing(ShadowVerdict.NOT_COMPARABLE, _status("its row went away before it was compared"))
    if old.fate in (OldFate.UNKNOWN, OldFate.CANCELLED):
        word = "cancelled" if old.fate is OldFate.CANCELLED else "a status that is not mapped"
        what = f"the old server says {word}"
        return _differing(ShadowVerdict.NOT_COMPARABLE, _status(what))
    if old.fate is OldFate.SENT:
        return _sent_there(old, new, differences)
    if old.copies:
        what = f"the old server says {_said(old.fate)}, and there is a copy of it"
        return _differing(ShadowVerdict.DIFFERS, _status(what))
    if new.fate is NewFate.SENT:
        if old.fate is OldFate.FAILED and old.log is LogFate.BOUNCED:
            return Judged(ShadowVerdict.SAME)  # the relay's answer, and no server's doing
        what = f"the old server says {_said(old.fate)}, and here it would be sent"
        return _differing(ShadowVerdict.ONLY_NEW, _status(what))
    if old.fate.value == new.fate.value or old.fate is OldFate.NOT_SENT:
        return Judged(ShadowVerdict.SAME)
    what = f"the old server says {old.fate}, and here it would be {_would(new)}"
    return _differing(ShadowVerdict.DIFFERS, _status(what))


def _sent_there(old: OldSide, new: NewSide, differences: Sequence[EmailDifference]) -> Judged:
    if new.fate is not NewFate.SENT:
        what = f"the old server says sent, and here it would be {_would(new)}"
        return _differing(ShadowVerdict.ONLY_OLD, _status(what))
    found = list(differences)
    if old.copy_problem:
        what = f"its copy cannot be read: {old.copy_problem}"
        return _differing(ShadowVerdict.NOT_COMPARABLE, EmailDifference(DifferingField.COPY, what))
    if old.copies == 0:
        found.append(EmailDifference(DifferingField.COPY, "the old server says sent, and there is no copy of it"))
    elif (old.copies or 0) > 1 or old.queued > 1:
        found.append(EmailDifference(DifferingField.COPY, f"it was sent {max(old.copies or 0, old.queued)} times"))
    if old.log is LogFate.ABSENT:
        found.append(_status("the old server says sent, and the relay's log does not have it"))
    if old.extra:
        found.append(EmailDifference(DifferingField.RECIPIENT, f"the relay's log has {old.extra} more recipients"))
    return Judged(ShadowVerdict.DIFFERS if found else ShadowVerdict.SAME, tuple(dict.fromkeys(found)))


def _differing(verdict: ShadowVerdict, difference: EmailDifference) -> Judged:
    return Judged(verdict, (difference,))


def _status(what: str) -> EmailDifference:
    return EmailDifference(DifferingField.STATUS, what)


def _said(fate: OldFate) -> str:
    return "not sent" if fate is OldFate.NOT_SENT else fate.value


def _would(new: NewSide) -> str:
    return new.fate.value + (f": {new.why}" if new.why else "")
