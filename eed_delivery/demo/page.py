"""The operators' page at the end of the demo: a process of its own, and a link that logs in once."""

import hashlib
import secrets
import sys
import urllib.error
from collections.abc import Mapping

from eed_delivery.demo.ports import free_port
from eed_delivery.demo.processes import LOCAL_OPENER, POLL_SECONDS, READY_SECONDS, ChildProcess, StackFailed
from eed_delivery.demo.workspace import Workspace

OPEN_SECONDS = 28_800
"""The demo ends by itself after as many, and so does a session."""


def link_path(secret: str) -> str:
    """The path of the link, which follows from the secret: no argument has it, which all users of the machine see."""
    return f"/once/{hashlib.sha256(f'one-time link {secret}'.encode()).hexdigest()}"


class OperatorsPage(ChildProcess):
    """The role `operators`, on this machine alone."""

    def __init__(self, workspace: Workspace, environment: Mapping[str, str]) -> None:
        listen = f"127.0.0.1:{free_port()}"
        self.address = f"http://{listen}"
        secret = secrets.token_hex(32)
        self.link = self.address + link_path(secret)
        given = {
            "EED_OPERATORS__LISTEN": listen,
            "EED_OPERATORS__SECRET": secret,
            "EED_OPERATORS__SESSION_IDLE_SECONDS": str(OPEN_SECONDS),
            "EED_OPERATORS__SESSION_MAX_SECONDS": str(OPEN_SECONDS),
            "EED_OPERATORS__REPORTS_DIRECTORY": str(workspace.scratch / "reports"),
        }
        command = [sys.executable, "-m", "eed_delivery.demo.page_process", str(workspace.configuration)]
        super().__init__("the operators' page", command, {**environment, **given}, workspace.page_log)

    def __enter__(self) -> "OperatorsPage":
        """Start it, and return when it answers. Raises StackFailed."""
        self.start()
        try:
            self._await_answer()
        except BaseException:  # Ctrl-C too: nothing else will end it yet
            self.end()
            raise
        return self

    def _await_answer(self) -> None:
        for _ in range(int(READY_SECONDS / POLL_SECONDS)):
            if self.wait(POLL_SECONDS) is not None:
                break
            if self._answers():
                return
        raise StackFailed(f"the operators' page did not start. Its log ({self.log}) ends:\n{self.tail()}")

    def _answers(self) -> bool:
        try:
            with LOCAL_OPENER.open(f"{self.address}/healthz", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False
