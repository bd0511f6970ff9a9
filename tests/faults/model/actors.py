"""Threads that stand still at every place, go on when they are told to, and die where they stand."""

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol

from eed_delivery.errors import DatabaseGone, QueueGone
from eed_delivery.runtime import failpoints
from tests.faults.model.trouble import Trouble

STUCK_SECONDS = 60.0
TO_THE_END = 1_000_000
"""So many places: a step has fewer."""
Goal = int | str
"""How far to go: so many places, or to the place of this name; never further than to the step's end."""
_here = threading.local()


class Crashed(BaseException):
    """This process is dead. Not an Exception: nothing may catch it and go on."""


def life_here() -> "Life | None":
    """Whose life the present thread leads."""
    return getattr(_here, "life", None)


def reach(place: str) -> None:
    """A failpoint of the product; threads that lead no life pass."""
    life = life_here()
    if life is not None:
        life.reach(place)


def attend_failpoints() -> None:
    """From now on every failpoint of this process is a place."""
    failpoints.hook(reach)


def leave_failpoints() -> None:
    """Failpoints do nothing again."""
    failpoints.hook(None)


class Life:
    """One life of a process: from its start until it dies or ends. It takes steps, one after the other."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.trouble = Trouble()
        self.dead = False
        self.at: str | None = None
        """Where it stands in the middle of a step."""
        self.passed = ""
        """The last place that its thread has come to, whether it stood still there or not."""
        self._thread: threading.Thread | None = None
        self._go = threading.Semaphore(0)
        self._stands = threading.Semaphore(0)
        self._goal: Goal = 0
        self._broken: BaseException | None = None

    def begin(self, step: Callable[[], object], goal: Goal) -> None:
        """Begin a step."""
        self._thread = threading.Thread(target=self._run, args=(step,), name=self.name, daemon=True)
        self._goal = goal
        self._thread.start()
        self._await()

    def go_on(self, goal: Goal) -> None:
        """Go on with the step."""
        self._goal = goal
        self.at = None
        self._go.release()
        self._await()

    def die(self) -> None:
        """Die where it stands: nothing that it still tries has an effect."""
        self.dead = True
        if self.at is not None:
            self.go_on(TO_THE_END)

    def reach(self, place: str) -> None:
        """Stand still here if it is time to. The threads that help a process pass. Raises `Crashed` once it is dead."""
        self.must_live()
        if threading.current_thread() is not self._thread:
            return
        self.passed = place
        if not self._is_goal(place):
            return
        self.at = place
        self._stands.release()
        self._go.acquire()
        self.must_live()

    def _is_goal(self, place: str) -> bool:
        if isinstance(self._goal, str):
            return place == self._goal
        self._goal -= 1
        return self._goal <= 0

    def must_live(self) -> None:
        """Raises `Crashed` once it is dead."""
        if self.dead:
            raise Crashed(self.name)

    def _run(self, step: Callable[[], object]) -> None:
        _here.life = self
        try:
            with suppress(Crashed, DatabaseGone, QueueGone):  # the product's loops log the latter two, and go on
                step()
        except BaseException as error:
            self._broken = error
        finally:
            self.at = None
            self._stands.release()

    def _await(self) -> None:
        if not self._stands.acquire(timeout=STUCK_SECONDS):
            raise AssertionError(f"{self.name} has not come to any place in {STUCK_SECONDS:g} s")
        if self.at is None and self._thread is not None:
            self._thread.join()
        if self._broken is not None:
            broken, self._broken = self._broken, None
            raise broken


class Part(Protocol):
    """What a process does: one step after the other. `ends` says that it takes no further one."""

    ends: bool

    def step(self) -> object: ...

    def close(self) -> None: ...


class Actor:
    """One process over all its lives. `make` gives its part for a new life."""

    def __init__(self, name: str, make: Callable[[Life], Any]) -> None:
        self.name = name
        self._make = make
        self.life: Life | None = None
        self.part: Any = None

    @property
    def at(self) -> str | None:
        """Where it stands in the middle of a step; None when it is at none."""
        return self.life.at if self.life is not None else None

    def live(self) -> Life:
        """Its life; a new one if it has none."""
        if self.life is None:
            self.life = Life(self.name)
            self.part = self._make(self.life)
        return self.life

    def go_on(self, goal: Goal = TO_THE_END) -> None:
        """Begin a step, or go on with the one it is at."""
        life = self.live()
        if life.at is None:
            life.begin(self.part.step, goal)
        else:
            life.go_on(goal)
        if life.at is None and self.part.ends:
            self.crash()

    def crash(self) -> None:
        """kill -9; also the end of a process that has nothing more to do."""
        if self.life is not None:
            self.life.die()
            self.part.close()
            self.life = self.part = None
