"""A site with a job that is rehearsed, and the steps of the process that does what is asked of it.

`python -m tests.rehearsing CONFIG` is such a process. It does the rehearsals that are asked for, until it is killed.
"""

import json
import os
import sys
from pathlib import Path
from threading import Event
from typing import Any, NoReturn

from eed_delivery.app.database import open_database
from eed_delivery.app.long_acts import long_act_steps
from eed_delivery.config import failpoints_wanted, load
from eed_delivery.operations.rehearsing.orders import RehearsalRequest
from eed_delivery.runtime import failpoints
from tests.operators_site import Site
from tests.world import World

PAST = "2001-01-01 00:00:00.000000"
HTML = (
    "<p>Dear {{ name }},</p>{% if vip %}<p>You are a premium customer</p>{% endif %}<p>Balance: {{ balance }}</p>"
    '<a href="https://www.bank.example/a">Log in</a>'
)
SOURCE = ("delivery_job", "delivery_email", "delivery_attachment", "eed_email", "eed_job")


class Stage:
    """A site with a job, and the steps of the process that does what is asked of it."""

    def __init__(self, world: World, directory: Path, more: str = "") -> None:
        self.world = world
        self.site = Site(world, directory, f"[rehearsal]\nread_as_service = true\n{more}")
        self.steps = long_act_steps(self.site.settings, world.database)

    def job(self, count: int, job_id: int = 1, **columns: Any) -> list[int]:
        """A job that is not ready yet."""
        recipients = [f"c{n}@example.com" for n in range(count)]
        given = {"html_template": HTML, "text_template": None, "status": "preparing", **columns}
        ids = self.world.add_job(recipients, job_id=job_id, **given)
        for n in ids:
            self.variables(n, name=f"C{n}", balance=n, vip=n == ids[0] + 3)
        return ids

    def variables(self, email: int, **variables: Any) -> None:
        self.world.execute(
            "UPDATE delivery_email SET variables = :it WHERE id = :id",
            it=json.dumps({"vip": False, **variables}),
            id=email,
        )

    def attach(self, email: int | None, name: str, content: str) -> None:
        (self.site.cli.files / name).write_text(content)
        self.world.execute(
            "INSERT INTO delivery_attachment (job_id, email_id, location) VALUES (1, :email, :name)",
            email=email, name=name,
        )  # fmt: skip

    def start(self, job: str = "1", **more: Any) -> str:
        return self.site.operations.rehearsal_orders.start(RehearsalRequest(job, processes=1, **more)).id

    def rehearse(self, **more: Any) -> dict[str, Any]:
        """What a whole rehearsal comes to, by the API."""
        act = self.start(**more)
        self.steps.rehearsals()
        return self.of(act)

    def of(self, act: str) -> dict[str, Any]:
        operation = self.site.json("GET", f"/api/v1/operations/{act}")
        assert operation["state"] == "done", operation
        found: dict[str, Any] = self.site.json("GET", f"/api/v1/rehearsals/{act}")
        return found

    def everything(self) -> list[Any]:
        """All rows that a rehearsal must leave as they are."""
        return [self.world.execute(f"SELECT * FROM {table} ORDER BY 1") for table in SOURCE]

    def lapse(self) -> None:
        self.world.execute(f"UPDATE eed_operation SET lease_until = '{PAST}' WHERE lease_until IS NOT NULL")


def main() -> NoReturn:
    """Do what is asked for, and die where `EED_FAILPOINTS` says."""
    settings = load(Path(sys.argv[1]), os.environ)
    failpoints.arm(failpoints_wanted())
    step, wait = long_act_steps(settings, open_database(settings.database, connections=2)).rehearsals, Event().wait
    while True:
        wait(step())


if __name__ == "__main__":
    main()
