"""A pytest plugin: one module of ours is loaded with one place in it changed, as `tests.faults.code_mutations` says.

EED_MUTANT=eed_delivery.ledger.publishing.enlisting:17 pytest -p tests.faults.mutated …

When its process has used the CPU time that it may, pytest ends its servers and exits.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import os
import resource
import signal
import sys
from collections.abc import Sequence
from types import CodeType, ModuleType
from typing import Any, NoReturn

import pytest

from tests.faults.code_mutations import OUT_OF_CPU, changed_source

VARIABLE = "EED_MUTANT"
AGAIN_SECONDS = 10
"""After so much more CPU time it is ended again: the loop that turns may have caught the first exception."""


class _Loader(importlib.machinery.SourceFileLoader):
    """Compiles the changed source, and never the bytecode that is on the disk."""

    def __init__(self, name: str, path: str, number: int) -> None:
        super().__init__(name, path)
        self._number = number

    def get_code(self, fullname: str) -> CodeType:
        source = self.get_data(self.path).decode()
        return compile(changed_source(fullname, source, self._number), self.path, "exec")


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, name: str, number: int) -> None:
        self._name = name
        self._number = number

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._name:
            return None
        found: Any = importlib.machinery.PathFinder.find_spec(fullname, path)
        return importlib.util.spec_from_loader(fullname, _Loader(fullname, found.origin, self._number))


_ended: list[bool] = []


def _end(*_: object) -> NoReturn:
    _ended.append(True)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    used = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    resource.setrlimit(resource.RLIMIT_CPU, (min(int(used) + AGAIN_SECONDS, hard), hard))
    pytest.exit("it turns for ever", OUT_OF_CPU)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hypothesis catches the exception, and reports a failure of the test."""
    if _ended:
        session.exitstatus = OUT_OF_CPU


signal.signal(signal.SIGXCPU, _end)

if VARIABLE in os.environ:
    _name, _, _number = os.environ[VARIABLE].rpartition(":")
    assert _name not in sys.modules
    sys.meta_path.insert(0, _Finder(_name, int(_number)))
