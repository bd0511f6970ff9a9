"""Surfaces stand on `operations`, operations on the ledger, and the composition root alone makes what connects."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import eed_delivery

ROOT = Path(eed_delivery.__file__).parent
PACKAGE = "eed_delivery"
OF_A_SURFACE = {"click", "argparse", "rich", "sys", "getpass", "pwd", "socket", "shutil", "environ", "getenv"}
CALLS_OF_A_SURFACE = {"print", "input", "open", "exit", "write_text", "write_bytes", "getuid", "isatty"}
MAKERS = {
    # what makes it: the only files that may
    "create_engine": {"database/engine.py"},
    "make_engine": {"app/database.py", "app/people_parts.py"},
    "open_database": {
        *("app/sending_app.py", "app/operation_parts.py", "app/operators.py", "app/startup.py", "app/api_function.py"),
        *("app/rehearsal_operations.py", "app/rehearsal_process.py", "app/shadow_process.py"),
    },
    "PoolManager": {"alerts/receivers.py", "app/proxy_headers.py"},
}


def files(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


def imported(path: Path) -> Iterator[str]:
    """Each module that a file imports, within functions and for types too, and each name out of it."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def called(path: Path) -> Iterator[str]:
    """The last name of what each call calls."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call):
            match node.func:
                case ast.Name(id=name) | ast.Attribute(attr=name):
                    yield name


def test_there_is_something_to_look_at() -> None:
    assert {"eed_delivery.operations.jobs.JobQueries", "eed_delivery.errors.NotPossible"} < {
        name for room in ("app", "cli") for path in files(room) for name in imported(path)
    }
    assert "create_engine" in set(called(ROOT / "database/engine.py"))


@pytest.mark.parametrize(
    "path",
    [file for room in ("cli", "operators", "api", "console") for file in files(room)],
    ids=lambda path: f"{path.parent.name}/{path.stem}",
)
def test_a_surface_imports_nothing_of_the_ledger_or_the_source(path: Path) -> None:
    below = (f"{PACKAGE}.ledger", f"{PACKAGE}.source")
    assert not [name for name in imported(path) if f"{name}.".startswith(tuple(f"{one}." for one in below))]


@pytest.mark.parametrize("path", files("operations"), ids=lambda path: path.stem)
def test_operations_know_no_surface(path: Path) -> None:
    assert not [name for name in imported(path) if OF_A_SURFACE & set(name.split("."))]
    assert not CALLS_OF_A_SURFACE & set(called(path))


@pytest.mark.parametrize("maker", MAKERS)
def test_the_composition_root_makes_what_connects(maker: str) -> None:
    found = {str(path.relative_to(ROOT)) for path in files(".") if maker in set(called(path))}
    assert found == MAKERS[maker]


def test_the_environment_is_read_in_the_configuration_alone() -> None:
    """So a test, or a second tenant in one process, can hand in its own."""
    reads = {"os.environ", "os.getenv", "os.environb"}
    found = {
        path.relative_to(ROOT).parts[0]
        for path in files(".")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and ast.unparse(node) in reads
    }
    assert found == {"config"}


EXTRA = ("flask", "werkzeug", "flask_openapi3", "jwt", "itsdangerous", "argon2")
OF_THE_ROLE = (
    "app/operators",
    "app/proxy_headers.py",
    "app/api_function.py",
    "aws_lambda/api",
    "access/",
    "operators/",
    "api/",
    "console/",
)


def test_no_other_role_needs_the_packages_of_the_extra_operators() -> None:
    """They are imported within functions nowhere else either, but for passwords of `user add`."""
    users = {str(path.relative_to(ROOT)) for path in files(".") if {n.split(".")[0] for n in imported(path)} & {*EXTRA}}
    assert users
    assert [path for path in users if not path.startswith(OF_THE_ROLE)] == []
    rooms = (
        "app.operators",
        "app.api_function",
        "access.passwords",
        "access.signed",
        "access.signing",
        "api.",
        "console.",
        "operators.",
    )
    for path in files("."):
        name = str(path.relative_to(ROOT))
        others = ("app/roles.py", "app/startup.py", "operations/access.py", "demo/page_process.py")
        others += ("aws_lambda/gateway_answers.py",)
        if name.startswith(OF_THE_ROLE) or name in others:
            continue
        assert not [one for one in imported(path) if one.removeprefix(f"{PACKAGE}.").startswith(rooms)], name
