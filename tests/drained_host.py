"""A host of an Auto Scaling group as its drain sees it: metadata, `systemctl` and `aws`, all of them stand-ins.

with DrainedHost(directory) as host:
    host.is_to_end()
    host.wait_stop_asked()      # then the test stops the service
    host.stopped()
    host.wait_completed()
"""

import os
import stat
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType

from tests.waiting import until

SCRIPT = Path(__file__).parents[1] / "deploy" / "terraform" / "hosts" / "drain.sh"
TOKEN = "a-token-of-imdsv2"
SYSTEMCTL = """#!/bin/bash
echo "systemctl $*" >> {directory}/calls
until [ -e {directory}/stopped ]; do sleep 0.05; done
"""
AWS = """#!/bin/bash
echo "aws $*" >> {directory}/calls
[ ! -e {directory}/refuse ] || {{ rm {directory}/refuse; exit 255; }}
"""
"""It refuses once, if it is to."""


class DrainedHost:
    """Runs drain.sh. Nothing is to end until `is_to_end`."""

    def __init__(self, directory: Path, group: str = "hosts", hook: str = "drained") -> None:
        self._directory = directory
        self._words = [group, hook]
        self.state: str | None = "InService"
        """What the metadata say. None: they do not answer."""
        self.looks = 0
        """How often they were asked."""

    def __enter__(self) -> "DrainedHost":
        self._directory.mkdir(parents=True, exist_ok=True)
        for name, text in (("systemctl", SYSTEMCTL), ("aws", AWS)):
            program = self._directory / name
            program.write_text(text.format(directory=self._directory))
            program.chmod(program.stat().st_mode | stat.S_IXUSR)
        host = self

        class Handler(_Metadata):
            of = host

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()
        environ = {
            "PATH": f"{self._directory}:{os.environ['PATH']}",
            "EC2_METADATA": f"http://127.0.0.1:{self._http.server_address[1]}",
            "DRAIN_LOOK_SECONDS": "0.1",
        }
        self._process = subprocess.Popen(["bash", SCRIPT, *self._words], env=environ)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopped()
        self._process.kill()
        self._process.wait()
        self._http.shutdown()
        self._http.server_close()

    def is_to_end(self) -> None:
        """From now on the group wants this host to end."""
        self.state = "Terminated"

    def refuse_once(self) -> None:
        """AWS does not take the first word that the host is drained."""
        (self._directory / "refuse").touch()

    @property
    def calls(self) -> list[str]:
        """What was called, in its order."""
        calls = self._directory / "calls"
        return calls.read_text().splitlines() if calls.exists() else []

    def wait_stop_asked(self) -> None:
        until(lambda: any(call.startswith("systemctl stop") for call in self.calls), lambda: "no stop was asked for")

    def stopped(self) -> None:
        """The service has stopped, so `systemctl stop` returns."""
        (self._directory / "stopped").touch()

    def wait_completed(self) -> int:
        """Until the script ends. Returns its code."""
        return self._process.wait(60)


class _Metadata(BaseHTTPRequestHandler):
    """IMDSv2: nothing is said without a token, which a PUT gives.
    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html"""

    of: DrainedHost

    def do_PUT(self) -> None:
        given = self.path == "/latest/api/token" and self.headers.get("X-aws-ec2-metadata-token-ttl-seconds")
        self._answer(200 if given else 400, TOKEN)

    def do_GET(self) -> None:
        known = {"autoscaling/target-lifecycle-state": self.of.state, "instance-id": "i-0123456789abcdef0"}
        self.of.looks += self.path.endswith("target-lifecycle-state")
        if self.headers.get("X-aws-ec2-metadata-token") != TOKEN:
            self._answer(401, "")
        elif (found := known.get(self.path.removeprefix("/latest/meta-data/"))) is not None:
            self._answer(200, found)
        else:
            self._answer(404, "")

    def _answer(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *args: object) -> None:
        """Nothing."""
