"""What a person can do by the API, over a world of a test."""

from collections.abc import Mapping
from pathlib import Path

from eed_delivery.app.operations import Operations
from eed_delivery.config import load
from eed_delivery.operations.actor import Actor
from tests.command_line import CommandLine
from tests.world import World

NONE: Mapping[str, str] = {}
ANNA = Actor("anna", "api", "ops.example.com", command="POST /api/v1/anything")


def operations_over(world: World, directory: Path, more: str = "", secrets: Mapping[str, str] = NONE) -> Operations:
    """Anna's operations. `more` goes into the configuration, `secrets` into the environment."""
    eed = CommandLine(directory, world.url, more=more)
    return Operations(load(eed.config, {**eed.environ, **secrets}), ANNA, world.database)
