"""How long it takes from the answer to a nudge until its first email is on the wire, on an idle service.

python -m benchmarks.nudge
"""

import statistics
import tempfile
import threading
from datetime import UTC, datetime
from pathlib import Path

from tests.integration.test_operators_service import SECRET, Service
from tests.servers import free_port
from tests.servers.mariadb import MariaDb
from tests.servers.ministack import MiniStack
from tests.stack import Stack

NUDGES = 20
PAUSE_SECONDS = 1.5


def main() -> None:
    """Print each time, then the median and the longest."""
    database, ministack, port = MariaDb(in_memory=True), MiniStack(), free_port()
    database.start()
    ministack.start()
    try:
        settings = {
            "operators.listen": f"127.0.0.1:{port}",
            "publisher.poll_seconds": 0.25,
            "queue.wait_seconds": 20,
        }
        with tempfile.TemporaryDirectory() as place, Stack(
            database.create_database("nudge"), ministack, Path(place) / "stack", settings,
            environ={"EED_OPERATORS__SECRET": SECRET},
        ) as stack:  # fmt: skip
            measure(stack, Service(stack, port))
    finally:
        ministack.stop()
        database.stop()


def measure(stack: Stack, service: Service) -> None:
    stack.mail_up()
    stack.start("run", anew=True)
    stack.wait_until(lambda: service.answers() and service.ask("GET", "/readyz")[0] == 200, "the service is ready")
    pause, took = threading.Event(), []
    for job_id in range(1, NUDGES + 1):
        pause.wait(PAUSE_SECONDS)
        stack.add_job([f"customer{job_id}@example.com"], job_id)
        registered = service.ask("POST", f"/api/v1/jobs/{job_id}/nudge")[1]["registered"]
        answered = datetime.now(UTC).replace(tzinfo=None)
        stack.wait_finished(job_id)
        wire_at = stack.world.scalar("SELECT wire_at FROM eed_email WHERE job_id = :id", id=job_id)
        took.append((wire_at - answered).total_seconds())
        print(f"{job_id:3} {took[-1]:.3f} s ({registered})", flush=True)
    print(f"median {statistics.median(took):.3f} s, longest {max(took):.3f} s, of {NUDGES}")


if __name__ == "__main__":
    main()
