"""The role operators as a process of the service: ready, nudged, killed in the middle of an act, and crowded."""

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from eed_delivery.access.rights import OperatorRole
from eed_delivery.app.operations import Operations
from eed_delivery.operations.access import NewTokenRequest
from eed_delivery.operations.actor import Actor
from tests.integration.conftest import NewStack
from tests.operators_site import SECRET
from tests.servers import free_port
from tests.stack import Stack

WHY = {"reason": "wrong rate"}


class Service:
    """An installation with its API, asked over HTTP."""

    def __init__(self, stack: Stack, port: int) -> None:
        self.stack = stack
        self.port = port
        operations = Operations(stack.settings, Actor("root", "cli"), stack.world.database)
        self._token = operations.tokens.add(NewTokenRequest("old-server", OperatorRole.ADMIN, 3600)).secret

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any, dict[str, str]]:
        """Status, JSON and headers. Raises OSError if the connection breaks."""
        data = None if body is None else json.dumps(body).encode()
        given = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json", **headers}
        url = f"http://127.0.0.1:{self.port}{path}"
        request = urllib.request.Request(url, data, given, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.load(answer), dict(answer.headers)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error), dict(error.headers)

    def answers(self) -> bool:
        try:
            return self.ask("GET", "/healthz")[0] == 200
        except OSError:
            return False


@contextmanager
def running(new_stack: NewStack, role: str, **environ: str) -> Iterator[Service]:
    port = free_port()
    settings = {"operators.listen": f"127.0.0.1:{port}"}
    stack = new_stack(settings, environ={"EED_OPERATORS__SECRET": SECRET})
    service = Service(stack, port)
    process = stack.start(role, environ=environ)
    stack.wait_until(service.answers, "the role operators answers")
    yield service
    assert process.terminate() == 0, process.tail()


def test_a_nudged_job_is_sent_and_the_service_is_ready(new_stack: NewStack) -> None:
    with running(new_stack, "run") as service:
        stack = service.stack
        stack.mail_up()
        stack.wait_until(lambda: service.ask("GET", "/readyz")[0] == 200, "the service is ready")
        stack.add_job(["anna@customers.example"], 42)
        status, told, _ = service.ask("POST", "/api/v1/jobs/42/nudge")
        assert (status, told["registered"] in ("now", "already")) == (200, True)
        stack.wait_finished(42)
        assert service.ask("GET", "/api/v1/jobs/42")[1]["counts"]["sent"] == 1
        roles = {one["role"] for one in service.ask("GET", "/api/v1/processes")[1]["items"]}
        assert {"publisher", "sweeper", "worker"} <= roles


def test_an_act_is_done_once_although_its_process_was_killed_before_the_answer(new_stack: NewStack) -> None:
    with running(new_stack, "operators", EED_FAILPOINTS="operators.acted=kill@1") as service:
        stack = service.stack
        stack.add_job(["anna@customers.example"], 1)
        assert service.ask("POST", "/api/v1/jobs/1/nudge")[0] == 200
        key = {"Idempotency-Key": "one"}
        try:
            service.ask("POST", "/api/v1/jobs/1/pause", WHY, **key)
        except OSError:
            pass
        else:
            raise AssertionError("it was not killed")
        assert stack.world.scalar("SELECT state FROM eed_job") == "paused"
        stack.world.execute("UPDATE eed_idempotency_key SET lease_until = '2001-01-01 00:00:00'")
        other = stack.start("operators", environ={"EED_OPERATORS__LISTEN": f"127.0.0.1:{(port := free_port())}"})
        service.port = port
        stack.wait_until(service.answers, "another host answers")
        status, told, _ = service.ask("POST", "/api/v1/jobs/1/pause", WHY, **key)
        assert (status, told["state"]) == (200, "paused")
        replayed = service.ask("POST", "/api/v1/jobs/1/pause", WHY, **key)
        assert (replayed[1], replayed[2]["Idempotent-Replayed"]) == (told, "true")
        assert stack.world.scalar("SELECT COUNT(*) FROM eed_audit WHERE act = 'pause'") == 1
        assert other.terminate() == 0


def test_a_requeue_goes_on_although_its_process_is_killed_behind_each_chunk_while_workers_send(
    new_stack: NewStack,
) -> None:
    """Two chunks: each process of the role is killed behind its first one."""
    count = 1100
    with running(new_stack, "run", EED_FAILPOINTS="operations.advanced=kill@1") as service:
        stack = service.stack
        stack.mail_up()
        stack.add_job([f"a{n}@customers.example" for n in range(count)], 1)
        stack.wait_finished(1)
        stack.world.execute("UPDATE eed_email SET state = 'failed', changed_at = '2001-01-01 00:00:00.000000'")
        order = {"kind": "requeue", "selection": {"jobs": ["1"]}, "reason": "the relay is mended"}
        counted = service.ask("POST", "/api/v1/operations?dry_run=true", order)[1]
        assert counted["count"] == count
        order["selection_etag"] = counted["selection_etag"]
        status, told, _ = service.ask("POST", "/api/v1/operations", order, **{"Idempotency-Key": "one"})
        assert status == 202
        state = "SELECT state FROM eed_operation"
        stack.wait_until(lambda: stack.world.scalar(state) == "done", "the operation is done")
        stack.wait_finished(1)
        assert stack.world.execute("SELECT gen, COUNT(*) FROM eed_email GROUP BY gen") == [(1, count)]
        noted = "SELECT SUM(count) FROM eed_audit WHERE act = 'requeue' AND operation = :id"
        assert int(stack.world.scalar(noted, id=told["id"])) == count
        stack.wait_until(service.answers, "the role is there again")


def test_connections_that_trickle_do_not_stop_it(new_stack: NewStack) -> None:
    with running(new_stack, "operators") as service, ExitStack() as open_ones:
        for n in range(505):
            one = open_ones.enter_context(socket.create_connection(("127.0.0.1", service.port), timeout=30))
            one.sendall(b"GET /healthz HT" if n % 2 else b"POST /login HTTP/1.1\r\nContent-Length: 900\r\n\r\nname=")
        service.stack.wait_until(service.answers, "it answers")
        login = urllib.request.Request(f"http://127.0.0.1:{service.port}/login", b"name=anna&password=wrong")
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(login, timeout=60)
