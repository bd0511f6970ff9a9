"""`preview` shows an email as its customer would get it."""

import sys
from pathlib import Path

import click

from eed_delivery.cli import options
from eed_delivery.cli.options import takes_config, takes_json
from eed_delivery.cli.output import record
from eed_delivery.cli.session import Session, pass_session
from eed_delivery.errors import NotPossible
from eed_delivery.operations.previewing import EmailPreview
from eed_delivery.private_files import create_private


@click.command()
@click.argument("key", metavar="EMAIL", type=options.key)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help="Write the message to this file, as .eml. - is stdout.",
)
@takes_json
@takes_config
@pass_session
def preview(session: Session, key: str, output: Path | None, as_json: bool) -> None:
    """Show an email as its customer would get it, rendered now from its row.

    Nothing is sent. Its links lead nowhere, so following one counts nothing. It is in the audit.

    \b
    Example:
      eed-delivery preview 1047 --output 1047.eml
    """
    found = session.operations.previewing.preview(key)
    if output is not None:
        _write(found, output)
    if as_json:
        session.screen.json({name: value for name, value in record(found).items() if name != "message"})
    elif output is None:
        _show(session, found)


def _write(found: EmailPreview, output: Path) -> None:
    if found.message is None:
        raise NotPossible(f"email {found.key} is put as files, and has no message. Leave out --output")
    if str(output) == "-":
        sys.stdout.buffer.write(found.message)
        return
    try:
        with create_private(output) as file:
            file.write(found.message)
    except OSError as error:
        raise NotPossible(f"{output}: {error.strerror}") from error


def _show(session: Session, found: EmailPreview) -> None:
    screen = session.screen
    for name, value in (("From", found.sender), ("To", found.recipient), ("Subject", found.subject)):
        screen.prose(value, f"{name}: ")
    if found.missing:
        screen.prose(", ".join(found.missing), "values that it does not have: ")
    screen.line()
    for line in (found.text or "").splitlines():
        screen.line(line)
    rows = [(part.name, part.content_type, part.size, part.sha256) for part in found.parts if part.attached]
    if rows:
        screen.line()
        screen.table(("attachment", "type", "bytes", "sha256"), rows)
