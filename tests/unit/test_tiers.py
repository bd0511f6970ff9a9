"""Which tests the options choose, as pytest collects them."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = [
    "tests/unit/test_decisions.py",
    "tests/contract/test_queue.py",
    "tests/integration/test_ledger.py",
    "tests/integration/test_watching.py",
    "tests/integration/test_fences.py",
    "tests/integration/test_group_commit.py",
    "tests/integration/test_pipeline.py",
    "tests/faults/test_model.py",
]
QUICK = {"test_decisions", "test_queue", "test_ledger", "test_watching", "test_fences"}


def collected(*options: str) -> list[str]:
    words = ["--collect-only", "-q", "-p", "no:cacheprovider", *options, *FILES]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *words], cwd=ROOT, capture_output=True, text=True, timeout=240
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return [line for line in run.stdout.splitlines() if "::" in line]


def files(tests: list[str]) -> set[str]:
    return {Path(test.partition("::")[0]).stem for test in tests}


def test_a_whole_run_has_the_ledgers_tests_on_sqlite_besides() -> None:
    tests = collected()
    assert files(tests) == {Path(file).stem for file in FILES}
    assert {Path(test.partition("::")[0]).stem for test in tests if "[sqlite" in test} == {"test_ledger"}


@pytest.mark.parametrize("options", [(), ("--database", "mariadb")], ids=["sqlite", "mariadb"])
def test_the_quick_tier_is_units_contracts_and_the_ledger(options: tuple[str, ...]) -> None:
    assert files(collected("--quick", *options)) == QUICK


def test_on_sqlite_no_test_is_left_that_needs_a_server() -> None:
    assert files(collected("--database", "sqlite")) == {*QUICK, "test_group_commit"}
