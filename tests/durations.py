"""Where the tests' time went, from a JUnit report: by cause, by phase, by folder, by file, and the slowest tests.

    python -m tests.durations build/tests.xml
    python -m tests.durations build/tests.xml --top 40
    python -m tests.durations build/tests.xml --before build/earlier.xml

Times are sums over all tests, in seconds of the wall clock: with two processes at work, about twice what the run took.
What `tests.timing` gives no cause is the test itself. The CPU time is that of the tests' own processes and of what they
started and saw end, without the servers.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

CAUSE = "cause:"
PHASES = ("setup", "call", "teardown")
ITSELF = "the test itself"


@dataclass(frozen=True)
class TimedTest:
    """One test of a report: where it is, and what it took, in seconds."""

    module: str
    name: str
    seconds: float
    phases: Counter[str] = field(default_factory=Counter)
    causes: Counter[str] = field(default_factory=Counter)
    cpu: float = 0.0

    @property
    def folder(self) -> str:
        return self.module.rpartition(".")[0]

    @property
    def by_cause(self) -> Counter[str]:
        """Its causes, and what is left for the test itself."""
        return self.causes + Counter({ITSELF: max(0.0, self.seconds - self.causes.total())})


def read(report: Path) -> list[TimedTest]:
    """Every test of a JUnit report that pytest wrote."""
    return [_test(case) for case in ElementTree.parse(report).iter("testcase")]


def _test(case: ElementTree.Element) -> TimedTest:
    said = {str(one.get("name")): str(one.get("value")) for one in case.iterfind("properties/property")}
    return TimedTest(
        _module(str(case.get("classname"))),
        str(case.get("name")),
        float(case.get("time") or 0),
        Counter({phase: float(said.get(phase, 0)) for phase in PHASES}),
        Counter({n.removeprefix(CAUSE): float(v) for n, v in said.items() if n.startswith(CAUSE)}),
        float(said.get("cpu", 0)),
    )


def _module(classname: str) -> str:
    """A test in a class has the class at the end."""
    return ".".join(part for part in classname.split(".") if not part[:1].isupper())


def sums(tests: Iterable[TimedTest], key: Callable[[TimedTest], Counter[str]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for test in tests:
        total += key(test)
    return total


def table(title: str, before: Counter[str] | None, after: Counter[str], top: int) -> list[str]:
    """One line for each name, the dearest first; with `before`, both and what became of it."""
    dearest = (after | (before or Counter())).most_common(top)
    lines = ["", f"{title:60} {'before':>9} {'after':>9}" if before is not None else f"{title:60} {'seconds':>9}"]
    for name, _ in dearest:
        earlier = "" if before is None else f" {before[name]:9.1f}"
        lines.append(f"{name[-60:]:60}{earlier} {after[name]:9.1f}")
    return lines


def summary(tests: Sequence[TimedTest], before: Sequence[TimedTest] | None, top: int) -> str:
    """All tables, for people."""
    views: dict[str, Callable[[TimedTest], Counter[str]]] = {
        "by cause": lambda test: test.by_cause,
        "by phase": lambda test: test.phases,
        "CPU by folder": lambda test: Counter({test.folder: test.cpu}),
        "by folder": lambda test: Counter({test.folder: test.seconds}),
        "by file": lambda test: Counter({test.module: test.seconds}),
        "slowest tests": lambda test: Counter({f"{test.module.rpartition('.')[2]}::{test.name}": test.seconds}),
    }
    lines = [f"{len(tests)} tests, {sum(t.seconds for t in tests):.0f} s, of CPU {sum(t.cpu for t in tests):.0f} s"]
    if before is not None:
        lines += [f"before: {len(before)} tests, {sum(t.seconds for t in before):.0f} s, of CPU "
                  f"{sum(t.cpu for t in before):.0f} s"]  # fmt: skip
    for title, key in views.items():
        lines += table(title, None if before is None else sums(before, key), sums(tests, key), top)
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("report", type=Path, help="what pytest's --junitxml wrote")
    parser.add_argument("--before", type=Path, help="an earlier report to set beside it")
    parser.add_argument("--top", type=int, default=15, metavar="N", help="lines a table (15)")
    options = parser.parse_args()
    before = read(options.before) if options.before else None
    sys.stdout.write(summary(read(options.report), before, options.top) + "\n")


if __name__ == "__main__":
    main()
