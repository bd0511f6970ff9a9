"""The documents say only what is there: links, commands, settings, log events, states and tests."""

import ast
import re
import shlex
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import click
import pytest

import tests.faults.scenarios  # noqa: F401 - importing them registers them
from eed_delivery.cli import cli
from eed_delivery.config import Settings, load
from eed_delivery.model import TRANSITIONS
from eed_delivery.runtime import failpoints
from tests.faults.scenario import SCENARIOS
from tests.faults.scenarios.files import PLACES
from tests.unit.test_config_docs import ALL, leaves

ROOT = Path(__file__).parents[2]
DOCUMENTS = {str(path.relative_to(ROOT)): path.read_text() for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]}
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
# `install -g eed-delivery …` names the group, not the command
EXAMPLE = re.compile(r"(?<!-g )(?:^|(?<=[\s`(])|(?<=/bin/))eed-delivery (?=[a-z-])(.*)")
END_OF_COMMAND = {">", "|", ";", "&&", ")", "…"}
EXAMPLE_HOST = re.compile(r"(^|\.)(example|test|localhost|example\.(com|org|net))$")
OTHER_HOSTS = {"127.0.0.1", "sqs.us-east-2.amazonaws.com", "keepachangelog.com", "semver.org"}
LEVELS = {"debug": "debug", "info": "info", "warning": "warning", "error": "error", "exception": "error"}


def without_code(text: str) -> str:
    return INLINE.sub("", FENCE.sub("", text))


def slug(heading: str) -> str:
    """As GitHub makes a heading's anchor."""
    return re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()).replace(" ", "-")


LINKS = [(name, target) for name, text in DOCUMENTS.items() for target in LINK.findall(FENCE.sub("", text))]


@pytest.mark.parametrize(("name", "target"), [link for link in LINKS if not link[1].startswith("http")])
def test_a_link_leads_somewhere(name: str, target: str) -> None:
    path, _, anchor = target.partition("#")
    found = (ROOT / name).parent / path if path else ROOT / name
    assert found.exists(), f"{name} links to {path}"
    if anchor:
        assert anchor in {slug(heading) for heading in HEADING.findall(FENCE.sub("", found.read_text()))}


def test_every_document_is_reached_from_the_readme() -> None:
    targets = {target.partition("#")[0] for name, target in LINKS if name == "README.md"}
    assert {name for name in DOCUMENTS if name.startswith("docs/")} <= targets


def examples(text: str) -> Iterator[str]:
    """What follows `eed-delivery` in every line of every block."""
    for _, block in FENCE.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            if found := EXAMPLE.search(line):
                yield found[1]


def words(example: str) -> list[str]:
    """The example's words as a shell reads them, up to a pipe, a redirection or the full stop of a sentence."""
    lexer = shlex.shlex(example, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    found: list[str] = []
    for word in lexer:
        if word in END_OF_COMMAND:
            break
        found.append(word.removesuffix("."))
    return found


def resolve(args: list[str]) -> tuple[click.Context, click.Command, list[str]]:
    """The command that `args` name, and what is left for it. Raises UsageError for one that does not exist."""
    command: click.Command = cli
    ctx = click.Context(cli, info_name="eed-delivery")
    while isinstance(command, click.Group):
        _, rest, _ = command.make_parser(ctx).parse_args(list(args))
        if not rest and command.invoke_without_command:
            break
        name, found, args = command.resolve_command(ctx, rest)
        assert found is not None
        ctx, command = click.Context(found, info_name=name, parent=ctx), found
    return ctx, command, args


BLOCK_EXAMPLES = [(name, example) for name, text in DOCUMENTS.items() for example in examples(text)]


@pytest.mark.parametrize(("name", "example"), BLOCK_EXAMPLES)
def test_an_example_in_a_block_is_a_whole_command(
    name: str, example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for file in ("statement.html", "customers.csv", "old-list.txt"):
        (tmp_path / file).touch()
    ctx, command, rest = resolve(words(example))
    command.make_context(command.name, rest, parent=ctx.parent)


INLINE_EXAMPLES = [
    (name, code.removeprefix("eed-delivery "))
    for name, text in DOCUMENTS.items()
    for code in INLINE.findall(FENCE.sub("", text))
    if code.startswith("eed-delivery ") and "COMMAND" not in code
]


@pytest.mark.parametrize(("name", "example"), INLINE_EXAMPLES)
def test_a_command_in_a_sentence_and_its_options_exist(name: str, example: str) -> None:
    ctx, command, rest = resolve(words(example))
    command.make_parser(ctx).parse_args(rest)


def test_examples_are_found() -> None:
    assert len(BLOCK_EXAMPLES) > 35
    assert len(INLINE_EXAMPLES) > 50


@pytest.mark.parametrize("wrong", ["jbos", "job 1 --wath", "requeue --state sent", "settle 6"])
def test_a_wrong_example_would_be_seen(wrong: str) -> None:
    with pytest.raises(click.UsageError):
        ctx, command, rest = resolve(words(wrong))
        command.make_context(command.name, rest, parent=ctx.parent)


def test_every_command_has_an_example_with_its_output() -> None:
    shown = {" ".join(words(example)[:2]) for example in examples(DOCUMENTS["docs/cli.md"])}
    missing = [
        name
        for name in re.findall(r"^\| `eed-delivery ([a-z ]+)` \|", DOCUMENTS["README.md"], re.MULTILINE)
        if not any(example == name or example.startswith(f"{name} ") for example in shown)
    ]
    assert missing == ["publisher", "sweeper", "demo"]  # they print what `run` prints, and the README shows the demo


def test_settings_that_are_named_exist() -> None:
    known = {".".join(key) for key in ALL}
    sections = "|".join(Settings.model_fields)
    for name, text in DOCUMENTS.items():
        for code in INLINE.findall(FENCE.sub("", text)):
            found = re.fullmatch(rf"((?:{sections})\.[a-z_.]+)(?: = .+)?", code)
            if found and not code.endswith(".py"):
                assert found[1] in known, f"{name}: {found[1]}"


TOML_BLOCKS = [
    (name, block) for name, text in DOCUMENTS.items() for kind, block in FENCE.findall(text) if kind == "toml"
]


@pytest.mark.parametrize(("name", "block"), TOML_BLOCKS)
def test_settings_in_a_block_exist_and_a_mapping_can_be_loaded(name: str, block: str, tmp_path: Path) -> None:
    data = tomllib.loads(block)
    assert {key for key, _ in leaves(data, set(ALL))} <= set(ALL)
    if "source" in data:
        file = tmp_path / "eed.toml"
        file.write_text((ROOT / "config" / "eed-delivery.toml").read_text().partition("\n[source]")[0] + block)
        load(file, {})


def test_no_host_but_those_for_examples() -> None:
    for name, text in DOCUMENTS.items():
        hosts = re.findall(r"https?://([^/\s:\"'<>)`]+)|@([a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]+)", text)
        for host in {one or other for one, other in hosts} - OTHER_HOSTS:
            assert EXAMPLE_HOST.search(host) or host.endswith(".service"), f"{name}: {host}"


def test_no_path_of_the_machine_it_was_written_on() -> None:
    assert not [name for name, text in DOCUMENTS.items() if re.search(r"/(?:work|tmp|root|home/\w)/", text)]


def logged(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Each event with its level. A function that logs its own parameter logs what its callers give it."""
    passed_on: dict[str, tuple[str, str]] = {}
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for call in log_calls(function):
            assert isinstance(call.func, ast.Attribute)
            level, event = LEVELS[call.func.attr], call.args[0]
            if isinstance(event, ast.Constant):
                yield event.value, level
            elif isinstance(event, ast.Name):
                passed_on[function.name] = (event.id, level)
    for call in [node for node in ast.walk(tree) if isinstance(node, ast.Call)]:
        called = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        if called in passed_on:
            texts = [arg.value for arg in call.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
            yield from ((text, passed_on[called][1]) for text in texts)


def log_calls(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[ast.Call]:
    for node in ast.walk(function):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        if node.func.attr in LEVELS and isinstance(node.func.value, ast.Name) and node.func.value.id == "log":
            yield node


@cache
def logged_events() -> Mapping[str, str]:
    """Each event of the whole program with its level. It takes seconds, so it is never asked for while tests are
    collected."""
    return {
        event: level
        for path in sorted((ROOT / "eed_delivery").rglob("*.py"))
        for event, level in logged(ast.parse(path.read_text()))
    }


def test_the_runbook_has_every_log_event_with_its_level() -> None:
    table = DOCUMENTS["docs/runbook.md"].partition("## Log events")[2]
    rows = re.findall(r"^\| `([a-z_]+)` \| (\w+) \| .+ \| .+ \|$", table, re.MULTILINE)
    assert rows == sorted(rows)
    assert dict(rows) == logged_events()


def test_the_diagram_is_the_state_machine() -> None:
    drawn = re.findall(r"^    (\w+) --> (\w+)$", DOCUMENTS["docs/architecture.md"], re.MULTILINE)
    assert sorted(drawn) == sorted((str(one), str(other)) for one, others in TRANSITIONS.items() for other in others)


@pytest.mark.parametrize("test", re.findall(r"`(tests/[\w/]+\.py::\w+)`", DOCUMENTS["docs/reliability.md"]))
def test_a_test_that_is_named_exists(test: str) -> None:
    path, _, name = test.partition("::")
    assert re.search(rf"^def {name}\(", (ROOT / path).read_text(), re.MULTILINE)


def test_every_fault_scenario_is_in_the_table_and_none_besides() -> None:
    section = DOCUMENTS["docs/reliability.md"].partition("## How it is broken on purpose")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    assert sorted(name for row in rows for name in INLINE.findall(row)) == sorted(SCENARIOS)
    # Those of files are struck by the scenarios files-kill-*, those of manifests by test_file_channel_service.py, and
    # that of operators by test_operators_service.py.
    others = len(failpoints.FILES) + len(failpoints.MANIFESTS) + len(failpoints.OPERATORS)
    assert f"each of the {len(failpoints.NAMES) - others} places" in section
    assert f"each of the {len(PLACES)} places" in section
