"""The options of the commands that read a CSV file."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from eed_delivery.cli import values

Function = TypeVar("Function", bound=Callable[..., Any])

_NAMED = {"tab": "\t", r"\t": "\t"}


def separator(value: str) -> str:
    """What is between the columns, one character or the word tab."""
    found = _NAMED.get(value.lower(), value)
    if len(found) != 1 or found.isalnum() or found in "\"'\r\n\0":
        raise click.BadParameter(f"{value!r} cannot separate columns. Most files have , ; | or tab")
    return found


def takes_csv_form(command: Function) -> Function:
    """Add --delimiter, --encoding and --multiline."""
    options = (
        click.option(
            "--delimiter", type=separator, help="Set what separates CSV columns, like ';' or tab. Default: from line 1."
        ),
        click.option(
            "--encoding",
            type=values.encoding,
            help="Set the file's encoding, like cp1252. Default: its BOM's, or UTF-8.",
        ),
        click.option("--multiline", is_flag=True, help="Accept CSV cells that span several lines."),
    )
    for option in reversed(options):
        command = option(command)
    return command
