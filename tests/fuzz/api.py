"""Schemathesis against the pages' API: `python -m tests.fuzz.api --examples 100`.

Each operation of its description is asked with requests that fit their schema, and with others. No answer may be an
error of the server, or one that the description does not have. What does not fit must be refused. `make fuzz-api`
installs Schemathesis, which is no part of the tests' packages.
"""

import argparse
import itertools
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import structlog
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.openapi import from_wsgi
from schemathesis.specs.openapi import checks

from eed_delivery.access.rights import Right
from tests.operators_site import Site
from tests.world import World

DESCRIPTION = "/api/v1/openapi.json"
READY = "/readyz"
"""It answers 503 where no publisher is alive, as here."""
CHECKS = (
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
)
KEYS = itertools.count()


def site_in(directory: Path) -> Site:
    """An installation with a job of two emails, and no limit of requests."""
    world = World(f"sqlite:///{directory}/ledger.sqlite3")
    world.add_job(["anna@example.com", "bert@example.com"])
    world.enlist()
    return Site(world, directory, '[operators]\nlisten = "127.0.0.1:8027"\nrequests_per_minute = 1000000\n')


def local(app: Any) -> Any:
    """The application, asked from this host."""
    return lambda environ, start: app({**environ, "REMOTE_ADDR": "127.0.0.1"}, start)


def failures(site: Site, examples: int) -> Iterator[str]:
    """What is wrong, by operation and mode."""
    token = site.token("admin", *(right.value for right in Right), name="all")
    for found in from_wsgi(DESCRIPTION, local(site.app)).get_all_operations():
        operation = found.ok()
        for mode in GenerationMode:
            try:
                asking(operation, mode, token, examples)()
            except Unsatisfiable:
                continue  # it takes nothing, so that nothing can be wrong
            except Exception as error:  # the next operation is asked all the same
                yield f"{operation.label}, {mode.value}: {error}"


def asking(operation: Any, mode: GenerationMode, token: str, examples: int) -> Callable[[], None]:
    """The property that requests of one kind are answered as the description says."""
    wanted = [*CHECKS, *([] if operation.path == READY else [not_a_server_error])]

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": f"key-{next(KEYS)}"}
        case.call_and_validate(headers=headers, checks=wanted)

    return ask


def main() -> int:
    """Ask, and print what is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--examples", type=int, default=100, help="requests of each operation and kind (default: 100)")
    examples = parser.parse_args().examples
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    with tempfile.TemporaryDirectory() as directory:
        site = site_in(Path(directory))
        count = 0
        for failure in failures(site, examples):
            print(failure, end="\n\n", flush=True)
            count += 1
        site.world.close()
    print(f"{count} operations answer as they should not" if count else "every operation answers as it should")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
