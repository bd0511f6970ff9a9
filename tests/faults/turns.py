"""Which failpoints are still to be struck, and how often: for scenarios that kill at each place between two steps."""

import random
import signal
from collections.abc import Collection, Mapping, Sequence

from tests.faults.crew import Crew, Member


class Turns:
    """Each process has one failpoint of its role at a time."""

    def __init__(
        self,
        dice: random.Random,
        places: Mapping[str, Sequence[str]],
        times: int,
        common: Collection[str],
        last: str = "",
    ) -> None:
        """`places`: by role, each to be struck `times` times. `common` are reached with every email. `last` comes after
        all others of its role."""
        self._random = dice
        self._common = common
        self._last = last
        self._to_come = {role: [name for name in names for _ in range(times)] for role, names in places.items()}
        for names in self._to_come.values():
            self._random.shuffle(names)
            names.sort(key=lambda name: name != last)  # they are taken from the end
        self._armed: set[Member] = set()
        self.struck = dict.fromkeys(places, 0)
        self.problems: list[str] = []

    @property
    def left(self) -> bool:
        return bool(self._armed)

    @property
    def only_the_last(self) -> bool:
        """Whether nothing is left but `last`."""
        names = [name for names in self._to_come.values() for name in names]
        names += [member.armed.partition("=")[0] for member in self._armed]
        return set(names) <= {self._last}

    def arm_all(self, crew: Crew) -> None:
        """Before its first life."""
        for member in crew.members:
            self.arm(member)

    def arm(self, member: Member) -> None:
        """Give it the next failpoint for its next life, if there is one."""
        names = self._to_come.get(member.role, [])
        member.armed = f"{names[-1]}=kill@{self._when(names.pop())}" if names else ""
        if member.armed:
            self._armed.add(member)
        else:
            self._armed.discard(member)

    def take_the_dead(self, crew: Crew) -> None:
        """Count who has been struck, arm it anew and start it again."""
        for member in crew.members:
            if not member.alive:
                self._note(member)
                self.arm(member)
        crew.tend()

    def _note(self, member: Member) -> None:
        if member.armed and member.exit_code == -signal.SIGKILL:
            self.struck[member.role] += 1
        else:
            self.problems.append(f"{member.name}, armed with {member.armed or 'nothing'}: ended {member.exit_code}")

    def _when(self, name: str) -> int:
        return self._random.randint(1, 30 if name in self._common else 2)
