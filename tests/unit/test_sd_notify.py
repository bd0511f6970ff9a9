"""States reach the socket that systemd names, and nothing that happens there disturbs the service."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from eed_delivery.runtime.sd_notify import SystemdNotifier


@contextmanager
def systemd(address: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(address.replace("@", "\0", 1) if address.startswith("@") else address)
        receiver.settimeout(5)
        yield receiver


@pytest.mark.parametrize("kind", ["a path", "an abstract name"])
def test_each_state_is_one_datagram(tmp_path: Path, kind: str) -> None:
    address = str(tmp_path / "notify") if kind == "a path" else f"@eed-{uuid4()}"
    with systemd(address) as receiver:
        notifier = SystemdNotifier(address)
        for state in ("READY=1", "STATUS=4 processes at work…", "WATCHDOG=1"):
            notifier.notify(state)
            assert receiver.recv(1000).decode() == state


def test_a_receiver_that_starts_again_hears_the_next_state(tmp_path: Path) -> None:
    """As after `systemctl daemon-reexec`."""
    address = str(tmp_path / "notify")
    notifier = SystemdNotifier(address)
    with systemd(address):
        notifier.notify("READY=1")
    notifier.notify("WATCHDOG=1")
    Path(address).unlink()
    with systemd(address) as receiver:
        notifier.notify("STATUS=back")
        assert receiver.recv(1000) == b"STATUS=back"


@pytest.mark.parametrize("address", [None, "", "/nonexistent/notify", "/" + "a" * 200])
def test_no_socket_is_no_error(address: str | None) -> None:
    SystemdNotifier(address).notify("READY=1")
