"""What the demo says at its end: the balanced table, what went wrong and what to do, the checks, and what to try."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from eed_delivery.demo.batch import JOB_ID
from eed_delivery.demo.checks import SHOWN, Check
from eed_delivery.demo.second_act import WAYS, ChannelJob
from eed_delivery.demo.workspace import Workspace
from eed_delivery.ledger.reporting import EmailReport, JobReport, ReportingLedger
from eed_delivery.model import EmailState

_MEANINGS = {
    EmailState.PENDING: "waiting for a message in the queue",
    EmailState.QUEUED: "waiting for a worker, or for its next try",
    EmailState.SENDING: "in a worker's hand",
    EmailState.SENT: "the mail server said yes",
    EmailState.FAILED: "the mail server said no for good",
    EmailState.IN_DOUBT: "unknown: held, not sent again",
    EmailState.SUPPRESSED: "on the suppression list",
    EmailState.CANCELLED: "cancelled",
}


@dataclass(frozen=True, slots=True)
class Cli:
    """How a command line for this demo begins."""

    program: str
    configuration: str

    def line(self, arguments: str) -> str:
        """A command to type."""
        return f"{self.program} --config {self.configuration} {arguments}"


def balance(console: Console, report: JobReport) -> None:
    """The counts of every state the job has, their sum and the total."""
    table = Table(title=f"job {JOB_ID}: {escape(report.name)}", title_justify="left")
    table.add_column("state")
    table.add_column("emails", justify="right")
    table.add_column("meaning")
    for state, count in report.counts.items():
        if count:
            table.add_row(state, str(count), _MEANINGS[state])
    table.add_section()
    verdict = "balances" if report.balanced else "DOES NOT BALANCE"
    table.add_row("total", str(report.total), f"{report.done} ended: {verdict}")
    console.print()
    console.print(table)
    console.print(f"finished in {report.running_seconds:.1f} s, {report.rate:.0f} emails a second", soft_wrap=True)


def channels(console: Console, jobs: Sequence[ChannelJob]) -> None:
    """The counts of the second act's jobs, beside each other."""
    table = Table(title="second act: three channels", title_justify="left")
    for column in ("job", "channel", "what left", "manifest"):
        table.add_column(column)
    table.add_column("sent", justify="right")
    table.add_column("total", justify="right")
    for one in jobs:
        manifest = one.manifest.path if one.manifest is not None else ""
        sent, total = str(one.report.counts[EmailState.SENT]), str(one.report.total)
        table.add_row(one.report.key, one.channel, WAYS[one.channel], manifest, sent, total)
    console.print()
    console.print(table)


def exceptions(console: Console, ledger: ReportingLedger, cli: Cli) -> None:
    """The failed emails with the mail server's reply, and those in doubt with the command that settles them."""
    for email in ledger.emails(JOB_ID, EmailState.FAILED):
        _say(console, f"\nemail {email.email_id} failed. The mail server's reply:")
        _say(console, f"    {_last_reply(ledger, email)}")
    for email in ledger.emails(JOB_ID, EmailState.IN_DOUBT):
        _say(
            console,
            f"\nemail {email.email_id} is in doubt. It is not sent again by itself, so that no recipient gets two:",
        )
        _say(console, f"    {_last_reply(ledger, email)}")
        _say(console, "The mail server's own records (mail/) show that it took it. An operator who has looked says so:")
        _say(console, f"    {cli.line(f'settle {email.email_id} --as sent')}")


def _last_reply(ledger: ReportingLedger, email: EmailReport) -> str:
    attempts = ledger.attempts(email.email_id)
    return (attempts[-1].reply if attempts else email.detail) or "no reason is recorded"


def checks(console: Console, found: Iterable[Check]) -> None:
    """Each check with its answer."""
    _say(console, "\nChecked against the files and tables:")
    for check in found:
        _say(console, f"  {'yes' if check.passed else 'NO '}  {check.question}")
        for problem in check.problems[:SHOWN]:
            _say(console, f"         {problem}")
        if len(check.problems) > SHOWN:
            _say(console, f"         and {len(check.problems) - SHOWN} more")


def what_next(console: Console, workspace: Workspace, commands: Sequence[str], cli: Cli) -> None:
    """Where everything lies, and what to try."""
    _say(console, f"\nEverything is in {workspace.directory}: the stored emails in mail/, the PDFs in statements/,")
    _say(
        console, "the partner's files in partner/, the service's log in service.log, and the database in demo.sqlite3."
    )
    _say(console, "\nTry next (these read and write the database only, and work at any time):")
    for command in commands:
        _say(console, f"    {cli.line(command)}")


def how_to_look(console: Console, cli: Cli) -> None:
    """For a demo that has ended."""
    _say(
        console,
        f"\nThe service has stopped. To look at the operators' page of a demo: {cli.program} demo --keep-running",
    )


def what_is_open(console: Console, address: str, link: str, cli: Cli) -> None:
    """For a demo that goes on: the page, and what else can be tried."""
    _say(console, f"\nThe service runs on, and the operators' page is open at {address}")
    _say(console, "This link logs you in. It works once, and for this demo only:")
    _say(console, f"    {link}")
    _say(console, "\nIn another terminal, send the failed one again: its mailbox has room by now.")
    _say(console, f"    {cli.line(f'requeue --job {JOB_ID} --state failed --yes')}")
    _say(console, "Ctrl-C ends the demo.")


def _say(console: Console, text: str) -> None:
    # Not wrapped: a command is to be copied as it stands.
    console.print(text, soft_wrap=True, markup=False, highlight=False)
