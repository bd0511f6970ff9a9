"""The demo from beginning to end."""

import json
import shlex
import shutil
import sysconfig
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from eed_delivery import logs
from eed_delivery.app.parts import App
from eed_delivery.config import Settings
from eed_delivery.database.transactions import Database
from eed_delivery.demo import report as say
from eed_delivery.demo.batch import JOB_ID, mishaps, register
from eed_delivery.demo.checks import Check, all_checks
from eed_delivery.demo.configuration import BUCKET, PARTNER, Endpoints, environment, write
from eed_delivery.demo.mail_server import MailServer
from eed_delivery.demo.page import OPEN_SECONDS, OperatorsPage
from eed_delivery.demo.partner import USER, PartnerServer
from eed_delivery.demo.people import customers
from eed_delivery.demo.processes import ChildProcess, QueueServer, Service, StackFailed
from eed_delivery.demo.progress import follow
from eed_delivery.demo.second_act import SENDER as SECOND_SENDER
from eed_delivery.demo.second_act import WAYS, ChannelJob, SecondAct
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
        self._program = program or _installed()
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
        settings, queue = self._start_servers(stack)
        app = App(settings)
        database = app.database()
        stack.callback(database.close)
        self._say(f"Registering a job: {len(self._customers)} statements, a PDF each, in eleven languages")
        register(database, self._workspace, self._customers)
        self._say("Running the service: a publisher, a sweeper, two workers, and one for each further channel")
        service = stack.enter_context(Service(self._program, self._workspace, environment()))
        ledger = app.reporting(database)
        report = self._follow(ledger, service)
        act, jobs = self._play_second(database, service)
        if not self._keep_running:
            self._stop(service)
        checks = all_checks(report, database, self._workspace.mail, self._customers, self._script)
        checks += act.checks(jobs, queue.objects(BUCKET))
        say.balance(self._console, report)
        say.exceptions(self._console, ledger, self._cli)
        say.channels(self._console, jobs)
        page = stack.enter_context(OperatorsPage(self._workspace, environment())) if self._keep_running else None
        passed = self._tell(ledger, checks, page)
        if page is not None:
            _await_interrupt(service, page)
            self._stop(page)
            self._stop(service)
        return passed

    def _start_servers(self, stack: ExitStack) -> tuple[Settings, QueueServer]:
        self._say(
            "Starting a queue and a bucket (ministack), an SFTP server, and a mail server that misbehaves now and then"
        )
        queue = stack.enter_context(QueueServer(self._workspace))
        queue.make_bucket(BUCKET)
        queues = {channel: queue.make_queues(f"eed-delivery-{channel}") for channel in WAYS}
        mail = stack.enter_context(
            MailServer(self._workspace.mail, self._script, {SECOND_SENDER: self._workspace.second_mail})
        )
        partner = stack.enter_context(PartnerServer(self._workspace.partner))
        where = Endpoints(
            queue.endpoint, queues, mail.host, mail.port, partner.host, partner.port, partner.host_key, USER
        )
        settings = write(self._workspace, where)
        log = stack.enter_context(self._workspace.service_log.open("a", encoding="utf-8"))
        logs.configure(settings.logs, role="demo", stream=log)
        return settings, queue

    def _play_second(self, database: Database, service: Service) -> tuple[SecondAct, list[ChannelJob]]:
        act = SecondAct(database, self._workspace, self._customers)
        self._say(f"Second act: {act.count} statements by three channels: {', '.join(WAYS.values())}")
        act.begin()
        jobs = act.wait(self._patience, service.wait)
        if service.wait(0) is not None:
            raise DemoFailed(self._what_is_wrong(service, None))
        return act, jobs

    def _follow(self, ledger: ReportingLedger, service: Service) -> JobReport:
        report = follow(self._console, ledger, len(self._customers), self._patience, service.wait)
        if report is None or report.state is JobState.ACTIVE:
            raise DemoFailed(self._what_is_wrong(service, report))
        return report

    def _stop(self, process: ChildProcess) -> None:
        status = process.end()
        if status != 0:
            raise DemoFailed(f"{process.name} did not stop in order: exit status {status}. See {process.log}")

    def _tell(self, ledger: ReportingLedger, checks: Sequence[Check], page: OperatorsPage | None) -> bool:
        """Say what came of it. True if every check passed."""
        say.checks(self._console, checks)
        failed = [email.email_id for email in ledger.emails(JOB_ID, EmailState.FAILED)]
        commands = ["jobs", f"job {JOB_ID}", f"job {SecondAct.job_ids()[PARTNER]}"]
        commands += [f"emails {JOB_ID} --state failed", *(f"email {one}" for one in failed[:1])]
        say.what_next(self._console, self._workspace, commands, self._cli)
        if page is None:
            say.how_to_look(self._console, self._cli)
        else:
            say.what_is_open(self._console, page.address, page.link, self._cli)
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


def _await_interrupt(service: Service, page: OperatorsPage) -> None:
    """Return at Ctrl-C, when a process has ended, or after OPEN_SECONDS."""
    until = time.monotonic() + OPEN_SECONDS
    try:
        while service.wait(IDLE_SECONDS) is None and page.wait(0) is None and time.monotonic() < until:
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


def typed_program() -> str:
    """How the command line is typed here."""
    return _as_typed(_installed())


def _installed() -> Path:
    return Path(sysconfig.get_path("scripts")) / "eed-delivery"


def _as_typed(program: Path) -> str:
    """The program as one would type it here."""
    found = shutil.which(program.name)
    if found and Path(found).resolve() == program.resolve():
        return program.name
    return shlex.quote(_shortest(program))


def _shortest(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
