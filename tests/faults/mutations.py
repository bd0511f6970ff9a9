"""A small mutation run over the ledger's statements: drop one term of one WHERE, and some test must fail.

    python -m tests.faults.mutations                     every term of claim, wire, record, sweep, requeue and the rest
    python -m tests.faults.mutations WIRE DOUBT          only these statements
    python -m tests.faults.mutations --database mysql    on MySQL, or mariadb, in place of SQLite

Of a statement that asks, the questions within it are mutated. These are STANDING's, whether an address is suppressed,
and the own WHERE of HELD and HELD_FOR_FILES, by which an email goes on to be sent. Each mutant runs the tests of its
statement in a process of its own, and all of them share one server. Exit status 1 if any mutant survives.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any

import pytest
from sqlalchemy import Select, Update, and_, or_, true
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import BooleanClauseList, ColumnElement, Grouping
from sqlalchemy.sql.visitors import iterate, replacement_traverse

from eed_delivery.ledger import duties, gates, job_watch, manifests, operating, send_turns, shut_gates, sweeping
from eed_delivery.ledger.channels import listing as channel_listing
from eed_delivery.ledger.delivering import statements as delivering
from eed_delivery.ledger.holds import ledger as holds
from eed_delivery.ledger.holds import marking
from eed_delivery.ledger.publishing import enlisting, served_channels
from eed_delivery.ledger.publishing import ledger as publishing
from eed_delivery.ledger.reconciling import ledger as reconciling
from eed_delivery.ledger.suppression import statements as suppression
from eed_delivery.ledger.windows import marking as windows
from eed_delivery.ledger.windows import overrides
from tests.servers.database_server import CHEAP_COMMITS
from tests.servers.databases import KINDS, RUNNING, new_database

TESTS = ["tests/integration/test_fences.py", "tests/integration/test_ledger.py"]
TESTS_OF = {
    duties: ["tests/integration/test_duties.py", "tests/integration/test_fences.py"],
    manifests: ["tests/integration/test_manifest_ledger.py"],
    gates: ["tests/integration/test_fences.py", "tests/integration/test_gates.py"],
    shut_gates: ["tests/integration/test_fences.py"],
    send_turns: ["tests/integration/test_fences.py", "tests/integration/test_gates.py"],
}
"""Of modules that have tests of their own."""
ASKED_WHOLE = (delivering.HELD, delivering.HELD_FOR_FILES)
MODULES = (
    delivering,
    enlisting,
    publishing,
    served_channels,
    sweeping,
    reconciling,
    operating,
    job_watch,
    suppression,
    channel_listing,
    marking,
    holds,
    windows,
    overrides,
    manifests,
    duties,
    gates,
    shut_gates,
    send_turns,
)

Statement = Update | Select[Any]

FOR_THE_INDEX = {(name, "eed_email.email_id IN (__[POSTCOMPILE_ids])") for name in ("WIRE", "RECORD_SENT")}
"""Terms that another one of the same statement says again, and more: without them it only takes longer."""


@dataclass(frozen=True)
class Mutant:
    """A statement without one of its terms."""

    module: ModuleType
    name: str
    dropped: str
    statement: Statement

    def __str__(self) -> str:
        return f"{self.module.__name__.rsplit('.', 1)[1]}.{self.name} without {self.dropped}"


def statements() -> Iterator[tuple[ModuleType, str, Statement]]:
    seen: set[int] = set()  # a module may have another one's statement, too
    for module in MODULES:
        for name, value in vars(module).items():
            if isinstance(value, Update | Select) and not name.startswith("_") and id(value) not in seen:
                seen.add(id(value))
                yield module, name, value


def mutants() -> Iterator[Mutant]:
    for module, name, statement in statements():
        changed = list(questions(statement))
        if isinstance(statement, Update) or any(statement is one for one in ASKED_WHOLE):
            changed += weakened(statement)
        for dropped, mutated in changed:
            term = " ".join(str(dropped).split())
            if (name, term) not in FOR_THE_INDEX:
                yield Mutant(module, name, term, mutated)


def weakened(statement: Any) -> Iterator[tuple[ColumnElement[Any], Any]]:
    """The statement without one term of its own WHERE, in every way."""
    for dropped, remainder in without_one(and_(true(), *statement._where_criteria)):
        mutated = statement._clone()
        mutated._where_criteria = (remainder,)
        yield dropped, mutated


def questions(statement: Any) -> Iterator[tuple[ColumnElement[Any], Any]]:
    """The statement with one question within it (EXISTS) weakened, in every way."""
    for inner in [one for one in iterate(statement) if isinstance(one, Select) and one is not statement]:
        for dropped, mutated in weakened(inner):
            yield dropped, replacement_traverse(statement, {}, partial(_put, inner, mutated))


def _put(inner: Any, mutated: Any, element: Any, **_: Any) -> Any:
    return mutated if element is inner else None


def without_one(term: ColumnElement[Any]) -> Iterator[tuple[ColumnElement[Any], ColumnElement[Any]]]:
    """Every way to leave one term out: of a conjunction directly, of a disjunction within its branches."""
    inner = term.element if isinstance(term, Grouping) else term
    if not isinstance(inner, BooleanClauseList):
        return
    clauses = list(inner.clauses)
    combine = and_ if inner.operator is operators.and_ else or_
    for n, clause in enumerate(clauses):
        others = clauses[:n] + clauses[n + 1 :]
        if inner.operator is operators.and_ and not isinstance(clause, type(true())):
            yield clause, combine(true(), *others)
        for dropped, remainder in without_one(clause):
            yield dropped, combine(*clauses[:n], remainder, *clauses[n + 1 :])


def _tests(mutant: Mutant | None) -> list[str]:
    return TESTS if mutant is None else TESTS_OF.get(mutant.module, TESTS)


def survives(mutant: Mutant | None, kind: str) -> bool:
    """Run the tests with the mutant in place, in a child. True when they all pass, and without a mutant they must.

    Without a mutant pytest's output is shown. Raises RuntimeError if the tests could not be run.
    """
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        if mutant is not None:
            setattr(mutant.module, mutant.name, mutant.statement)
            sink = os.open(os.devnull, os.O_WRONLY)
            os.dup2(sink, 1)
            os.dup2(sink, 2)
        os._exit(int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", "--database", kind, *_tests(mutant)])))
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        raise RuntimeError(f"pytest ended with status {code}: no test has judged {mutant or 'the statements'}")
    return code == pytest.ExitCode.OK


def load() -> None:
    """Import what the tests import, once for all mutants, but not the tests themselves: they hold statements."""
    pytest.main(["--collect-only", "-qq", "-p", "no:cacheprovider", "--no-header", "--no-summary", *TESTS])
    for test in TESTS:
        del sys.modules[test.removesuffix(".py").replace("/", ".")]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="STATEMENT")
    parser.add_argument("--database", choices=("sqlite", *KINDS), default="sqlite")
    options = parser.parse_args()
    chosen = [m for m in mutants() if not options.names or m.name in options.names]
    survivors = []
    load()
    with ExitStack() as at_the_end:
        if options.database in KINDS:
            server = new_database(options.database, CHEAP_COMMITS, in_memory=True)
            RUNNING[options.database] = at_the_end.enter_context(server)
        if not survives(None, options.database):
            sys.exit("The tests fail without a mutant, so they would kill each of them. Run them with pytest first.")
        for mutant in chosen:
            lives = survives(mutant, options.database)
            print(f"{'SURVIVES' if lives else 'killed':8}  {mutant}", flush=True)
            survivors += [mutant] if lives else []
    print(f"{len(chosen) - len(survivors)} of {len(chosen)} mutants killed")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
