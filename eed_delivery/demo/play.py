"""The demo from beginning to end."""

import json
import shlex
import shutil
import sysconfig
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from eed_delivery import logs
from eed_delivery.app.parts import App
from eed_delivery.config import Settings
from eed_delivery.database.transactions import Database
from eed_delivery.demo import report as say
from eed_delivery.demo.batch import JOB_ID, mishaps, register
from eed_delivery.demo.checks import all_checks
from eed_delivery.demo.configuration import Endpoints, environment, write
from eed_delivery.demo.mail_server import MailServer
from eed_delivery.demo.people import customers
from eed_delivery.demo.processes import QueueServer, Service, StackFailed
from eed_delivery.demo.progress import follow
from eed_delivery.demo.workspace import UnusableWorkspace, Workspace
from eed_delivery.ledger.reporting import JobReport, ReportingLedger
from eed_delivery.model import EmailState, JobState

PATIENCE_SECONDS = 120.0
PATIENCE_PER_EMAIL_SECONDS = 0.2
LOG_LINES = 5
IDLE_SECONDS = 1.0


class DemoFailed(Exception):
    """The demo could not be played to its end. The text says what is wrong and where to look."""


class Demo:
    """One demo in one directory. `program` is the service's. The job must have finished in `patience_seconds`."""

    def __init__(
        self,
        directory: Path,
        emails: int,
        *,
        keep_running: bool = False,
        program: Path | None = None,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._workspace = Workspace(directory)
        self._customers = customers(emails)
        self._script = mishaps(self._customers)
        self._keep_running = keep_running
        self._console = Console(highlight=False)
        self._program = program or Path(sysconfig.get_path("scripts")) / "eed-delivery"
        self._patience = max(patience_seconds, emails * PATIENCE_PER_EMAIL_SECONDS)
        self._cli = say.Cli(_as_typed(self._program), shlex.quote(_shortest(self._workspace.configuration)))

    def play(self) -> bool:
        """True if everything came out as it should. Raises DemoFailed."""
        try:
            with self._workspace.claimed(), ExitStack() as stack:
                return self._play(stack)
        except (UnusableWorkspace, StackFailed) as error:
            raise DemoFailed(str(error)) from error
        except KeyboardInterrupt:
            raise DemoFailed("stopped before its end") from None

    def _play(self, stack: ExitStack) -> bool:
        settings = self._start_servers(stack)
        app = App(settings)
        database = app.database()
        stack.callback(database.close)
        self._say(f"Registering a job: {len(self._customers)} statements, a PDF each, in eleven languages")
        register(database, self._workspace, self._customers)
        self._say("Running the service: a publisher, a sweeper, two workers")
        service = stack.enter_context(Service(self._program, self._workspace, environment()))
        ledger = app.reporting(database)
        report = self._follow(ledger, service)
        if not self._keep_running:
            self._stop(service)
        passed = self._tell(ledger, database, report)
        if self._keep_running:
            _await_interrupt(service)
            self._stop(service)
        return passed

    def _start_servers(self, stack: ExitStack) -> Settings:
        self._say("Starting a queue (ministack) and a mail server that misbehaves now and then")
        queue = stack.enter_context(QueueServer(self._workspace))
        queue_url, dead_letter_url = queue.make_queues()
        mail = stack.enter_context(MailServer(self._workspace.mail, self._script))
        settings = write(self._workspace, Endpoints(queue.endpoint, queue_url, dead_letter_url, mail.host, mail.port))
        log = stack.enter_context(self._workspace.service_log.open("a", encoding="utf-8"))
        logs.configure(settings.logs, role="demo", stream=log)
        return settings

    def _follow(self, ledger: ReportingLedger, service: Service) -> JobReport:
        report = follow(self._console, ledger, len(self._customers), self._patience, service.wait)
        if report is None or report.state is JobState.ACTIVE:
            raise DemoFailed(self._what_is_wrong(service, report))
        return report

    def _stop(self, service: Service) -> None:
        status = service.end()
        if status != 0:
            raise DemoFailed(f"the service did not stop in order: exit status {status}. See {service.log}")

    def _tell(self, ledger: ReportingLedger, database: Database, report: JobReport) -> bool:
        """Say what came of it. True if every check passed."""
        say.balance(self._console, report)
        say.exceptions(self._console, ledger, self._cli)
        checks = all_checks(report, database, self._workspace.mail, self._customers, self._script)
        say.checks(self._console, checks)
        failed = [email.email_id for email in ledger.emails(JOB_ID, EmailState.FAILED)]
        commands = ["jobs", f"job {JOB_ID}", f"emails {JOB_ID} --state failed", *(f"email {one}" for one in failed[:1])]
        say.what_next(self._console, self._workspace, commands, self._cli, running=self._keep_running)
        return all(check.passed for check in checks)

    def _what_is_wrong(self, service: Service, report: JobReport | None) -> str:
        if (status := service.wait(0)) is not None:
            return f"the service ended by itself, with status {status}. Its log ({service.log}) ends:\n{service.tail()}"
        if report is None:
            words = "the service did not pick up the job"
        else:
            counts = ", ".join(f"{count} {state}" for state, count in report.counts.items() if count)
            words = f"the job has not finished in time: {counts}"
        complaints = list(_complaints(service.log))[-LOG_LINES:]
        last = "\n".join(complaints) if complaints else "(it holds no warnings)"
        return f"{words}. The last warnings in {service.log}:\n{last}"

    def _say(self, text: str) -> None:
        self._console.print(text, soft_wrap=True, markup=False)


def _await_interrupt(service: Service) -> None:
    """Return at Ctrl-C, or when the service has ended."""
    try:
        while service.wait(IDLE_SECONDS) is None:
            pass
    except KeyboardInterrupt:
        return


def _complaints(log: Path) -> Iterator[str]:
    """The lines of a service log from warning up."""
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            level = json.loads(line).get("level")
        except (ValueError, AttributeError):
            level = "error"  # not a line of ours: a traceback from before logging was set up
        if level in ("warning", "error", "critical"):
            yield line


def _as_typed(program: Path) -> str:
    """The program as one would type it here."""
    found = shutil.which(program.name)
    if found and Path(found).resolve() == program.resolve():
        return program.name
    return shlex.quote(_shortest(program))


def _shortest(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
