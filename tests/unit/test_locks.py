"""The lock files in requirements/: complete, hashed, and in step with setup.cfg."""

import configparser
import re
import tomllib
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCKS = {path.stem: path.read_text() for path in (ROOT / "requirements").glob("*.txt")}
ENTRY = re.compile(
    r"^(?P<requirement>[a-z0-9][^\\\n]*?) \\\n(?P<hashes>(?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", re.MULTILINE
)
COMMENT = re.compile(r"^ *#.*\n", re.MULTILINE)
INSTALL = re.compile(r"\bpip install\b[^`\n]*")

# fmt: off
RUN_TIME = {
    "aiosmtpd", "alembic", "annotated-types", "atpublic", "attrs", "boto3", "botocore", "cffi", "click",
    "cryptography", "dnspython", "email-validator", "google-re2", "idna", "jinja2", "jmespath", "mako",
    "markdown-it-py", "markupsafe", "mdurl", "multipart", "prometheus-client", "pybase64", "pycparser", "pydantic",
    "pydantic-core", "pydantic-settings", "pygments", "pymysql", "python-dateutil", "python-dotenv", "rich",
    "s3transfer", "selectolax", "six", "sqlalchemy", "structlog", "tenacity", "tinycss2", "typing-extensions",
    "typing-inspection", "urllib3", "waitress", "webencodings",
}
# fmt: on
"""All that a server installs. A new name here is a decision: whoever can publish it can run code on the servers."""


def setup_requirements() -> dict[str, list[Requirement]]:
    """What setup.cfg asks for, by extra; "" for the run-time requirements."""
    config = configparser.ConfigParser()
    config.read_string((ROOT / "setup.cfg").read_text())
    lists = {"": config["options"]["install_requires"], **config["options.extras_require"]}
    return {extra: [Requirement(line) for line in lines.split("\n") if line] for extra, lines in lists.items()}


def entries(lock: str) -> dict[str, tuple[Requirement, frozenset[str]]]:
    found = [(Requirement(entry["requirement"]), entry["hashes"].split()) for entry in ENTRY.finditer(LOCKS[lock])]
    return {canonicalize_name(locked.name): (locked, frozenset(hashes) - {"\\"}) for locked, hashes in found}


def version(locked: Requirement) -> str:
    (pin,) = locked.specifier
    assert pin.operator == "=="
    return pin.version


@pytest.mark.parametrize("lock", sorted(LOCKS))
def test_a_lock_holds_nothing_but_pinned_and_hashed_packages(lock: str) -> None:
    assert ENTRY.sub("", COMMENT.sub("", LOCKS[lock])).strip() == ""
    assert entries(lock)
    assert all(version(locked) and not locked.url for locked, _ in entries(lock).values())


@pytest.mark.parametrize(
    ("lock", "extras"),
    [
        ("run", [""]),
        ("sftp", ["", "sftp"]),
        ("operators", ["", "operators"]),
        ("lambda", ["", "lambda", "operators", "sftp"]),
        ("tests", ["", "demo", "lambda", "operators", "test", "dev"]),
        ("bench", list(setup_requirements())),
    ],
)
def test_each_requirement_is_locked_within_its_bounds(lock: str, extras: list[str]) -> None:
    locked = entries(lock)
    for requirement in [requirement for extra in extras for requirement in setup_requirements()[extra]]:
        assert requirement.specifier.contains(version(locked[canonicalize_name(requirement.name)][0]))


def test_the_build_requirements_are_locked_within_their_bounds() -> None:
    (requirement,) = map(Requirement, tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"])
    assert requirement.specifier.contains(version(entries("build")[requirement.name][0]))


PAIRS = [("run", "sftp"), ("run", "operators"), ("sftp", "lambda"), ("operators", "lambda"), ("lambda", "tests")]
PAIRS += [("tests", "bench")]


@pytest.mark.parametrize(("smaller", "larger"), PAIRS)
def test_the_tests_run_with_what_the_servers_install(smaller: str, larger: str) -> None:
    few, many = entries(smaller), entries(larger)
    assert few.keys() <= many.keys()
    assert all((version(few[name][0]), few[name][1]) == (version(many[name][0]), many[name][1]) for name in few)


def test_the_servers_install_the_packages_listed_here_and_no_other() -> None:
    assert entries("run").keys() == RUN_TIME
    assert "requests" not in RUN_TIME


def test_the_extra_for_sftp_brings_paramiko_and_what_it_needs() -> None:
    assert entries("sftp").keys() - RUN_TIME == {"bcrypt", "invoke", "paramiko", "pynacl"}


def test_the_extra_for_operators_brings_eight_packages() -> None:
    assert entries("operators").keys() - RUN_TIME == {
        *("argon2-cffi", "argon2-cffi-bindings", "blinker", "flask", "flask-openapi3", "itsdangerous", "pyjwt"),
        "werkzeug",
    }


def test_the_image_for_lambda_has_four_packages_beside_the_other_extras() -> None:
    others = RUN_TIME | entries("operators").keys() | entries("sftp").keys()
    assert entries("lambda").keys() - others == {"apig-wsgi", "awslambdaric", "simplejson", "snapshot-restore-py"}


def asked_for(requirements: list[Requirement]) -> set[str]:
    """The packages that these need on this Python, and those that they need, by the metadata of what is installed."""
    needed: set[str] = set()
    left = [(requirement.name, extra) for requirement in requirements for extra in ("", *requirement.extras)]
    walked: set[tuple[str, str]] = set()
    while left:
        name, extra = step = left.pop()
        needed.add(canonicalize_name(name))
        if step not in walked:
            walked.add(step)
            for requirement in map(Requirement, requires(name) or ()):
                if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                    left += [(requirement.name, wanted) for wanted in ("", *requirement.extras)]
    return needed


def test_the_run_time_lock_is_what_the_installed_packages_ask_for() -> None:
    """Without a hash for each of them `pip install --require-hashes` refuses."""
    here = {name for name, (locked, _) in entries("run").items() if locked.marker is None or locked.marker.evaluate()}
    assert asked_for(setup_requirements()[""]) == here


@pytest.mark.parametrize(
    "file", ["Makefile", ".ci/run", "README.md", "CONTRIBUTING.md", "docs/installing.md", "docs/moving-over.md"]
)
def test_nothing_is_installed_without_a_hash(file: str) -> None:
    """Our own package comes from the checkout: it brings no dependency, and is built with the locked setuptools."""
    text = (ROOT / file).read_text().replace("\\\n", " ").replace("$(PIP_INSTALL)", "pip install --no-deps")
    for command in INSTALL.findall(text):
        words = command.split()
        checked = "--require-hashes" in words and "-r" in words
        ours = {"--no-deps", "--no-build-isolation"} <= set(words) and words[-1] == "."
        assert checked or ours or words[-1] == "--no-deps", command  # the last: the Makefile's own shorthand
