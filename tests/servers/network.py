"""Hosts with cables that can be pulled: network namespaces where the machine allows them, else relays that fall silent.

with Host() as host:
    where = host.reach("database", mariadb.port)     # (address, port) that leads to 127.0.0.1:port
    service = ...                                    # started within host.within
    host.cut("database")                             # nothing comes through, and nothing says so
    host.heal("database")
"""

import json
import os
import random
import socket
import subprocess
import threading
from collections import defaultdict
from contextlib import suppress
from types import TracebackType

from sqlalchemy import make_url

_HOSTS = 16_384
"""So many hosts have room for two cables each in 198.18.0.0/15, which is for tests of networks (RFC 2544)."""
_BLOCK = 65_536


CLEAR_TEXT = ("database.url", "queue.url", "queue.endpoint_url", "smtp.tls")
"""A cable's addresses are not loopback, and no server of ours has TLS. The service would refuse to speak to them."""


def environ_at(url: str, database: tuple[str, int], queue: tuple[str, int], mail: tuple[str, int]) -> dict[str, str]:
    """The settings of a service that finds its servers there, as `Host.reach` gives them. `url` is the database's."""
    there = make_url(url).set(host=database[0], port=database[1], query={"ssl_disabled": "true"})
    return {
        "EED_DATABASE__URL": there.render_as_string(hide_password=False),
        "EED_QUEUE__ENDPOINT_URL": f"http://{queue[0]}:{queue[1]}",
        "EED_SMTP__HOST": mail[0],
        "EED_SMTP__PORT": str(mail[1]),
        "EED_SECURITY__CLEAR_TEXT": json.dumps(CLEAR_TEXT),
    }


class Host:
    """`within` is the command that runs another one on this host; `separate` says whether it is a namespace."""

    def __init__(self, ways: tuple[str, str]) -> None:
        self._ways = ways
        self._relays: defaultdict[str, list[_Relay]] = defaultdict(list)
        self._number = random.randrange(_HOSTS)
        self.separate = False
        self.within: tuple[str, ...] = ()

    def __enter__(self) -> "Host":
        try:
            self._plug_in()
        except (OSError, subprocess.CalledProcessError):  # no ip(8), no nsenter(1), or no right to use them
            self._unplug()
        else:
            self.separate = True
            self.within = ("nsenter", f"--net=/var/run/netns/{self._name}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for relay in [relay for relays in self._relays.values() for relay in relays]:
            relay.close()
        if self.separate:
            self._unplug()

    def reach(self, way: str, port: int) -> tuple[str, int]:
        """The address and port at which this host finds the server that listens on 127.0.0.1:`port`."""
        relay = _Relay(self._address(way, ours=True) if self.separate else "127.0.0.1", port)
        self._relays[way].append(relay)
        return relay.address

    def cut(self, way: str) -> None:
        """Pull the cable: what is sent is lost, and neither end hears of it."""
        if self.separate:
            _ip("link", "set", self._cable(way), "down")
        for relay in self._relays[way]:
            relay.flows.clear()

    def heal(self, way: str) -> None:
        """Put it back."""
        if self.separate:
            _ip("link", "set", self._cable(way), "up")
        for relay in self._relays[way]:
            relay.flows.set()

    @property
    def _name(self) -> str:
        return f"eed{self._number}"

    def _cable(self, way: str) -> str:
        return f"{self._name}-{self._ways.index(way)}"

    def _address(self, way: str, *, ours: bool) -> str:
        number = self._number * 8 + self._ways.index(way) * 4 + (1 if ours else 2)
        return f"198.{18 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"

    def _plug_in(self) -> None:
        _ip("netns", "add", self._name)
        for way in self._ways:
            cable, end = self._cable(way), f"{self._cable(way)}e"
            _ip("link", "add", cable, "type", "veth", "peer", "name", end, "netns", self._name)
            _ip("address", "add", f"{self._address(way, ours=True)}/30", "dev", cable)
            _ip("link", "set", cable, "up")
            _ip("-n", self._name, "address", "add", f"{self._address(way, ours=False)}/30", "dev", end)
            _ip("-n", self._name, "link", "set", end, "up")
        _ip("-n", self._name, "link", "set", "lo", "up")
        subprocess.run(["nsenter", f"--net=/var/run/netns/{self._name}", "true"], check=True, capture_output=True)

    def _unplug(self) -> None:
        with suppress(OSError, subprocess.CalledProcessError):
            for way in self._ways:
                _ip("link", "delete", self._cable(way))
        with suppress(OSError, subprocess.CalledProcessError):
            _ip("netns", "delete", self._name)


def _ip(*words: str) -> None:
    if os.geteuid() != 0:
        raise PermissionError("only root makes network namespaces")
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=20)


class _Relay:
    """Passes on what comes to its address to a port of 127.0.0.1, and back, while `flows` is set."""

    def __init__(self, address: str, port: int) -> None:
        self.flows = threading.Event()
        self.flows.set()
        self._port = port
        self._listener = socket.create_server((address, 0))
        self.address: tuple[str, int] = self._listener.getsockname()
        self._sockets = [self._listener]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self.flows.set()
        for one in self._sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                outer, _ = self._listener.accept()
                self._sockets.append(outer)
                threading.Thread(target=self._connect, args=(outer,), daemon=True).start()

    def _connect(self, outer: socket.socket) -> None:
        self.flows.wait()
        try:
            inner = socket.create_connection(("127.0.0.1", self._port))
        except OSError:
            outer.close()
            return
        self._sockets.append(inner)
        threading.Thread(target=self._pass_on, args=(outer, inner), daemon=True).start()
        self._pass_on(inner, outer)

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(_BLOCK):
                self.flows.wait()
                target.sendall(data)
        self.flows.wait()  # an end is news, too
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)
