"""The demo of functions: the same statements by API, tick and sending function, each under AWS's own emulator."""

import shlex
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console
from sqlalchemy import Connection, text

from eed_delivery import logs
from eed_delivery.app.parts import App
from eed_delivery.database.transactions import Database
from eed_delivery.demo import report as say
from eed_delivery.demo.batch import JOB_ID, mishaps, register
from eed_delivery.demo.checks import Check, all_checks
from eed_delivery.demo.lambda_account import LambdaAccount, QueueMapping, TickSchedule
from eed_delivery.demo.lambda_configuration import (
    TIMEOUT_SECONDS,
    VISIBILITY_SECONDS,
    of_functions,
    of_the_api,
    write,
)
from eed_delivery.demo.lambda_emulator import API, SENDING, TICK, LambdaEmulator
from eed_delivery.demo.mail_server import MailServer
from eed_delivery.demo.people import customers
from eed_delivery.demo.processes import QueueServer, StackFailed
from eed_delivery.demo.progress import follow
from eed_delivery.demo.workspace import UnusableWorkspace, Workspace
from eed_delivery.ledger.reporting import ReportingLedger
from eed_delivery.model import EmailState, JobState

SANDBOXES = 2
ROUTE = "POST /api/v1/jobs/{key}/nudge"
PATIENCE_SECONDS = 240.0


class LambdaDemoFailed(Exception):
    """The demo could not be played to its end. The text says what is wrong and where to look."""


class LambdaDemo:
    """One demo in one directory. `emulator` is AWS's program. `sandboxes` send at the same time."""

    def __init__(self, directory: Path, emails: int, emulator: Path, cli: str, *, sandboxes: int = SANDBOXES) -> None:
        """`cli` is how the command line is typed here."""
        self._workspace = Workspace(directory)
        self._customers = customers(emails)
        self._script = mishaps(self._customers)
        self._emulator = emulator
        self._sandboxes = sandboxes
        self._console = Console(highlight=False)
        self._cli = say.Cli(cli, shlex.quote(str(self._workspace.configuration)))
        self._functions: list[LambdaEmulator] = []

    def play(self) -> bool:
        """True if everything came out as it should. Raises `LambdaDemoFailed`."""
        try:
            with self._workspace.claimed(), ExitStack() as stack:
                return self._play(stack)
        except (UnusableWorkspace, StackFailed) as error:
            raise LambdaDemoFailed(str(error)) from error
        except KeyboardInterrupt:
            raise LambdaDemoFailed("stopped before its end") from None

    def _play(self, stack: ExitStack) -> bool:
        self._say("Starting a queue and an HTTP API (ministack), and a mail server that misbehaves now and then")
        server = stack.enter_context(QueueServer(self._workspace))
        account = LambdaAccount(server.endpoint)
        queues = server.make_queues("eed-delivery", VISIBILITY_SECONDS)
        mail = stack.enter_context(MailServer(self._workspace.mail, self._script))
        settings = write(self._workspace, server.endpoint, queues, (mail.host, mail.port))
        own_log = stack.enter_context(self._workspace.service_log.open("a", encoding="utf-8"))
        logs.configure(settings.logs, role="demo", stream=own_log)
        app = App(settings)
        database = app.database()
        stack.callback(database.close)
        self._say(f"Registering a job: {len(self._customers)} statements, a PDF each, in eleven languages")
        register(database, self._workspace, self._customers)
        self._say(f"Starting Lambda's emulator: the API, the tick, and {self._sandboxes} sandboxes that send")
        api, tick, *sending = self._start(stack)
        host = account.http_api(api, ROUTE)
        nudged = account.post(host, f"/api/v1/jobs/{JOB_ID}/nudge")
        self._say(f"The delivery server's role has signed a nudge, and the API says: registered {nudged['registered']}")
        ledger = app.reporting(database)
        with QueueMapping(account.client("sqs"), queues[0], sending), TickSchedule(tick):
            count, starts = len(self._customers), "the first invocations start the sandboxes"
            report = follow(self._console, ledger, count, PATIENCE_SECONDS, self._ended, starts)
        if report is None or report.state is JobState.ACTIVE:
            raise LambdaDemoFailed(f"the job has not finished in time. See the logs in {self._workspace.directory}")
        checks = all_checks(report, database, self._workspace.mail, self._customers, self._script)
        checks += list(self._own_checks(database, account, queues))
        say.balance(self._console, report)
        say.exceptions(self._console, ledger, self._cli)
        return self._tell(ledger, checks)

    def _start(self, stack: ExitStack) -> list[LambdaEmulator]:
        ours, of_api = of_functions(self._workspace), of_the_api(self._workspace)
        functions = [("api", API, of_api), ("tick", TICK, ours)]
        functions += [(f"sending-{n}", SENDING, ours) for n in range(1, self._sandboxes + 1)]
        for name, handler, environment in functions:
            log = self._workspace.directory / f"{name}.log"
            made = LambdaEmulator(self._emulator, handler, environment, log, timeout_seconds=TIMEOUT_SECONDS)
            self._functions.append(stack.enter_context(made))
        return self._functions

    def _ended(self, seconds: float) -> int | None:
        """The status of an emulator that has ended, or None after some seconds."""
        time.sleep(seconds)
        return next((status for one in self._functions if (status := one.wait(0)) is not None), None)

    def _own_checks(self, database: Database, account: LambdaAccount, queues: Sequence[str]) -> Iterator[Check]:
        workers = database.run(_workers)
        others = tuple(f"{one} has sent" for one in workers if not one.startswith("lambda:"))
        yield Check(f"Functions have sent, and nothing else: {len(workers)} sandboxes", others)
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        left = []
        for url in queues:
            found = account.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
            left += [f"{url} has {count} messages ({name})" for name, count in found.items() if count != "0"]
        yield Check("No message is left in the queue or among dead letters", tuple(left))

    def _tell(self, ledger: ReportingLedger, checks: Sequence[Check]) -> bool:
        say.checks(self._console, checks)
        directory = self._workspace.directory
        self._say(f"\nEverything is in {directory}: the stored emails in mail/, the PDFs in statements/, what each")
        self._say("function has logged in api.log, tick.log and sending-….log, and the database in demo.sqlite3.")
        self._say("\nTry next (these read and write the database only, and work at any time):")
        failed = [email.email_id for email in ledger.emails(JOB_ID, EmailState.FAILED)]
        for command in ("jobs", f"job {JOB_ID}", *(f"email {one}" for one in failed[:1])):
            self._say(f"    {self._cli.line(command)}")
        return all(check.passed for check in checks)

    def _say(self, words: str) -> None:
        self._console.print(words, soft_wrap=True, markup=False)


def _workers(c: Connection) -> list[str]:
    return list(c.execute(text("SELECT DISTINCT worker FROM eed_attempt ORDER BY worker")).scalars())
