"""Dead letters that name no email of ours: list, show, and have one deleted."""

from collections.abc import Sequence
from dataclasses import dataclass

from eed_delivery.ledger.dead_letters import DeadLetterLedger, StoredLetter
from eed_delivery.operations.refusals import UnknownKey
from eed_delivery.operations.values import reason

__all__ = ["DeadLetters", "LettersPage", "StoredLetter"]


@dataclass(frozen=True, slots=True)
class LettersPage:
    """Letters, the newest first. `next_before` is None on the last page."""

    letters: Sequence[StoredLetter]
    next_before: int | None


class DeadLetters:
    """What a person can ask of foreign dead letters. Each call raises `DatabaseGone`."""

    def __init__(self, ledger: DeadLetterLedger) -> None:
        self._ledger = ledger

    def page(self, limit: int, before: int | None = None) -> LettersPage:
        """Letters that the sweeper has seen within a day."""
        found = self._ledger.page(limit + 1, before)
        shown = found[:limit]
        return LettersPage(shown, shown[-1].letter_id if len(found) > limit else None)

    def view(self, letter_id: int) -> StoredLetter:
        """One letter. Raises `UnknownKey`."""
        found = self._ledger.of(letter_id)
        if found is None:
            raise _unknown(letter_id)
        return found

    def delete(self, letter_id: int, why: str) -> None:
        """Have a letter deleted for good. The sweeper does it in its next round. Raises `UnknownKey`."""
        if not self._ledger.delete(letter_id, reason(why)):
            raise _unknown(letter_id)


def _unknown(letter_id: int) -> UnknownKey:
    return UnknownKey(f"there is no dead letter {letter_id}, or it is deleted", which=f"dead letter {letter_id}")
