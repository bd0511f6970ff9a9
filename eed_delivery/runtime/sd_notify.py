"""Reports the service's state to systemd by sd_notify(3), the protocol of which is one datagram a state."""

import socket
from contextlib import suppress

SEND_SECONDS = 1.0


class SystemdNotifier:
    """Sends states to the socket that systemd names in NOTIFY_SOCKET. Without one it sends nothing.

    https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html, "Standalone Implementations". The package
    sdnotify was in its place. It was the only one without a wheel, so its setup.py ran on every server.
    """

    def __init__(self, notify_socket: str | None) -> None:
        self._address = "\0" + notify_socket[1:] if notify_socket and notify_socket[0] == "@" else notify_socket

    def notify(self, state: str) -> None:
        """Send one state, such as "READY=1". It never raises. A lost state is repeated, and the work goes on."""
        if not self._address:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.settimeout(SEND_SECONDS)
            sender.connect(self._address)
            sender.sendall(state.encode())
