"""Failpoints, the places between two steps where a test may kill or freeze this process.

    EED_FAILPOINTS=worker.wired=kill@3,publisher.leased=stop eed-delivery run

`kill` is kill -9 of this process, and `stop` freezes it until it receives SIGCONT. `spin` keeps the thread busy without
end, and `hold` does so without releasing Python's global lock. `@3` means the third time it comes by, else the first.
Unarmed, which is always the case outside the fault tests, reaching one costs a look at a global.
"""

import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Mapping

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
NAMES = (*PUBLISHER, *WORKER, *SWEEPER)

_ACTIONS: Mapping[str, Callable[[], object]] = {
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "stop": lambda: os.kill(os.getpid(), signal.SIGSTOP),
    "spin": lambda: [None for _ in iter(int, 1)],
    "hold": lambda: sum(range(10**15)),  # one step of the interpreter
}
_hook: Callable[[str], None] | None = None


def reach(name: str) -> None:
    """The process has come to this place."""
    if _hook is not None:
        _hook(name)


def hook(at_each: Callable[[str], None] | None) -> None:
    """Have this function called at every failpoint of this process, or none."""
    global _hook
    _hook = at_each


def arm(text: str) -> bool:
    """Arm what the variable says. False when it says nothing. Raises `ConfigError` when it makes no sense."""
    if not text:
        return False
    hook(_Armed(dict(_parse(entry) for entry in text.split(","))))
    return True


class _Armed:
    """Counts how often each armed place is reached, and strikes once."""

    def __init__(self, places: dict[str, tuple[Callable[[], object], int]]) -> None:
        self._places = places
        self._reached: Counter[str] = Counter()
        self._lock = threading.Lock()

    def __call__(self, name: str) -> None:
        if name not in self._places:
            return
        with self._lock:
            self._reached[name] += 1
            action, at = self._places[name]
            if self._reached[name] != at:
                return
        action()


def _parse(entry: str) -> tuple[str, tuple[Callable[[], object], int]]:
    name, _, rest = entry.strip().partition("=")
    action, _, count = rest.partition("@")
    if name not in NAMES or action not in _ACTIONS or not (count or "1").isdecimal() or count == "0":
        raise ConfigError(
            [Problem(VARIABLE, f"{entry!r} is not a failpoint", "Write place=kill or place=stop@3, or unset it.")]
        )
    return name, (_ACTIONS[action], int(count or 1))
