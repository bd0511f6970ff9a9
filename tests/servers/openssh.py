"""A private sshd with nothing but SFTP, from Debian's openssh-server, on 127.0.0.1.

    with OpenSsh() as server:
        server.root, server.port, server.user, server.private_key, server.host_key

As root its user is `nobody`, so that rights hold; else it is whoever runs the tests. `require` installs the package.
"""

import getpass
import os
import shutil
import socket
import subprocess
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import psutil
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from tests.servers import end, free_port, packages, start, temporary_directory, wait_until_up

PACKAGE = "openssh-server"
_PRIVILEGE_SEPARATION = Path("/run/sshd")
"""Debian's sshd changes its root to it, and its service makes it: there is no such service where tests run."""


def program() -> Path | None:
    """Where sshd is; None if it is not installed."""
    found = shutil.which("sshd", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin")
    return Path(found) if found else None


def require() -> Path:
    """Where sshd is. Installs it if it may. Raises RuntimeError that says how to."""
    found = program()
    if found is None and packages.install(PACKAGE):
        found = program()
    if found is None:
        raise RuntimeError(f"The tests need OpenSSH's sshd. On Debian: apt-get install {PACKAGE}")
    return found


def new_key() -> tuple[str, str]:
    """A key of Ed25519: private in OpenSSH's form, and public as in authorized_keys."""
    key = ed25519.Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return private.decode(), public.decode()


class OpenSsh:
    """Starts on `with` or `start`; `root` is where a login begins, and is empty."""

    def __init__(self) -> None:
        self._program = require()
        self.port = free_port()
        self.directory = temporary_directory("sshd")
        self.root = self.directory / "root"
        self.user = "nobody" if os.geteuid() == 0 else getpass.getuser()
        self.private_key, public = new_key()
        host_private, self.host_key = new_key()
        self._log = self.directory / "log"
        self._process: subprocess.Popen[bytes] | None = None
        self.directory.chmod(0o755)
        self.root.mkdir()
        if os.geteuid() == 0:
            shutil.chown(self.root, self.user)
            _PRIVILEGE_SEPARATION.mkdir(mode=0o755, exist_ok=True)
        self._write("host", host_private, 0o600)
        self._write("authorized_keys", public, 0o644)
        self._write("config", self._config(), 0o600)

    def __enter__(self) -> "OpenSsh":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def start(self) -> None:
        """Start it, also after `stop`, on the same port with the same keys."""
        command = [str(self._program), "-D", "-e", "-f", str(self.directory / "config")]
        self._process = start(command, self._log, {"PATH": os.defpath})
        wait_until_up(self._process, self._answers, self._log)

    def stop(self) -> None:
        """End it with all of its connections."""
        if self._process is not None:
            self.disconnect()
            end(self._process)
            self._process = None

    def disconnect(self) -> None:
        """End its connections, and go on listening."""
        if self._process is not None:
            connections = psutil.Process(self._process.pid).children(recursive=True)
            for connection in connections:
                with suppress(psutil.NoSuchProcess):  # it ends by itself when its client has gone
                    connection.kill()
            psutil.wait_procs(connections, timeout=20)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as client:
                return client.recv(4) == b"SSH-"
        except OSError:
            return False

    def _write(self, name: str, content: str, mode: int) -> None:
        path = self.directory / name
        path.write_text(content + "\n")
        path.chmod(mode)

    def _config(self) -> str:
        return "\n".join(
            (
                f"Port {self.port}",
                "ListenAddress 127.0.0.1",
                f"HostKey {self.directory}/host",
                f"AuthorizedKeysFile {self.directory}/authorized_keys",
                "PidFile none",
                "UsePAM no",
                "StrictModes no",
                "PasswordAuthentication yes",
                "KbdInteractiveAuthentication no",
                "MaxStartups 100",
                "PerSourcePenalties no" if self._has_penalties() else "",
                f"Subsystem sftp internal-sftp -d {self.root}",
                f"ForceCommand internal-sftp -d {self.root}",
            )
        )

    def _has_penalties(self) -> bool:
        """OpenSSH 9.8 and later turn clients away for a while that fail to log in."""
        done = subprocess.run([str(self._program), "-V"], capture_output=True, text=True, timeout=20)
        words = (done.stderr + done.stdout).partition("OpenSSH_")[2]
        major, _, rest = words.partition(".")
        minor = "".join(c for c in rest[:2] if c.isdigit())
        return major.isdigit() and minor.isdigit() and (int(major), int(minor)) >= (9, 8)
