"""A channel that an operator makes and uses, while another channel sends."""

import time
from collections.abc import Callable

from eed_delivery.model import EmailState
from tests.faults.judgement import Told
from tests.faults.load import people
from tests.faults.scenario import Amount, Site, Skipped, scenario
from tests.oracle import open_books
from tests.servers import openssh
from tests.sink import Taken
from tests.stack import Stack

PATIENCE_SECONDS = 3600
A_MESSAGE_SECONDS = 2.0
"""What the mail server takes over each, until the operator has finished: the large job must still be under way."""
FILES, EDITED_FILES = 20, 300
PARTNER, WORKER = "partner", "worker-partner-1"
TROUBLE = ("breaker_open", "role_died", "step_failed", "channel_cannot_start")


@scenario("channel-operated", short=Amount(1_500), long=Amount(10_000))
def operated(site: Site, amount: Amount) -> Told:
    """A channel is created at a terminal, checked, used, held, edited and removed, while another one sends."""
    try:
        openssh.require()
    except RuntimeError as missing:
        raise Skipped(str(missing)) from None
    with openssh.OpenSsh() as server:
        secret = {"CHANNEL_PARTNER_KEY": server.private_key}
        stack = site.stack({"source.job.channel": "channel"}, environ=secret)
        mail = stack.mail_up(seconds=A_MESSAGE_SECONDS)
        stack.add_job(people(amount.emails, "large.example.com"), 1)
        service = stack.start("run")
        _sends_on(stack)
        operator = _Operator(stack, server)
        for act in (operator.create, operator.send, operator.hold, operator.release, operator.edit, operator.remove):
            act()
            _sends_on(stack)
        left = amount.emails - stack.counts(1)["sent"]
        mail.release()
        stack.wait_finished(1, seconds=PATIENCE_SECONDS)
        problems = [] if service.terminate() == 0 else ["the service did not stop as it should"]
        problems += operator.problems + _noticed(stack)
        if left <= 0:
            problems.append("the large job was over before the operator had finished: it shows nothing")
        taken = [*stack.sink_ledger.read(), *operator.put()]
        return Told(stack, faults=6, problems=problems, books=open_books(stack.world, stack.source, taken))


class _Operator:
    """One person at a terminal, and the partner's server."""

    def __init__(self, stack: Stack, server: openssh.OpenSsh) -> None:
        self._stack = stack
        self._server = server
        self._ids: list[int] = []
        self.problems: list[str] = []

    def create(self) -> None:
        """By answers to the questions."""
        answers = {
            "kind": "sftp",
            "queue.create": "true",
            "host": "127.0.0.1",
            "port": str(self._server.port),
            "host_key": self._server.host_key,
            "username": self._server.user,
            "private_key": "env:CHANNEL_PARTNER_KEY",
            "documents": "html",
        }
        with self._stack.terminal("channel", "create", PARTNER) as terminal:
            terminal.answer(answers)
            if terminal.exit_code() != 0:
                self.problems.append(f"the channel was not created: {terminal.shown}")
        self._stack.command("channel", "check", PARTNER)  # it must succeed
        self._wait(lambda: _starts(self._stack, WORKER) == 1, "a worker of the new channel starts")

    def send(self) -> None:
        """A job through it."""
        self._add(2)
        self._stack.wait_finished(2, seconds=PATIENCE_SECONDS)

    def hold(self) -> None:
        """Nothing more is put, and its workers end."""
        self._stack.command("channel", "hold", PARTNER, "--reason", "their server moves")
        self._wait(lambda: _stops(self._stack, WORKER) == 1, "its worker ends")
        self._add(3)
        self._wait(lambda: self._stack.counts(3)["pending"] == FILES, "its job waits")
        if len(self.put()) != FILES:
            self.problems.append(f"{len(self.put()) - FILES} files were put while the channel was held")

    def release(self) -> None:
        """What waited is put."""
        self._stack.command("channel", "release", PARTNER)
        self._stack.wait_finished(3, seconds=PATIENCE_SECONDS)

    def edit(self) -> None:
        """While it sends: a new worker goes on where the old one ended."""
        self._add(4, EDITED_FILES)
        self._wait(lambda: self._stack.counts(4)["sent"] > 0, "its job is under way")
        self._stack.command("channel", "edit", PARTNER, "--set", "threads=3")
        self._stack.wait_finished(4, seconds=PATIENCE_SECONDS)
        self._wait(lambda: _starts(self._stack, WORKER) == 3, "a worker with the new settings starts")

    def remove(self) -> None:
        """Its workers end. Until its last manifest is put, which a loaded machine does late, this is refused."""
        self._wait(lambda: self._outstanding() == 0, "its manifests are put")
        self._stack.command("channel", "remove", PARTNER)
        self._wait(lambda: _stops(self._stack, WORKER) == 3, "its worker ends for good")

    def _outstanding(self) -> object:
        return self._stack.world.scalar("SELECT COUNT(*) FROM eed_manifest WHERE put_at IS NULL")

    def put(self) -> list[Taken]:
        """What the partner has, as a mail server would note it."""
        there = {path.name for path in self._server.root.rglob("*.html")}
        recipients = dict(self._stack.world.execute("SELECT email_id, recipient FROM eed_email WHERE job_id <> 1"))
        return [Taken(one, 0, recipients.get(one, ""), time.monotonic()) for one in self._ids if f"{one}.html" in there]

    def _add(self, job_id: int, files: int = FILES) -> None:
        self._ids += self._stack.add_job(people(files, f"job{job_id}.example.com"), job_id, channel=PARTNER)

    def _wait(self, condition: Callable[[], bool], what: str) -> None:
        self._stack.wait_until(condition, what, seconds=PATIENCE_SECONDS)


def _sends_on(stack: Stack) -> None:
    """Wait until more of the large job has been sent than now, or all of it."""
    before = stack.counts(1)["sent"]
    stack.wait_until(
        lambda: stack.counts(1)["sent"] > before or stack.finished(1), "the large job goes on", seconds=PATIENCE_SECONDS
    )


def _noticed(stack: Stack) -> list[str]:
    """What the large job has noticed of it, in words, and tries that the partner's files have lost."""
    found = []
    tries = stack.world.execute("SELECT MIN(attempts), MAX(attempts) FROM eed_email")
    if tries != [(1, 1)]:
        found.append(f"emails had {tries} tries")
    if (starts := _starts(stack, "worker-1")) != 1 or _stops(stack, "worker-1"):
        found.append(f"its worker was started {starts} times")
    found += [f"{event} was logged" for event in TROUBLE if stack.log_events(event)]
    if stack.counts(1)[EmailState.SENT] != sum(stack.counts(1).values()):
        found.append(f"not all of its emails were sent: {stack.counts(1)}")
    return found


def _starts(stack: Stack, role: str) -> int:
    return [event["role"] for event in stack.log_events("role_started")].count(role)


def _stops(stack: Stack, role: str) -> int:
    return [event["role"] for event in stack.log_events("role_stopped")].count(role)
