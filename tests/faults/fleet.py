"""Sandboxes of the function, and pollers that invoke them: as many as Lambda would have at its maximum concurrency.

    with Fleet(stack, size=4) as fleet:
        fleet.kill_one()
        fleet.throttle = 0.5          # every second poll burns receives, and invokes nothing

It does what AWS does and no emulator: receives of throttled invocations count, a batch comes twice, a result is lost.
"""

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.event_source import EventSource, event_of
from tests.sandbox_process import SandboxProcess
from tests.servers.cutting_proxy import CuttingProxy
from tests.stack import Stack

TIMEOUT = 40
FUNCTION: dict[str, Any] = {
    "aws_lambda.timeout_seconds": TIMEOUT,
    "worker.coordination": "ledger",
    "queue.visibility_timeout_seconds": 6 * TIMEOUT,
    "worker.lease_seconds": 5,
    "smtp.connect_timeout_seconds": 2,
    "smtp.command_timeout_seconds": 1,
    "smtp.data_timeout_seconds": 3,
}
"""A longest send of 10 s, and 25 s for what follows it."""
VISIBILITY = 8
"""Seconds after which the batch of a dead sandbox comes again. AWS has six timeouts, for which no test waits."""


class Fleet:
    """`size` pollers, each with a sandbox of its own, which is replaced when it dies.

    `ways`: one for each sandbox, to the mail server. It forgets what is open while its sandbox is frozen.
    """

    def __init__(self, stack: Stack, size: int, seed: int = 0, ways: Sequence[CuttingProxy] = ()) -> None:
        self._stack = stack
        self._ways = ways
        self._random = random.Random(seed)
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._living: dict[int, SandboxProcess] = {}
        self._busy: set[int] = set()
        self._log = stack.directory / "sandboxes.log"
        self._threads = [threading.Thread(target=self._poll, args=(n,), daemon=True) for n in range(size)]
        self.throttle = 0.0
        self.twice = 0.0
        self.lose_results = 0.0
        self.rest_seconds = 0.0
        """How long a sandbox is frozen between two invocations."""
        self.invocations = self.throttled = self.doubled = self.lost = self.kills = self.freezes = 0
        self.rounds = Counter[int]()
        """How often each email came with an invocation."""
        self.died: list[str] = []

    @property
    def log(self) -> Path:
        return self._log

    def __enter__(self) -> "Fleet":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(120)
        for sandbox in self._living.values():
            sandbox.close()

    def kill_one(self) -> bool:
        """kill -9 of one that is invoked now. False: none is."""
        with self._lock:
            busy = [self._living[n] for n in self._busy if n in self._living]
        if not busy:
            return False
        self._random.choice(busy).kill()
        self.kills += 1
        return True

    def _sandbox(self, number: int) -> SandboxProcess:
        sandbox = self._living.get(number)
        if sandbox is None:
            environ = {
                **self._stack.environ,
                "EED_CONFIG": str(self._stack.config),
                "AWS_LAMBDA_FUNCTION_NAME": "send",
                "_X_AMZN_TRACE_ID": "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1;Lineage=1:a87bd80c:16",
                "AWS_LAMBDA_LOG_STREAM_NAME": f"2026/11/30/[$LATEST]{number:08x}{time.monotonic_ns():024x}",
            }
            if self._ways:
                environ["EED_SMTP__PORT"] = str(self._ways[number].port)
            sandbox = SandboxProcess(environ, self._log)
            if not sandbox.wait_ready():
                self.died.append("a sandbox did not come to the end of its INIT phase")
            with self._lock:
                self._living[number] = sandbox
        return sandbox

    def _chance(self, probability: float) -> bool:
        return probability > 0 and self._random.random() < probability

    def _poll(self, number: int) -> None:
        source = EventSource(self._stack.sqs, self._stack.queue_url, TIMEOUT, VISIBILITY)
        while not self._stop.is_set():
            if self._chance(self.throttle):
                self.throttled += source.throttled()
                self._stop.wait(0.1)
                continue
            messages = source.receive(wait=1)
            if messages:
                self._invoke(number, source, messages)

    def _invoke(self, number: int, source: EventSource, messages: list[dict[str, Any]]) -> None:
        sandbox = self._sandbox(number)
        self.invocations += 1
        with self._lock:
            self._busy.add(number)
            self.rounds.update(json.loads(message["Body"])["email_id"] for message in messages)
        result = sandbox.invoke(event_of(messages, source.arn), TIMEOUT)
        if result is not None and self._chance(self.twice):
            self.doubled += 1
            result = sandbox.invoke(event_of(messages, source.arn), TIMEOUT)
        with self._lock:
            self._busy.discard(number)
        if result is None:
            with self._lock:
                self._living.pop(number).close()
            return
        if self._chance(self.lose_results):
            self.lost += 1
            return
        source.settle(messages, result)
        if self.rest_seconds and not self._stop.is_set():
            sandbox.freeze()
            for way in self._ways[number : number + 1]:
                way.forget()
            self._stop.wait(self.rest_seconds)
            sandbox.thaw()
            self.freezes += 1
