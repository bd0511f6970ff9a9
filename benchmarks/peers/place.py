"""Where a peer's processes find everything, in a file that an environment variable names."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

VARIABLE = "EED_BENCHMARK_PLACE"


@dataclass(frozen=True)
class Place:
    """One run's servers. `database` are arguments of `pymysql.connect`. In `ready` a process that is ready makes a
    file."""

    database: dict[str, Any]
    smtp_port: int
    attachments: str
    queue_endpoint: str
    queue_url: str
    queue_name: str
    region: str
    access_key_id: str
    secret_access_key: str
    ready: str

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)))


def place() -> Place:
    """That of this process."""
    return Place(**json.loads(Path(os.environ[VARIABLE]).read_text()))


def tell_ready(name: str) -> None:
    """Say that this process has started."""
    Path(place().ready, f"{name}-{os.getpid()}").touch()
