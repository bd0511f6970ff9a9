"""Failpoints, the places between two steps where a test may kill or freeze this process.

    EED_FAILPOINTS=worker.wired=kill@3,publisher.leased=stop eed-delivery run

`kill` is kill -9 of this process, and `stop` freezes it until it receives SIGCONT. `spin` keeps the thread busy without
end, and `hold` does so without releasing Python's global lock. `exhaust` asks for more memory than there is. `@3` means
the third time it comes by, else the first. `#7+8` means each time it comes by with email 7 or 8.
Unarmed, which is always the case outside the fault tests, reaching one costs a look at a global.
"""

import os
import re
import signal
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from eed_delivery.errors import ConfigError, Problem

VARIABLE = "EED_FAILPOINTS"

PUBLISHER = (
    "publisher.registered",
    "publisher.leased",
    "publisher.compiled",
    "publisher.enlisted",
    "publisher.published",
    "publisher.marked",
    "publisher.let_go",
)
WORKER = (
    "worker.received",
    "worker.claimed",
    "worker.rendered",
    "worker.before_wire",
    "worker.group_committed",
    "worker.wired",
    "worker.sent",
    "worker.recorded",
    "worker.acked",
    "worker.retried",
    "worker.released",
    "worker.copied",
)
SWEEPER = (
    "sweeper.settled",
    "sweeper.picked_up",
    "sweeper.expired",
    "sweeper.leftovers_ended",
    "sweeper.finished",
    "sweeper.dead_received",
    "sweeper.buried",
    "sweeper.dead_acked",
    "sweeper.put_back",
)
COPIES = (
    "archive.drafted",
    "archive.marked",
)
"""A worker's, where an archive is set."""
FILES = (
    "files.uploaded",
    "files.named",
)
"""A worker's of a channel that puts files: before the grant, and after each file has its name."""
ARCHIVE = (
    "archive.stored",
    "archive.recorded",
)
MANIFESTS = (
    "manifest.frozen",
    "manifest.put",
    "manifest.recorded",
)
"""A worker's, of a channel that puts files."""
OPERATORS = (
    "operators.acted",
    "operators.registered",
    "submit.added",
    "operations.taken",
    "operations.chunk",
    "operations.advanced",
)
NAMES = (*PUBLISHER, *WORKER, *SWEEPER, *COPIES, *FILES, *ARCHIVE, *MANIFESTS, *OPERATORS)

_ACTIONS: Mapping[str, Callable[[], object]] = {
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "stop": lambda: os.kill(os.getpid(), signal.SIGSTOP),
    "spin": lambda: [None for _ in iter(int, 1)],
    "hold": lambda: sum(range(10**15)),  # one step of the interpreter
    "exhaust": lambda: bytearray(2**47),
}
_hook: Callable[[str], None] | None = None


def reach(name: str, email_id: int | None = None) -> None:
    """The process has come to this place; with this email, where a test may choose by it."""
    if isinstance(_hook, _Armed):
        _hook(name, email_id)
    elif _hook is not None:
        _hook(name)


def hook(at_each: Callable[[str], None] | None) -> None:
    """Have this function called at every failpoint of this process, or none."""
    global _hook
    _hook = at_each


def arm(text: str) -> bool:
    """Arm what the variable says. False when it says nothing. Raises `ConfigError` when it makes no sense."""
    if not text:
        return False
    hook(_Armed(_places(text)))
    return True


def arm_for_emails(text: str) -> None:
    """Arm those that name emails, in a process that does a part of another's work. Raises as `arm`.

    The others count what their own process reaches. Each process that helps it would count anew and strike at a step
    that the test has chosen for one.
    """
    if text:
        hook(_Armed({name: strike for name, strike in _places(text).items() if strike.email_ids}))


@dataclass(frozen=True, slots=True)
class _Strike:
    """What happens at a place: at one time that it is reached, or each time with one of these emails."""

    action: Callable[[], object]
    at: int = 1
    email_ids: frozenset[int] = frozenset()


class _Armed:
    """Counts how often each armed place is reached, and strikes."""

    def __init__(self, places: dict[str, _Strike]) -> None:
        self._places = places
        self._reached: Counter[str] = Counter()
        self._lock = threading.Lock()

    def __call__(self, name: str, email_id: int | None = None) -> None:
        if name not in self._places:
            return
        strike = self._places[name]
        with self._lock:
            self._reached[name] += 1
            due = email_id in strike.email_ids if strike.email_ids else self._reached[name] == strike.at
        if due:
            strike.action()


def _places(text: str) -> dict[str, _Strike]:
    return dict(_parse(entry) for entry in text.split(","))


_ENTRY = re.compile(r"([a-z_.]+)=([a-z]+)(?:@([1-9][0-9]*)|#([0-9]+(?:\+[0-9]+)*))?")


def _parse(entry: str) -> tuple[str, _Strike]:
    found = _ENTRY.fullmatch(entry.strip())
    if found is None or found[1] not in NAMES or found[2] not in _ACTIONS:
        raise ConfigError(
            [Problem(VARIABLE, f"{entry!r} is not a failpoint", "Write place=kill or place=stop@3, or unset it.")]
        )
    email_ids = frozenset(map(int, found[4].split("+"))) if found[4] else frozenset[int]()
    return found[1], _Strike(_ACTIONS[found[2]], int(found[3] or 1), email_ids)
