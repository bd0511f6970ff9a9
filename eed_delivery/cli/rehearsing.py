"""`rehearse` renders the emails of a job as they would be sent, sends none, and says what is wrong with them."""

import re
import threading
from pathlib import Path

import click

from eed_delivery.cli import options
from eed_delivery.cli.options import takes_config, takes_json
from eed_delivery.cli.output import record
from eed_delivery.cli.registering import GOES_ON
from eed_delivery.cli.session import Session, pass_session
from eed_delivery.errors import NotPossible
from eed_delivery.operations.long_acts.starting import LongAct, LongActState
from eed_delivery.operations.rehearsing.orders import MOST_PROCESSES, MOST_SAMPLES, RehearsalRequest
from eed_delivery.operations.rehearsing.results import RehearsalView, severity
from eed_delivery.operations.rehearsing.sample_sending import SamplesToSend
from eed_delivery.private_files import create_private

KEYS_SHOWN = 5
NOT_CLEAN = 1
"""The exit code."""
_SAFE = re.compile(r"[^A-Za-z0-9._-]")


@click.command()
@click.argument("job", type=options.key)
@click.option("--first", type=click.IntRange(min=1), help="Look at the first N emails only.")
@click.option("--every", type=click.IntRange(min=1), default=1, help="Look at each Nth email only.")
@click.option(
    "--sample",
    "samples",
    type=click.IntRange(min=0, max=MOST_SAMPLES),
    default=20,
    show_default=True,
    help="Choose N emails at random as samples, beside those that stand out.",
)
@click.option(
    "--keep", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Write the samples to DIR, as .eml."
)
@click.option(
    "--processes", type=click.IntRange(min=1, max=MOST_PROCESSES), help="Use N processes. Default: a core each."
)
@click.option("--to", metavar="ADDRESS", help="Send the first N samples to this tester, marked as samples.")
@click.option("--beside-live", is_flag=True, help="Do not wait until the emails of active jobs have left.")
@takes_json
@takes_config
@pass_session
def rehearse(
    session: Session,
    job: str,
    first: int | None,
    every: int,
    samples: int,
    keep: Path | None,
    processes: int | None,
    to: str | None,
    beside_live: bool,
    as_json: bool,
) -> None:
    """Render the emails of a job as they would be sent, send none, and show what is wrong with them.

    The job may be in any state, in the source or the ledger. Its emails that are not sent yet are read, their
    attachments too. Nothing is written to the source. The exit code is 0 for CLEAN, and 1
    for FINDINGS, PARTIAL or INCOMPLETE.

    It waits while emails of active jobs are to be sent, unless --beside-live is given. If it is cut off, the role
    operators goes on, or the same command after operations stop.

    \b
    Examples:
      eed-delivery rehearse 42 --keep samples
      eed-delivery rehearse 42 --sample 5 --to tester@example.com
    """
    sending = session.operations.sample_sending
    if to is not None:
        SamplesToSend("", samples, to)
        sending.refuse_stranger(to)
    request = RehearsalRequest(job, first, every, samples, beside_live, processes)
    act = session.operations.rehearsal_orders.start(request)
    click.echo(f"operation {act.id} rehearses {act.total:,} emails of job {job}", err=True)
    _wait(session, act)
    found = session.operations.rehearsal_results.view(act.id)
    if as_json:
        session.screen.json({**record(found), "findings": [record(one) for one in found.findings]})
    else:
        _show(session, found)
    if keep is not None:
        _keep(session, found, keep)
    if to is not None:
        sent = sending.send(SamplesToSend(found.operation, samples, to))
        left_out = f", {sent.left_out:,} cannot be rendered any more" if sent.left_out else ""
        click.echo(f"{len(sent.keys):,} samples were sent to {to}{left_out}", err=True)
    if found.verdict != "clean":
        raise SystemExit(NOT_CLEAN)


def _wait(session: Session, act: LongAct) -> None:
    """Do it, or wait for the process that does. Raises `NotPossible` if it comes to no end."""
    step, wait = session.operations.rehearsal_step(act.id), threading.Event().wait
    while (act := session.operations.long_acts.view(act.id)).state in GOES_ON:
        wait(step())
    if act.state is not LongActState.DONE:
        raise NotPossible(f"operation {act.id} is {act.state}: {'; '.join(act.errors) or 'a person has stopped it'}")


def _show(session: Session, found: RehearsalView) -> None:
    screen = session.screen
    part = "" if found.whole else f" of {found.emails:,}"
    screen.line(
        f"{found.verdict.upper()}: {found.looked_at:,}{part} emails were looked at, "
        f"{found.rendered:,} can be rendered, {found.total_bytes:,} bytes"
    )
    screen.line(f"digest {found.digest}")
    if found.read_by_service:
        screen.line("read by the service's own user, which can write to the source (rehearsal.database_url is not set)")
    for change in found.changes:
        screen.prose(change, "incomplete: ")
    rows = [(severity(one), one.count, one.what, _keys(one.keys, one.count)) for one in found.findings]
    if rows:
        screen.line()
        screen.table(("", "emails", "finding", "keys"), rows, prose=("finding", "keys"))


def _keys(keys: tuple[str, ...], count: int) -> str:
    more = count - len(keys[:KEYS_SHOWN])
    return ", ".join(keys[:KEYS_SHOWN]) + (f" and {more:,} more" if more > 0 else "")


def _keep(session: Session, found: RehearsalView, directory: Path) -> None:
    try:
        names: dict[str, int] = {}
        directory.mkdir(mode=0o700, exist_ok=True)
        for made in session.operations.rehearsal_results.messages(found.operation):
            name = _SAFE.sub("_", made.sample.key)
            names[name] = names.get(name, 0) + 1
            path = directory / (f"{name}.eml" if names[name] == 1 else f"{name}~{names[name]}.eml")
            with create_private(path) as file:
                file.write(made.content)
            changed = "" if made.is_same else " (changed since it was looked at)"
            click.echo(f"{path}: {made.sample.why}{changed}", err=True)
    except OSError as error:
        raise NotPossible(f"{directory}: {error.strerror}") from error
