"""What the documents name is there: settings, variables, files, options, log events and words of the code."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from eed_delivery.config import Settings, renamed
from eed_delivery.config.environment import CONFIG_FILE, CREDENTIALS, PREFIX
from eed_delivery.runtime import failpoints
from tests.unit.test_config_docs import ALL
from tests.unit.test_docs import DOCUMENTS, FENCE, HEADING, INLINE, ROOT, logged_events, resolve, slug, words
from tests.unit.test_readme import commands

FOLDERS = ("eed_delivery", "tests", "benchmarks", "config", "systemd", "docs", ".ci")
SETTINGS = {".".join(key) for key in ALL}
SECTIONS = {".".join(key[:n]) for key in ALL for n in range(1, len(key))}
DEPLOY = [path for ending in ("tf", "hcl", "sh") for path in (ROOT / "deploy").rglob(f"*.{ending}")]
SURROUNDINGS = [*ROOT.glob("config/*"), *ROOT.glob("systemd/*"), *ROOT.glob("*.toml"), ROOT / "Makefile", *DEPLOY]
SOURCES = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
PROSE = {name: FENCE.sub("", text) for name, text in DOCUMENTS.items() if name != "CHANGELOG.md"}


CODES = sorted({(name, code) for name, text in PROSE.items() for code in INLINE.findall(text)})


def named(pattern: str) -> list[tuple[str, str]]:
    """The pieces of code in sentences that fit a pattern, each with its document."""
    return [(name, code) for name, code in CODES if re.fullmatch(pattern, code)]


def ids(cases: list[tuple[str, str]]) -> list[str]:
    return [f"{name}: {code}" for name, code in cases]


# --- settings


def test_sections_that_are_named_exist() -> None:
    wrong = {code for _, code in named(r"\[\[?[a-z_.]+\]?\]") if not is_section(code.strip("[]"))}
    former = {f"[{name}]" for name in renamed.SECTIONS}
    assert wrong - former == {"[tool.importlinter]"}  # pyproject.toml's


def is_section(name: str) -> bool:
    return name in SECTIONS or any(name.startswith(f"{one}.") or name == one for one in SETTINGS)


@pytest.mark.parametrize("path", SURROUNDINGS, ids=lambda path: path.name)
def test_settings_in_comments_exist(path: Path) -> None:
    first = "|".join(Settings.model_fields)
    comments = " ".join(re.findall(r"^\s*#(.*)$", path.read_text(), re.MULTILINE))
    for setting in re.findall(rf"(?<![\w./\-\"'])((?:{first})(?:\.[a-z_]+)+)(?![\w/(])", comments):
        assert is_section(setting), setting


def test_variables_and_credentials_that_are_named_exist() -> None:
    known = {PREFIX + "__".join(key).upper() for key in ALL} | {CONFIG_FILE, failpoints.VARIABLE}
    for former, now in renamed.SECTIONS.items():
        known |= {name.replace(f"_{now.upper()}__", f"_{former.upper()}__") for name in known}
    text = "\n".join(DOCUMENTS.values()) + "".join(path.read_text() for path in SURROUNDINGS)
    assert set(re.findall(r"\bEED_[A-Z][A-Z_0-9]*\b", text)) <= known
    told = set(re.findall(r"credential `?([a-z]+_[a-z_]+)`?", text))
    assert told <= set(CREDENTIALS)


# --- files


def files(text: str) -> Iterator[str]:
    """Paths of this repository: code, documents and folders, but no files of a reader's own."""
    for code in INLINE.findall(text):
        top = code.partition("/")[0]
        if re.fullmatch(r"(?:[\w.-]+/)+(?:[\w.-]+\.(?:py|md|toml|yaml|sql|tsv|service|html))?", code):
            if top in FOLDERS or (ROOT / "eed_delivery" / top).exists():
                yield code
        elif re.fullmatch(r"[\w-]+\.(?:py|md|sql|tsv)", code):
            yield code


def found(file: str) -> bool:
    return any((folder / file).exists() for folder in (ROOT, ROOT / "eed_delivery", ROOT / "docs")) or (
        "/" not in file and any(path.name == file for path in SOURCES)
    )


@pytest.mark.parametrize("name", PROSE)
def test_files_that_are_named_exist(name: str) -> None:
    assert [file for file in files(PROSE[name]) if "NAME" not in file and not found(file)] == []


CITATIONS = sorted(
    {
        (str(path.relative_to(ROOT)), document, anchor)
        for path in [*SOURCES, *SURROUNDINGS]
        for document, anchor in re.findall(r"\bdocs/([\w-]+\.md)(?:#([\w-]+))?", path.read_text())
        if path.name != Path(__file__).name
    }
)


@pytest.mark.parametrize(("path", "document", "anchor"), CITATIONS)
def test_a_document_that_the_code_cites_exists(path: str, document: str, anchor: str) -> None:
    text = (ROOT / "docs" / document).read_text()
    assert not anchor or anchor in {slug(heading) for heading in HEADING.findall(FENCE.sub("", text))}


def test_no_section_of_another_projects_design_is_cited() -> None:
    """docs/design.md is cited by its headings. `DESIGN 4` would lead nowhere."""
    paths = [path for path in [*SOURCES, *SURROUNDINGS] if path.name != Path(__file__).name]
    texts = {str(path.relative_to(ROOT)): path.read_text() for path in paths} | DOCUMENTS
    assert [
        name for name, text in texts.items() if re.search(r"\bDESIGN\b|\bthe design's\b|\bin the design\b", text)
    ] == []


def test_no_revision_of_the_tables_is_named() -> None:
    """It would be wrong after the next migration."""
    texts = {str(path): path.read_text() for path in SOURCES if "tests" not in path.parts} | DOCUMENTS
    assert [name for name, text in texts.items() if re.search(r"\brevisions? `?0\d{3}\b", text)] == []


# --- commands


def options() -> set[str]:
    every = {"--help", "--version"}
    for path in commands():
        _, command, _ = resolve(list(path))
        every |= {option for param in command.params for option in [*param.opts, *param.secondary_opts]}
    return every


OTHER_PROGRAMS = {  # options of the fault tests, the benchmarks, mysqldump and check_audit.py
    "--emails", "--long", "--set", "--size", "--statements", "--list", "--systems", "--seed", "--ignore-table",
    "--log", "--head",
}  # fmt: skip


def test_options_that_are_named_alone_exist() -> None:
    known = options() | OTHER_PROGRAMS
    assert [(name, code) for name, code in named(r"--[a-z].*") if re.split(r"[ =]", code)[0] not in known] == []


FIRST_WORDS = {path[0] for path in commands()}
WITHOUT_PROGRAM = [(name, code) for name, code in CODES if code.split()[0] in FIRST_WORDS and " --" in code]


@pytest.mark.parametrize(("name", "code"), WITHOUT_PROGRAM, ids=ids(WITHOUT_PROGRAM))
def test_a_command_that_is_named_without_the_program_has_these_options(name: str, code: str) -> None:
    ctx, command, rest = resolve([word for word in words(code) if word not in ("…", "...")])
    try:
        command.make_parser(ctx).parse_args(rest)
    except click.BadOptionUsage as error:  # `report --output` names the option, and leaves out its value
        assert error.option_name in {option for param in command.params for option in param.opts}


def test_both_kinds_are_found() -> None:
    assert len(WITHOUT_PROGRAM) > 4
    assert len(named(r"--[a-z].*")) > 20


ON_ITS_WAY = {"test-quick"}  # CONTRIBUTING.md has it; the Makefile gets it with the tiers of the tests


def test_make_targets_that_are_named_exist() -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    told = {word for text in DOCUMENTS.values() for word in re.findall(r"(?:^|`)make ([a-z0-9-]+)", text, re.MULTILINE)}
    assert told - targets <= ON_ITS_WAY


# --- log events


IN_A_LINE = re.compile(r'"event": "([a-z_]+)"')
IN_THE_LOG = re.compile(
    r"(?:[Ll]og has|[Ll]ogs|logged as|in the log as|[Ll]ook for) ((?:(?:, | and |, then )?`[a-z_]+`)+)"
)


def test_log_events_that_are_shown_or_named_exist() -> None:
    for name, text in DOCUMENTS.items():
        told = {*IN_A_LINE.findall(text), *INLINE.findall(" ".join(IN_THE_LOG.findall(FENCE.sub("", text))))}
        assert told <= set(logged_events()), name


def test_events_are_found() -> None:
    assert len(INLINE.findall(" ".join(IN_THE_LOG.findall(PROSE["docs/runbook.md"])))) > 8


# --- words of the code

FOREIGN = {"max_connections", "acks_late", "innodb_log_file_size", "innodb_redo_log_capacity"}  # MySQL's and Celery's
FOREIGN |= {"utf8mb4_0900_ai_ci", "utf8mb4_uca1400_ai_ci", "mysql_native_password"}


def test_words_of_the_code_are_in_the_code() -> None:
    """A column, function, event or setting that was renamed must not live on in a document."""
    paths = [path for path in [*SOURCES, *SURROUNDINGS] if path.name != Path(__file__).name]
    code = set(re.findall(r"\w+", "\n".join([*(path.read_text() for path in paths), *map(str, paths)])))
    code |= {
        word for text in DOCUMENTS.values() for _, block in FENCE.findall(text) for word in re.findall(r"\w+", block)
    }
    assert [
        (name, word)
        for name, word in named(r"_?[a-z0-9]+(?:_[a-z0-9]+)+|[A-Z]+(?:_[A-Z]+)+")
        if word not in code | FOREIGN
    ] == []
