"""The script that sums the tests' time by cause, and what the report of a real run says of it."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests import timing
from tests.durations import ITSELF, read, summary, sums

ROOT = Path(__file__).parents[2]
MODULE = """
import time

import pytest
from tests.timing import WAITING, spending

@pytest.fixture
def slow():
    time.sleep(0.05)
    yield

def test_waits(slow):
    with spending(WAITING):
        time.sleep(0.1)
"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("timed")
    (directory / "test_timed.py").write_text(MODULE)
    words = [
        "-q",
        "-p",
        "tests.timing",
        "-p",
        "no:cacheprovider",
        f"--junitxml={directory}/x.xml",
        f"--rootdir={directory}",
    ]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *words, str(directory)], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return directory / "x.xml"


def test_a_report_has_the_phases_and_the_causes_of_each_test(report: Path) -> None:
    (test,) = read(report)
    assert test.name == "test_waits"
    assert test.phases["setup"] >= 0.05
    assert test.phases["call"] >= test.causes[timing.WAITING] >= 0.1
    assert 0 < test.by_cause[ITSELF] < test.seconds
    assert test.by_cause.total() == pytest.approx(test.seconds, abs=0.01)


def test_a_summary_names_each_cause_and_what_it_was_before(report: Path) -> None:
    tests = read(report)
    said = summary(tests, [*tests, *tests], top=5)
    assert said.startswith("1 tests, ")
    assert "before: 2 tests, " in said
    waiting = next(line for line in said.splitlines() if line.startswith("waiting"))
    once, twice = sums(tests, lambda t: t.causes)["waiting"], sums([*tests, *tests], lambda t: t.causes)["waiting"]
    assert waiting.split() == ["waiting", f"{twice:.1f}", f"{once:.1f}"]


def test_a_cause_within_another_one_counts_for_itself_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    spent: Counter[str] = Counter()
    with monkeypatch.context() as patch:  # it times this test, too
        patch.setattr(timing, "_spent", spent)
        patch.setattr(timing, "monotonic", lambda: now[0])
        with timing.spending("outer"):
            now[0] += 1
            with timing.spending("inner"):
                now[0] += 10
            now[0] += 2
    assert spent == {"outer": 3, "inner": 10}
