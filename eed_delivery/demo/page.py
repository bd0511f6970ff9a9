"""The operators' page at the end of the demo: a process of its own, and a link that logs in once."""

import hashlib
import secrets
import sys
from collections.abc import Mapping

from eed_delivery.demo.ports import free_port
from eed_delivery.demo.processes import AnsweringProcess
from eed_delivery.demo.workspace import Workspace

OPEN_SECONDS = 28_800
"""The demo ends by itself after as many, and so does a session."""


def link_path(secret: str) -> str:
    """The path of the link, which follows from the secret: no argument has it, which all users of the machine see."""
    return f"/once/{hashlib.sha256(f'one-time link {secret}'.encode()).hexdigest()}"


class OperatorsPage(AnsweringProcess):
    """The role `operators`, on this machine alone."""

    def __init__(self, workspace: Workspace, environment: Mapping[str, str]) -> None:
        listen = f"127.0.0.1:{free_port()}"
        self.address = f"http://{listen}"
        self.health = f"{self.address}/healthz"
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
