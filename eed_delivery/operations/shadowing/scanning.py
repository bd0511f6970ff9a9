"""New copies of what the old server has sent, entered in the ledger in chunks."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from eed_delivery.errors import InfrastructureFailure
from eed_delivery.ledger.shadowing import KnownCopy
from eed_delivery.shadow.copies import CopyFolder, CopyScan, FoundCopy

COPIES_AT_ONCE = 500
EARLIER_SECONDS = 86_400.0
"""Copies that came so long before the comparison began are not those of its jobs."""


def new_copies(
    folders: Sequence[CopyFolder], states: Mapping[str, Any], since: float, keep: Callable[[], None]
) -> Iterator[tuple[list[KnownCopy], dict[str, Any]]]:
    """Copies since the last look, with the state to keep behind them. Raises `InfrastructureFailure`."""
    kept = dict(states)
    for folder in folders:
        name = str(folder.path)
        scan = CopyScan(folder, states.get(name, {}), since)
        try:
            found = scan.found(time.time())
            while some := [_known(one) for one in islice(found, COPIES_AT_ONCE)]:
                keep()
                yield some, kept
        except OSError as error:
            raise InfrastructureFailure(f"the copies in {folder.path} cannot be read: {error.strerror}") from error
        kept = {**kept, name: scan.kept()}
        if kept[name] != states.get(name):
            yield [], kept


def _known(one: FoundCopy) -> KnownCopy:
    return KnownCopy(
        one.copy_id, one.match, one.place.path, one.place.begin, one.place.length, one.message_id, one.minute
    )
