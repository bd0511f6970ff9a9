"""Metrics of a real service: what its processes count is what they did, also of those that were killed."""

import os
import re
import signal
from pathlib import Path
from urllib.request import Request, urlopen

from tests.integration.conftest import NewStack
from tests.operators_site import SECRET
from tests.servers import free_port
from tests.waiting import until

EMAILS = 40


def test_attempts_are_counted_although_workers_are_killed(new_stack: NewStack, tmp_path: Path) -> None:
    port = free_port()
    directory = tmp_path / "metrics"
    settings = {"operators.listen": f"127.0.0.1:{port}", "metrics.directory": str(directory)}
    stack = new_stack(settings, environ={"EED_OPERATORS__SECRET": SECRET})
    token = stack.command(
        "token", "add", "prometheus", "--role", "viewer", "--scope", "metrics", "--expires", "1d"
    ).stdout.split()[-1]
    stack.mail_up()

    def scraped() -> str:
        request = Request(f"http://127.0.0.1:{port}/metrics", headers={"Authorization": f"Bearer {token}"})
        with urlopen(request, timeout=30) as answer:
            return str(answer.read().decode())

    def answers() -> bool:
        try:
            return "eed_build_info" in scraped()
        except OSError:
            return False

    def attempts() -> float:
        return sum(map(float, re.findall(r"^eed_attempts_total\{.*\} (\S+)$", scraped(), re.MULTILINE)))

    service = stack.start("run", anew=True)  # prometheus_client looks for its directory when it is imported
    stack.wait_until(answers, "the role operators answers")
    stack.add_job([f"c{n}@customers.example" for n in range(EMAILS)], 1)
    stack.wait_finished(1)
    rows = stack.world.scalar("SELECT COUNT(*) FROM eed_attempt")
    assert attempts() == rows == EMAILS
    for event in service.log_events("role_started"):
        if event["role"].startswith("worker"):
            os.kill(event["pid"], signal.SIGKILL)
    until(lambda: bool(service.log_events("role_died")), lambda: "no worker died", 60)
    stack.add_job([f"d{n}@customers.example" for n in range(EMAILS)], 2)
    stack.wait_finished(2)
    assert attempts() == 2 * EMAILS, "what a killed worker has counted stays"
    text = scraped()
    assert set(re.findall(r'^eed_process_start_time_seconds\{role="(\w+)"\}', text, re.MULTILINE)) == {
        *("publisher", "sweeper", "worker", "channels", "operators")
    }
    assert re.search(r'^eed_attempt_seconds_count\{transport="smtp"\} ', text, re.MULTILINE)
    assert re.search(r"^eed_queue_wait_seconds_count ", text, re.MULTILINE)
    assert re.search(r'^eed_http_requests_total\{method="GET",route="/metrics",status="200"\} ', text, re.MULTILINE)
    assert "customers.example" not in text
    assert service.terminate() == 0
