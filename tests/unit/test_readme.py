"""The README's commands, exit codes and make targets are those that exist."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from eed_delivery.cli import cli

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
EXIT_CODE = re.compile(r"^\| (\d+) \| ", re.MULTILINE)


def commands(group: click.Group = cli, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    ctx = click.Context(group)
    for name in cli.list_commands(ctx) if group is cli else group.commands:  # plain groups would sort them
        command = group.get_command(ctx, name)
        if isinstance(command, click.Group):
            if command.invoke_without_command:
                yield (*path, name)
            yield from commands(command, (*path, name))
        else:
            yield (*path, name)


def test_the_list_has_every_command_and_no_other() -> None:
    listed = re.findall(r"^\| `eed-delivery ([a-z -]+)` \|", README, re.MULTILINE)
    assert listed == [" ".join(path) for path in commands()]


@pytest.mark.parametrize("path", list(commands()), ids=" ".join)
def test_every_command_has_help(path: tuple[str, ...]) -> None:
    result = CliRunner().invoke(cli, [*path, "--help"])
    assert result.exit_code == 0
    assert result.output.startswith("Usage:")


@pytest.mark.parametrize("document", ["README.md", "docs/cli.md"])
def test_the_exit_codes_are_those_of_the_help(document: str) -> None:
    epilog = CliRunner().invoke(cli, ["--help"]).output.partition("Exit codes:")[2]
    told = re.findall(r"^ +(\d+)  +\w", epilog, re.MULTILINE)
    assert told
    assert EXIT_CODE.findall((ROOT / document).read_text()) == told


def test_the_make_commands_exist_and_need_nothing_else() -> None:
    blocks = re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert blocks == ["make demo\n", "make test\n"]
    makefile = (ROOT / "Makefile").read_text()
    named = {block.split()[1] for block in blocks} | set(re.findall(r"`make ([a-z0-9-]+)`", README))
    assert {name for name in named if not re.search(rf"^{name}:", makefile, re.MULTILINE)} == set()


def test_ci_runs_the_linters_and_the_readmes_test_command() -> None:
    commands = [line for line in (ROOT / ".ci/run").read_text().splitlines() if line.startswith("make ")]
    assert commands == ["make lint", "make test"]
