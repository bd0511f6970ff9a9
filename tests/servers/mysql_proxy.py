"""A way to MariaDB that can be broken at chosen moments: a TCP proxy that knows where transactions end.

    with MySqlProxy(mariadb.port) as proxy:
        url = proxy.url(mariadb.database("eed"))
        proxy.cut_after_commit(3)          # the next three commits go through, and nobody is told
        proxy.contend(0.05)                # deadlocks and lock timeouts for one statement in twenty
        proxy.partition(); proxy.heal()    # no byte passes; all that waited passes
        proxy.refuse(); proxy.heal()       # connections end, new ones are refused

It runs in the test's process, in one thread. What it did is in `counts` and `cuts`.
"""

import asyncio
import random
import re
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, cast

from sqlalchemy import make_url

from tests.servers import free_port
from tests.servers.mysql_packets import Packet, Packets, changes_rows, error, query, works_on_rows

DEADLOCK, LOCK_TIMEOUT = 1213, 1205
ERRORS = {
    DEADLOCK: error(DEADLOCK, "40001", "Deadlock found when trying to get lock; try restarting transaction"),
    LOCK_TIMEOUT: error(LOCK_TIMEOUT, "HY000", "Lock wait timeout exceeded; try restarting transaction"),
}
_NO_LINGERING = struct.pack("ii", 1, 0)  # close with a RST, and whatever was not sent is gone
_TABLE = re.compile(r"\s*(\w+)(?: IGNORE)?(?: INTO| FROM)? `?(\w+)", re.IGNORECASE)
_END_SECONDS = 10.0


def changed_tables(changes: Sequence[str]) -> str:
    """A kind of transaction: what it did to which tables."""
    found = {f"{m[1].upper()} {m[2]}" for statement in changes if (m := _TABLE.match(statement))}
    return ", ".join(sorted(found))


class MySqlProxy:
    """Listens on `port` of 127.0.0.1 and hands on to `target_port`.

    `kind_of` names a transaction by the statements in it that changed rows. `counts` says how many connections,
    statements and commits there were, and of each fault how many; `cuts` the commits that were cut off, by kind.
    """

    def __init__(
        self, target_port: int, seed: int = 0, kind_of: Callable[[Sequence[str]], str] = changed_tables
    ) -> None:
        self.port = free_port()
        self.counts: Counter[str] = Counter()
        self.cuts: Counter[str] = Counter()
        self.on_statement: Callable[[str], None] = lambda statement: None
        """Is told of each statement before it is handed on, in the proxy's thread."""
        self.target_port = target_port
        self.kind_of = kind_of
        self.passing = True
        self._random = random.Random(seed)
        self._cuts_left = 0
        self._cut_chance = 0.0
        self._cut_each_first = 0
        self._cut_before = False
        self._error_share = 0.0
        self._errors: Sequence[int] = ()
        self._loop = asyncio.new_event_loop()
        self._listening: asyncio.Server | None = None
        self._clients: set[_Client] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, name="mysql-proxy", daemon=True)

    def url(self, direct: str) -> str:
        """The same database, reached through this proxy."""
        return make_url(direct).set(port=self.port).render_as_string(hide_password=False)

    def __enter__(self) -> "MySqlProxy":
        self._thread.start()
        self._do(self._listen())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_END_SECONDS)
        self._loop.close()

    # --- what a test may ask for ---------------------------------------------------------------------------------

    def cut_after_commit(self, times: int, chance: float = 1.0, *, each_first: int = 0, before: bool = False) -> None:
        """Cut `times` commits off, each with this chance, and besides the `each_first` first ones of every kind.

        Only transactions that changed rows are cut. The server has answered OK before the client is cut; with `before`
        the server never gets the COMMIT, and rolls back.
        """
        self._cut_chance, self._cut_each_first, self._cut_before = chance, each_first, before
        self._cuts_left = times

    def contend(self, share: float, errors: Sequence[int] = (DEADLOCK, LOCK_TIMEOUT)) -> None:
        """Answer this share of the statements that work on rows with one of these errors; 0 ends it.

        As InnoDB does it: a deadlock rolls the transaction back, a lock timeout undoes nothing but the statement.
        """
        self._errors, self._error_share = errors, share

    def partition(self) -> None:
        """From now on no byte passes; nobody is told. New connections get no greeting."""
        self.passing = False

    def refuse(self) -> None:
        """End every connection with a RST, and refuse new ones."""
        self._do(self._refuse())

    def heal(self) -> None:
        """End `partition` and `refuse`: what was held back passes now."""
        self._do(self._heal())

    def cut_all(self) -> None:
        """End every connection with a RST; new ones are welcome."""
        self._do(self._cut_all())

    # --- what a connection asks ----------------------------------------------------------------------------------

    def error_for(self, statement: str) -> int | None:
        """The error that this statement is to get, if any."""
        if not self._error_share or not works_on_rows(statement) or self._random.random() >= self._error_share:
            return None
        code = self._random.choice(self._errors)
        self.counts[f"error {code}"] += 1
        return code

    def cut_of(self, changes: Sequence[str]) -> str | None:
        """Whether to cut the commit of these changes off: `before` or `after` it reaches the server, or not at all."""
        if not changes:
            return None
        kind = self.kind_of(changes)
        if self.cuts[kind] >= self._cut_each_first:
            if self._cuts_left <= 0 or self._random.random() >= self._cut_chance:
                return None
            self._cuts_left -= 1
        self.cuts[kind] += 1
        return "before" if self._cut_before else "after"

    def joined(self, client: "_Client") -> None:
        self._clients.add(client)
        self.counts["connections"] += 1

    def left(self, client: "_Client") -> None:
        self._clients.discard(client)

    # --- in the proxy's thread -----------------------------------------------------------------------------------

    def _do(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(_END_SECONDS)

    async def _listen(self) -> None:
        if self._listening is None:
            self._listening = await self._loop.create_server(lambda: _Client(self), "127.0.0.1", self.port)

    async def _refuse(self) -> None:
        if self._listening is not None:
            self._listening.close()
            self._listening = None
        await self._cut_all()

    async def _cut_all(self) -> None:
        for client in list(self._clients):
            client.cut()

    async def _heal(self) -> None:
        self.passing = True
        await self._listen()
        for client in list(self._clients):
            client.resume()

    async def _end(self) -> None:
        await self._refuse()
        await asyncio.sleep(0)  # the transports close in the loop's next round


class _Client(asyncio.Protocol):
    """A client's connection. It asks and waits, one command at a time, so that its server is idle when it asks."""

    def __init__(self, proxy: MySqlProxy) -> None:
        self._proxy = proxy
        self._packets = Packets()
        self._changes: list[str] = []
        self._asked = ""
        self._held: list[Callable[[], None]] = []
        self._server: _Server | None = None
        self._swallowing: Callable[[Packet], None] | None = None
        self._answer = Packets()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._proxy.joined(self)
        self._task = asyncio.get_running_loop().create_task(self._connect())

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            _, server = await loop.create_connection(lambda: _Server(self), "127.0.0.1", self._proxy.target_port)
        except OSError:
            self.cut()
            return
        if self._transport.is_closing():
            server.end()
            return
        self._server = server

    def data_received(self, data: bytes) -> None:
        self._when_passing(lambda: self._from_client(data))

    def connection_lost(self, exc: Exception | None) -> None:
        self._proxy.left(self)
        if self._server is not None:
            # During a partition the server learns nothing of it either: it keeps the transaction and its locks.
            self._when_passing(self._server.end)

    def answered(self, data: bytes) -> None:
        """The server has sent something."""
        self._when_passing(lambda: self._from_server(data))

    def deserted(self) -> None:
        """The server has closed the connection."""
        self._when_passing(self._transport.close)

    def cut(self) -> None:
        """End both sides at once, and drop what has not been sent."""
        self._held.clear()
        _reset(self._transport)
        if self._server is not None:
            self._server.end()

    def resume(self) -> None:
        """The partition is over."""
        held, self._held = self._held, []
        for step in held:
            step()

    def _when_passing(self, step: Callable[[], None]) -> None:
        if self._proxy.passing:
            step()
        else:
            self._held.append(step)

    def _from_client(self, data: bytes) -> None:
        for packet in self._packets.feed(data):
            if not self._transport.is_closing():
                self._ask(packet)

    def _ask(self, packet: Packet) -> None:
        if not packet.is_query:
            self._hand_on(packet.data)
            return
        statement = packet.statement
        self._asked = statement
        self._proxy.counts["statements"] += 1
        self._proxy.on_statement(statement)
        if statement == "COMMIT":
            self._commit(packet)
        elif (code := self._proxy.error_for(statement)) is not None:
            self._refuse(code)
        else:
            if statement == "ROLLBACK":
                self._changes.clear()
            self._hand_on(packet.data)

    def _commit(self, packet: Packet) -> None:
        self._proxy.counts["commits"] += 1
        cut = self._proxy.cut_of(self._changes)
        self._changes = []
        if cut == "before":
            self._proxy.counts["cut before commit"] += 1
            self.cut()
            return
        if cut == "after":
            self._swallowing = self._cut_off
        self._hand_on(packet.data)

    def _cut_off(self, answer: Packet) -> None:
        self._proxy.counts["cut after commit" if answer.is_ok else "commit refused by the server"] += 1
        self.cut()

    def _refuse(self, code: int) -> None:
        if code == DEADLOCK:
            self._changes.clear()
            self._swallowing = lambda answer: self._transport.write(ERRORS[code])
            self._hand_on(query("ROLLBACK"))
        else:
            self._transport.write(ERRORS[code])

    def _from_server(self, data: bytes) -> None:
        if self._swallowing is not None:
            for packet in self._answer.feed(data):
                swallow, self._swallowing = self._swallowing, None
                swallow(packet)
            return
        if changes_rows(self._asked):
            if Packet(data).changed_rows:
                self._changes.append(self._asked)
            self._asked = ""
        self._transport.write(data)

    def _hand_on(self, data: bytes) -> None:
        if self._server is not None:
            self._server.write(data)


class _Server(asyncio.Protocol):
    """The same connection's other half."""

    def __init__(self, client: _Client) -> None:
        self._client = client

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._client.answered(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._client.deserted()

    def write(self, data: bytes) -> None:
        self._transport.write(data)

    def end(self) -> None:
        _reset(self._transport)


def _reset(transport: asyncio.Transport) -> None:
    connection = transport.get_extra_info("socket")
    if connection is not None and not transport.is_closing():
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGERING)
    transport.abort()
