"""The command `eed-delivery demo`."""

import importlib.util
import signal
from pathlib import Path

import click

FEWEST, MOST = 10, 20_000
_EXTRA = ("aiosmtpd", "fpdf", "ministack", "paramiko")


@click.command()
@click.option(
    "--emails",
    type=click.IntRange(FEWEST, MOST),
    default=200,
    show_default=True,
    metavar="COUNT",
    help="Set the number of statements to send.",
)
@click.option(
    "--directory",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("demo-output"),
    show_default=True,
    help="Write everything here. Emptied first, but only if an earlier demo made it.",
)
@click.option("--keep-running", is_flag=True, help="Keep the service running at the end, until Ctrl-C.")
@click.pass_context
def demo(ctx: click.Context, emails: int, directory: Path, keep_running: bool) -> None:
    """Send a batch of bank statements through the whole service, on this machine alone.

    A SQLite file replaces MySQL, ministack replaces SQS, and a mail server with faults on purpose replaces yours. A
    second act sends some statements by three channels: email, S3 and SFTP. Nothing leaves this machine. Exit code 0
    means that everything ended as it should.
    """
    missing = [name for name in _EXTRA if importlib.util.find_spec(name) is None]
    if missing:
        raise click.ClickException(f"the demo needs {', '.join(missing)}: pip install 'eed-delivery[demo]'")
    # Imported now, because an installation without the extra has the other commands all the same.
    from eed_delivery.demo.play import Demo, DemoFailed

    # A SIGTERM ends the demo in order, as Ctrl-C does: its servers must not outlive it. SIGINT is named as well, as
    # a shell that starts a command in the background has it ignored.
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, signal.default_int_handler)
    try:
        passed = Demo(directory, emails, keep_running=keep_running).play()
    except DemoFailed as failure:
        raise click.ClickException(str(failure)) from failure
    ctx.exit(0 if passed else 1)
