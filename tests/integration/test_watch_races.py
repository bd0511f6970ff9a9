"""The watch, an operator and the mail in any order: a resume is never undone by what had left before it.

A look reads first and writes then, and anything may happen in between; here its two halves are steps of their own.
"""

import atexit
import shutil
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from eed_delivery.config import WatchSettings
from eed_delivery.events import DeliveryOutcome
from eed_delivery.ledger.job_watch import WatchedJob, WatchLedger
from eed_delivery.sweeper.job_watch import JobWatch
from tests.examples import examples
from tests.world import World

EMAILS = 60
RULES = WatchSettings(
    after_sent=5,
    bounces_warn_percent=20,
    bounces_pause_percent=40,
    complaints_warn_percent=0,
    complaints_pause_percent=60,
)
PERCENT = {DeliveryOutcome.HARD_BOUNCED: 40, DeliveryOutcome.COMPLAINED: 60}
CLOCK = "SELECT strftime('%Y-%m-%d %H:%M:%f000', 'now')"


class Held(WatchLedger):
    """A ledger whose pause waits until it is let go: the other host's watch, stopped between reading and writing."""

    def __init__(self, world: World) -> None:
        super().__init__(world.database)
        self.held: tuple[WatchedJob, str] | None = None

    def pause(self, job: WatchedJob, reason: str) -> bool:
        """Remember it."""
        self.held = (job, reason)
        return False

    def let_go(self) -> bool:
        """Write what was remembered."""
        assert self.held is not None
        (job, reason), self.held = self.held, None
        return super().pause(job, reason)


class Races(RuleBasedStateMachine):
    """One job. The model keeps, by plain counting, what left since the last resume and what became of it."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = TemporaryDirectory()
        self.world = World(f"sqlite:///{shutil.copy(enlisted_job(), self.directory.name)}")
        self.ids = [i for (i,) in self.world.execute("SELECT email_id FROM eed_email ORDER BY email_id")]
        self.watch = JobWatch(WatchLedger(self.world.database), RULES)
        self.slow = Held(self.world)
        self.state = "active"
        self.left = 0
        self.since: list[int] = []
        self.outcomes: dict[int, DeliveryOutcome] = {}
        self.resumes = 0

    def teardown(self) -> None:
        self.world.close()
        self.directory.cleanup()

    # --- what happens ------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.state == "active" and self.left < EMAILS)
    @rule(count=st.integers(1, 6))
    def send(self, count: int) -> None:
        chosen = self.ids[self.left : self.left + count]
        for email_id in chosen:
            self.world.execute(
                f"UPDATE eed_email SET state = 'sent', wire_at = ({CLOCK}) WHERE email_id = :i",
                i=email_id,
            )
        self.left += len(chosen)
        self.since += chosen

    @precondition(lambda self: self.left > len(self.outcomes))
    @rule(count=st.integers(1, 6), newest=st.booleans(), outcome=st.sampled_from(sorted(PERCENT)))
    def come_back(self, count: int, newest: bool, outcome: DeliveryOutcome) -> None:
        silent = [i for i in self.ids[: self.left] if i not in self.outcomes]
        for email_id in silent[-count:] if newest else silent[:count]:
            self.outcomes[email_id] = outcome
            self.world.execute("UPDATE eed_email SET outcome = :o WHERE email_id = :i", o=outcome, i=email_id)

    @initialize()
    def begin_badly(self) -> None:
        self.send(6)
        self.come_back(3, newest=True, outcome=DeliveryOutcome.HARD_BOUNCED)

    @precondition(lambda self: self.state != "cancelled")
    @rule(word=st.sampled_from(["pause", "resume", "pause", "resume", "pause", "resume", "cancel"]))
    def say(self, word: str) -> None:
        if word == "resume":
            self.let_the_clock_go_on()
            if self.world.operating.resume(1):
                self.state, self.since, self.resumes = "active", [], self.resumes + 1
        elif {"pause": self.world.operating.pause, "cancel": self.world.operating.cancel}[word](1, "his reason"):
            self.state = {"pause": "paused", "cancel": "cancelled"}[word]

    # --- the watch ---------------------------------------------------------------------------------------------------

    @rule()
    def look(self) -> None:
        self.watch.step()
        if self.state == "active" and self.is_bad():
            self.state = "paused"

    @rule(meanwhile=st.lists(st.sampled_from(["pause", "resume", "resume", "cancel", "look"]), max_size=3))
    def look_on_a_slow_host(self, meanwhile: list[str]) -> None:
        JobWatch(self.slow, RULES).step()
        resumes = self.resumes
        for word in meanwhile:
            self.look() if word == "look" else self.say(word)
        if self.slow.held is not None:
            is_as_read = self.state == "active" and self.resumes == resumes
            assert self.slow.let_go() is is_as_read, "what was read before a resume is void, and nothing else"
            self.state = "paused" if is_as_read else self.state

    # --- what must hold ----------------------------------------------------------------------------------------------

    @invariant()
    def the_ledger_says_so(self) -> None:
        report = self.world.reporting.job(1)
        assert report is not None and report.state == self.state

    def is_bad(self) -> bool:
        """What the settings call so, of what left since the last resume."""
        harm = {outcome: sum(self.outcomes.get(i) is outcome for i in self.since) for outcome in PERCENT}
        reached = any(n and 100 * n >= PERCENT[outcome] * len(self.since) for outcome, n in harm.items())
        return reached and len(self.since) >= RULES.after_sent

    def let_the_clock_go_on(self) -> None:
        """SQLite's clock counts milliseconds: what left in the last one left before the resume."""
        started = self.world.scalar(CLOCK)
        while self.world.scalar(CLOCK) == started:
            pass


@cache
def enlisted_job() -> Path:
    """A database with the job in it; it is copied for each run."""
    path = Path(mkdtemp()) / "ledger.sqlite3"
    atexit.register(shutil.rmtree, path.parent)
    world = World(f"sqlite:///{path}")
    world.add_job([f"c{n}@example.com" for n in range(EMAILS)])
    world.enlist()
    world.close()
    return path


TestRaces = Races.TestCase
TestRaces.settings = settings(max_examples=examples(40), stateful_step_count=40, deadline=None)
