"""Each example of deploy/terraform, and the bucket of its state, made once in a run without AWS."""

import fcntl
import json
from pathlib import Path

import pytest

from tests.deploy.account import REGION
from tests.deploy.examples import EXAMPLES, variables
from tests.deploy.terraform import REQUIRED, State, Terraform, is_required, missing
from tests.integration.conftest import new_stack as new_stack  # a fixture


@pytest.fixture(scope="session")
def terraform_here() -> None:
    reason = missing()
    if reason is not None:
        assert not is_required(), f"{REQUIRED} is set, and: {reason}"
        pytest.skip(f"Terraform cannot be run: {reason}")


@pytest.fixture
def terraform(terraform_here: None, tmp_path: Path) -> Terraform:
    """A copy of deploy/terraform of its own, where nothing is made yet."""
    return Terraform(tmp_path)


@pytest.fixture(scope="session")
def states(terraform_here: None, tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> dict[str, State]:
    """What each example makes. The processes of a run share it: whoever is first makes it."""
    mine = tmp_path_factory.getbasetemp()
    shared = (mine if worker_id == "master" else mine.parent) / "terraform"
    shared.mkdir(exist_ok=True)
    kept = shared / "states.json"
    with (shared / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            made = _made(shared)
            kept.write_text(json.dumps({name: state.resources for name, state in made.items()}))
    return {name: State(resources) for name, resources in json.loads(kept.read_text()).items()}


def _made(folder: Path) -> dict[str, State]:
    terraform = Terraform(folder)
    made = {}
    for name in EXAMPLES:
        terraform.init(f"examples/{name}")
        made[name] = terraform.apply(f"examples/{name}", variables(name))
    terraform.init("state")
    made["state"] = terraform.apply("state", {"region": REGION, "bucket": "bank-terraform-state"})
    return made
