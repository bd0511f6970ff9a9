"""The command `eed-delivery demo`."""

import importlib.util
import signal
from collections.abc import Sequence
from pathlib import Path

import click

FEWEST, MOST = 10, 20_000
_EXTRA = ("aiosmtpd", "fpdf", "ministack", "paramiko")
_OF_FUNCTIONS = ("apig_wsgi", "awslambdaric", "flask", "flask_openapi3", "jwt")
_OF_THE_PAGE = ("argon2", "flask", "flask_openapi3", "jwt")


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
@click.option("--keep-running", is_flag=True, help="Keep the service and a page to look at it until Ctrl-C.")
@click.option(
    "--lambda",
    "emulator",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="PROGRAM",
    help="Send by functions of AWS Lambda, under AWS's emulator. `make demo-lambda` fetches its program.",
)
@click.pass_context
def demo(ctx: click.Context, emails: int, directory: Path, keep_running: bool, emulator: Path | None) -> None:
    """Send a batch of bank statements through the whole service, on this machine alone.

    A SQLite file replaces MySQL, ministack replaces SQS, and a mail server with faults on purpose replaces yours. A
    second act sends some statements by three channels: email, S3 and SFTP. Nothing leaves this machine. Exit code 0
    means that everything ended as it should.

    With --keep-running the operators' page stays open on this machine. A link that works once logs you in.

    With --lambda no service runs. The API, the publisher and sweeper, and what sends are functions.
    """
    _require(_EXTRA, "the demo", "demo")
    if keep_running:
        _require(_OF_THE_PAGE, "the page", "demo,operators")
    if emulator is not None and keep_running:
        raise click.UsageError("Functions end with the demo: give --lambda or --keep-running.")
    if emulator is not None:
        _require(_OF_FUNCTIONS, "the demo of functions", "demo,lambda,operators")
    # Imported now, because an installation without the extra has the other commands all the same.
    from eed_delivery.demo.lambda_play import LambdaDemo, LambdaDemoFailed
    from eed_delivery.demo.play import Demo, DemoFailed, typed_program

    # A SIGTERM ends the demo in order, as Ctrl-C does: its servers must not outlive it. SIGINT is named as well, as
    # a shell that starts a command in the background has it ignored.
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, signal.default_int_handler)
    try:
        if emulator is not None:
            passed = LambdaDemo(directory, emails, emulator.absolute(), typed_program()).play()
        else:
            passed = Demo(directory, emails, keep_running=keep_running).play()
    except (DemoFailed, LambdaDemoFailed) as failure:
        raise click.ClickException(str(failure)) from failure
    ctx.exit(0 if passed else 1)


def _require(packages: Sequence[str], what: str, extras: str) -> None:
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        raise click.ClickException(f"{what} needs {', '.join(missing)}: pip install 'eed-delivery[{extras}]'")
