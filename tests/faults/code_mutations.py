"""A mutation run over the code that enlists: change one place of it, and some test must fail.

    python -m tests.faults.code_mutations                  every place
    python -m tests.faults.code_mutations known_rows       those of this module alone
    python -m tests.faults.code_mutations --database mysql
    python -m tests.faults.code_mutations --list

`tests.faults.mutations` drops terms from statements that are built once. What enlists is more than that: look-ups that
are built for each job, INSERTs, counts, refusals. So here the code itself is changed, and each mutant runs the tests of
enlisting in a process of its own. It runs first on SQLite, then on MariaDB, or MySQL, too. Exit status 1 if any mutant
survives.

First the tests run without a mutant, and must pass. A mutant may use `PATIENCE` times the CPU time that they took then,
so one that turns for ever is found out on a busy machine too, and no other one is taken for it.
"""

import argparse
import ast
import copy
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from signal import SIGKILL

from tests.servers.databases import KINDS

QUICK = [
    "tests/unit/test_known_rows.py",
    "tests/integration/test_fences.py",
    "tests/integration/test_enlisting_alone.py",
    "tests/integration/test_enlisting.py",
    "--database",
    "sqlite",
]
WHOLE = [
    "tests/integration/test_enlisting_alone.py",
    "tests/integration/test_enlisting.py",
    "tests/integration/test_source.py",
    "tests/integration/test_source_mariadb.py",
]
PATIENCE = 4
OUT_OF_CPU = 77
"""pytest's exit code when a mutant has used all of its CPU time (`tests.faults.mutated`)."""
WAITING_SECONDS = 1200
"""A mutant that only waits is found out by a test that takes so long."""
AFTER_THAT = 60
"""CPU seconds in which pytest may end its servers. Then the kernel ends it."""

# What is looked at: functions by name, and statements of the module ("": those that it assigns).
PLACES: dict[str, frozenset[str]] = {
    "eed_delivery.ledger.publishing.enlisting": frozenset(
        {"", "chunk", "_copy", "_close", "_take", "_take_known", "_regenerate", "_refuse", "write_refused", "_must"}
        | {"unusable", "known_emails", "new_email", "refuse", "counts"}
    ),
    "eed_delivery.ledger.publishing.known_rows": frozenset({"fate"}),
    "eed_delivery.ledger.publishing.ledger": frozenset(
        {"register", "_register", "_enlist_alone", "_begin_next_round", "_refuse_job", "_refuse_rows", "enlist"}
    ),
    "eed_delivery.source.mapped_source": frozenset({"_of_job"}),
    "eed_delivery.source.jobs": frozenset({"ready_jobs", "_is"}),
    "eed_delivery.source.rows": frozenset(
        {"unsent", "unsent_until", "unsent_between", "unknown", "spelt_otherwise", "_has_job"}
        | {"_unsent", "_unsent_beyond", "already_settled_count"}
    ),
}
NOT_HERE = ("log.", "raise Miscounted", "raise LeaseLost")
"""Lines for people; and errors for what no database does that keeps its word."""

THE_SAME = {
    # Without it all jobs or emails are read, of which those that are asked for are picked.
    ("_has_job", "without self._tables.job_id == key"),
    ("known_emails", "without column.in_(keys)"),
    ("_register", "without eed_job.c.source_key.in_(keys)"),
    ("_enlist_alone", "without eed_job.c.source_key.in_([str(job.key) for job in jobs])"),
    # The copy then has other rows than were counted, and each row is looked at by itself.
    ("unsent_between", "without t.email_id <= native(last, t.email_key_type)"),
    # Said again, byte for byte, by what stands beside it; it is there for the index.
    ("unknown", "without emails.c.source_key == as_stored_key(t.email_id)"),
    # The transaction's own COMMIT releases it.
    ("_copy", "without savepoint.commit()"),
    # An enlisted job of one email has its email, which is known.
    ("_enlist_alone", "without eed_job.c.enlisted_at.is_(None)"),
}
"""Places of which nothing depends but how long it takes, or how much is locked."""


@dataclass(frozen=True)
class Mutant:
    """A module with one place changed."""

    module: str
    number: int
    what: str

    @property
    def is_condition(self) -> bool:
        return " in place of " in self.what

    def __str__(self) -> str:
        return f"{self.module.rpartition('.')[2]}: {self.what}"


Change = Callable[[ast.AST], None]


def changed_source(module: str, source: str, number: int) -> str:
    """The source of a module with its place of this number changed."""
    tree = ast.parse(source)
    _, node, change = list(_all_changes(tree, module))[number]
    change(node)
    return ast.unparse(ast.fix_missing_locations(tree))


def _all_changes(tree: ast.Module, module: str) -> Iterator[tuple[str, ast.AST, Change]]:
    """Always in the same order."""
    for place in _places(tree, PLACES[module]):
        yield from _changes(place)


def _places(tree: ast.Module, names: frozenset[str]) -> Iterator[ast.AST]:
    if "" in names:
        yield from (node for node in tree.body if isinstance(node, ast.Assign))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name in names:
            yield node


def _changes(place: ast.AST) -> Iterator[tuple[str, ast.AST, Change]]:
    """What can be changed within a place: in words, where, and how."""
    name = getattr(place, "name", "") or ast.unparse(getattr(place, "targets", [place])[0])
    for node in ast.walk(place):
        words = f"{name}, line {getattr(node, 'lineno', 0)}: "
        if isinstance(node, ast.Call):
            yield from ((words + what, node, change) for what, change in _of_call(node))
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitAnd):
            for side in ("left", "right"):
                other = ast.unparse(getattr(node, side))
                yield f"{words}without {other}", node, _becomes_side("right" if side == "left" else "left")
        elif isinstance(node, ast.If) and not _is_left_out(node):
            for value in (True, False):
                yield f"{words}if {value} in place of {ast.unparse(node.test)}", node, _condition(value)
        elif _is_an_act(node):
            yield f"{words}without {ast.unparse(node)[:90]}", node, _nothing


def _is_an_act(node: ast.AST) -> bool:
    """Whether it does something, and is not for people. What is checked by `_must` is a call of its own."""
    acts = isinstance(node, ast.AugAssign) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call))
    return acts and not ast.unparse(node).startswith(NOT_HERE)


def _is_left_out(node: ast.If) -> bool:
    return any(ast.unparse(line).startswith(NOT_HERE) for line in node.body)


def _of_call(node: ast.Call) -> Iterator[tuple[str, Change]]:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if name == "where":
        for n, argument in enumerate(node.args):
            yield f"without {ast.unparse(argument)[:90]}", _without_argument(n)
    if name == "values":
        for n, keyword in enumerate(node.keywords):
            yield f"without {keyword.arg}={ast.unparse(keyword.value)[:60]}", _without_keyword(n)
    if name == "_must":
        yield f"unchecked {ast.unparse(node.args[0])[:90]}", _unchecked


def _without_argument(n: int) -> Change:
    def change(node: ast.AST) -> None:
        assert isinstance(node, ast.Call)
        del node.args[n]
        if not node.args and isinstance(node.func, ast.Attribute) and not _is_exists(node.func.value):
            node.args = [ast.parse("__import__('sqlalchemy').true()", mode="eval").body]

    return change


def _is_exists(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and getattr(node.func, "id", "") == "exists"


def _without_keyword(n: int) -> Change:
    def change(node: ast.AST) -> None:
        assert isinstance(node, ast.Call)
        del node.keywords[n]

    return change


def _unchecked(node: ast.AST) -> None:
    assert isinstance(node, ast.Call)
    node.func = ast.Name("int", ast.Load())


def _becomes_side(side: str) -> Change:
    def change(node: ast.AST) -> None:
        assert isinstance(node, ast.BinOp)
        kept = getattr(node, side)
        node.left, node.right = kept, copy.deepcopy(kept)

    return change


def _condition(value: bool) -> Change:
    def change(node: ast.AST) -> None:
        assert isinstance(node, ast.If)
        # What it names with := must still be evaluated.
        kept = ast.Tuple([node.test], ast.Load())
        node.test = ast.BoolOp(ast.And(), [kept, ast.Constant(value)])

    return change


def _nothing(node: ast.AST) -> None:
    if isinstance(node, ast.AugAssign):
        node.op, node.value = ast.Add(), ast.Constant(0)
    elif isinstance(node, ast.Expr):
        node.value = ast.Constant(None)


def mutants(modules: list[str]) -> Iterator[Mutant]:
    for module in PLACES:
        if not modules or module.rpartition(".")[2] in modules:
            found = find_spec(module)
            assert found is not None and found.origin is not None
            tree = ast.parse(Path(found.origin).read_text())
            for number, (what, _, _) in enumerate(_all_changes(tree, module)):
                if (what.partition(",")[0], what.partition(": ")[2]) not in THE_SAME:
                    yield Mutant(module, number, what)


class Fate(StrEnum):
    """What became of a mutant. An endless one is killed, too."""

    KILLED = "killed"
    ENDLESS = "endless"
    SURVIVES = "SURVIVES"


@dataclass(frozen=True)
class Suite:
    """Some tests, and the CPU seconds that they take without a mutant."""

    words: Sequence[str]
    cpu_seconds: float


def measured(words: Sequence[str]) -> Suite:
    """Run tests without a mutant, and show what pytest says. Ends the program if they fail."""
    code, cpu_seconds = _run(words)
    if code != 0:
        sys.exit("The tests fail without a mutant, so they would kill each of them.")
    return Suite(words, cpu_seconds)


def fate(mutant: Mutant, suites: Sequence[Suite]) -> Fate:
    """What the tests say with the mutant in place."""
    for tests in suites:
        code, _ = _run(tests.words, mutant, limit=tests.cpu_seconds * PATIENCE)
        if code != 0:
            return Fate.ENDLESS if code in (OUT_OF_CPU, -SIGKILL) else Fate.KILLED
    return Fate.SURVIVES


def _run(words: Sequence[str], mutant: Mutant | None = None, limit: float | None = None) -> tuple[int, float]:
    """pytest's exit code, and the CPU seconds of its process and of those that it has seen end.

    The limit counts CPU seconds of each process for itself.
    """
    environ = {**os.environ} if mutant is None else {**os.environ, "EED_MUTANT": f"{mutant.module}:{mutant.number}"}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-p", "tests.faults.mutated"]
    command.append(f"--timeout={WAITING_SECONDS}")
    output = None if mutant is None else subprocess.DEVNULL
    process = subprocess.Popen(
        [*command, *words],
        env=environ,
        stdout=output,
        stderr=output,
        preexec_fn=None if limit is None else partial(_limit_cpu, limit),
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, used.ru_utime + used.ru_stime


def _limit_cpu(seconds: float) -> None:
    """A process that uses more gets SIGXCPU (setrlimit(2))."""
    soft = int(seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (soft, soft + AFTER_THAT))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modules", nargs="*", choices=[*(name.rpartition(".")[2] for name in PLACES), []])
    parser.add_argument("--database", choices=KINDS, default="mariadb")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--statements", action="store_true", help="without the conditions of the code around them")
    parser.add_argument("--beyond", type=int, default=0, metavar="N", help="go on behind the first N")
    options = parser.parse_args()
    chosen = [one for one in mutants(options.modules) if not (options.statements and one.is_condition)]
    chosen = chosen[options.beyond :]
    if options.list:
        print(*chosen, sep="\n")
        return 0
    suites = [measured(QUICK), measured([*WHOLE, "--database", options.database])]
    print(f"without a mutant they pass, in {sum(tests.cpu_seconds for tests in suites):.0f} s of CPU", flush=True)
    survivors = []
    for mutant in chosen:
        came = fate(mutant, suites)
        print(f"{came:8}  {mutant}", flush=True)
        survivors += [mutant] if came is Fate.SURVIVES else []
    print(f"{len(chosen) - len(survivors)} of {len(chosen)} mutants killed")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
