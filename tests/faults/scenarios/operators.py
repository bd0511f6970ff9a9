"""Operators at work while the service sends: each word of theirs at a random moment, on random jobs and emails."""

import json
import re
from collections import Counter

from click.testing import CliRunner

from eed_delivery.cli import cli
from tests.faults.crew import Crew
from tests.faults.feed import Feed
from tests.faults.judgement import Told
from tests.faults.scenario import Amount, Site, scenario
from tests.servers.smtp_server import Accept, Close, Say
from tests.sink import Sink
from tests.stack import Stack

EVERY = 5
REFUSED_ONCE, REFUSED, SWALLOWED, DROPPED = range(4)
"""What the mail server does to every fifth email, in turn: 550 the first time, 550 always; it takes the message, or
does not, and hangs up after the dot, the first time."""
CANCELLABLE = 3
"""Every third job may be cancelled. In the others, emails in doubt may be sent again at the operator's own risk: one
that had arrived and is then cancelled would end as cancelled, although it did arrive."""
SLOWLY = 0.05
"""Seconds that the mail server takes over a message, so that something is always on the wire."""
WORDS = {"requeue", "requeue in doubt", "settle", "pause", "resume", "cancel"}
NOT_POSSIBLE = 1
"""The exit code of a command that came too late."""


@scenario("operators", quick=Amount(40, 10), short=Amount(50, 40), long=Amount(300, 3_000))
def operators(site: Site, amount: Amount) -> Told:
    """Requeue, settle, pause, resume, cancel at random moments, while a mail server refuses some and drops some."""
    stack = site.stack({"worker.same_answer_limit": 10_000, "worker.same_answer_window": 20_000})
    troubles = _Troubles(stack.mail_up(seconds=SLOWLY))
    feed = Feed(stack, amount.emails)
    office = _Office(site, stack, feed)
    with Crew(stack) as crew:

        def enough() -> bool:
            feed.top_up()
            office.act()
            return office.felt >= amount.faults and set(office.words) == WORDS

        stack.wait_until(enough, f"{amount.faults} words of an operator had an effect", seconds=3600)
        stack.wait_until(office.all_resumed, "no job is paused any more")
        feed.wait_finished()
        problems = crew.stop()
    books = stack.books()
    doubts = {entry.email_id for entry in books.entries if entry.state == "in_doubt"}
    twice_in_one_gen = [key for key, n in Counter((t.email_id, t.gen) for t in books.taken).items() if n > 1]
    return Told(
        stack,
        faults=office.felt,
        doubt_at_most=len(troubles.dropped & doubts),
        may_fail=troubles.refused | office.settled_as_failed,
        may_be_twice=troubles.swallowed & office.sent_again,
        problems=[
            *problems,
            *office.problems,
            *[f"email and generation {key} arrived more than once" for key in twice_in_one_gen],
        ],
        books=books,
    )


class _Troubles:
    """The mail server's behaviour by recipient, and the ids of those whom it has really met."""

    def __init__(self, mail: Sink) -> None:
        self.refused: set[int] = set()
        self.swallowed: set[int] = set()
        self.dropped: set[int] = set()
        """Whose connection was dropped after the dot, whether the message was taken (`swallowed`) or not."""
        mail.on("RCPT", Say("550 5.1.1 no such user"), when=self._refuses)
        mail.on("dot", Accept(then=Close()), when=self._swallows)
        mail.on("dot", Close(), when=self._drops)

    def _refuses(self, recipient: str) -> bool:
        email_id, kind = _email(recipient), _kind(recipient)
        if kind == REFUSED or (kind == REFUSED_ONCE and email_id not in self.refused):
            self.refused.add(email_id)
            return True
        return False

    def _swallows(self, recipient: str) -> bool:
        if _kind(recipient) != SWALLOWED or _email(recipient) in self.dropped:
            return False
        self.swallowed.add(_email(recipient))
        self.dropped.add(_email(recipient))
        return True

    def _drops(self, recipient: str) -> bool:
        if _kind(recipient) != DROPPED or _email(recipient) in self.dropped:
            return False
        self.dropped.add(_email(recipient))
        return True


def _email(recipient: str) -> int:
    """The id that `Stack.add_job` gave to the email to customerN@jobJ.example.com."""
    number, job = re.findall(r"\d+", recipient)
    return int(job) * 100_000 + int(number)


def _kind(recipient: str) -> int | None:
    number = _email(recipient) % 100_000
    return None if number % EVERY else number // EVERY % 4


class _Office:
    """Gives one word at a time, through the command line, and keeps what each of them was about."""

    def __init__(self, site: Site, stack: Stack, feed: Feed) -> None:
        self._random = site.random
        self._stack = stack
        self._feed = feed
        self.words: Counter[str] = Counter()
        self.sent_again: set[int] = set()
        self.settled_as_failed: set[int] = set()
        self.problems: list[str] = []

    @property
    def felt(self) -> int:
        """How many words have had an effect; the others came too late, and said so."""
        return self.words.total()

    def act(self) -> None:
        words = (self._requeue, self._requeue_in_doubt, self._settle, self._pause, self._resume, self._cancel)
        self._random.choices(words, weights=(4, 4, 4, 4, 4, 2))[0]()

    def all_resumed(self) -> bool:
        """The end of the working day: nothing is left paused."""
        paused = self._jobs("state = 'paused' AND finished_at IS NULL")
        for job_id in paused:
            self._say("resume", "resume", str(job_id))
        return not paused

    def _pause(self) -> None:
        if jobs := self._jobs("state = 'active' AND finished_at IS NULL"):
            self._say("pause", "pause", str(self._random.choice(jobs)), "--reason", "let me look at it")

    def _resume(self) -> None:
        if jobs := self._jobs("state = 'paused'"):
            self._say("resume", "resume", str(self._random.choice(jobs)))

    def _cancel(self) -> None:
        if jobs := self._jobs(f"finished_at IS NULL AND job_id % {CANCELLABLE} = 0"):
            self._say("cancel", "cancel", str(self._random.choice(jobs)), "--reason", "the fund was closed")

    def _requeue(self) -> None:
        failed = self._emails("failed")
        if not failed:
            return
        email_id, job_id, _ = self._random.choice(failed)
        which = self._random.choice([("--email", str(email_id)), ("--job", str(job_id)), ("--all",)])
        self._say("requeue", "requeue", *which, "--yes", "--json")

    def _requeue_in_doubt(self) -> None:
        doubted = [email_id for email_id, job_id, _ in self._emails("in_doubt") if job_id % CANCELLABLE]
        if not doubted:
            return
        email_id = self._random.choice(doubted)
        words = ("requeue", "--state", "in_doubt", "--email", str(email_id), "--accept-duplicates", "--yes", "--json")
        if self._say("requeue in doubt", *words):
            self.sent_again.add(email_id)

    def _settle(self) -> None:
        """By what the mail server's own log says of that email, as a careful operator would."""
        doubted = self._emails("in_doubt")
        if not doubted:
            return
        email_id, _, gen = self._random.choice(doubted)
        arrived = any((t.email_id, t.gen) == (email_id, gen) for t in self._stack.sink_ledger.read())
        if self._say("settle", "settle", str(email_id), "--as", "sent" if arrived else "failed") and not arrived:
            self.settled_as_failed.add(email_id)

    def _say(self, word: str, *arguments: str) -> bool:
        """Run the command; whether it had an effect. Too late is no problem, anything else is."""
        command = [*arguments, "--config", str(self._stack.config)]
        done = CliRunner().invoke(cli, command, env=self._stack.environ)
        if done.exit_code not in (0, NOT_POSSIBLE):
            self.problems.append(f"{arguments}: exit code {done.exit_code}, {done.output} {done.exception!r}")
        felt = done.exit_code == 0 and not (word.startswith("requeue") and not json.loads(done.stdout)["requeued"])
        if felt:
            self.words[word] += 1
        return felt

    def _jobs(self, which: str) -> list[int]:
        return [job_id for (job_id,) in self._stack.world.execute(f"SELECT job_id FROM eed_job WHERE {which}")]

    def _emails(self, state: str) -> list[tuple[int, int, int]]:
        """(email, job, generation), as the operator sees them before he says his word."""
        statement = "SELECT email_id, job_id, gen FROM eed_email WHERE state = :state"
        return [tuple(row) for row in self._stack.world.execute(statement, state=state)]
