"""`python -m benchmarks.slow_relay PORT TARGET_PORT MS`: what the target says arrives MS milliseconds later.

It stands for a mail server that is far away or slow, each of whose answers costs that time.
"""

import asyncio
import sys
from functools import partial


class _Back(asyncio.Protocol):
    """The target's side."""

    def __init__(self, client: asyncio.Transport, seconds: float) -> None:
        self._client = client
        self._seconds = seconds

    def data_received(self, data: bytes) -> None:
        asyncio.get_running_loop().call_later(self._seconds, self._client.write, data)

    def connection_lost(self, exc: Exception | None) -> None:
        asyncio.get_running_loop().call_later(self._seconds, self._client.close)


class _Forth(asyncio.Protocol):
    """The client's side. What it says before the target answers the call is kept."""

    def __init__(self, target_port: int, seconds: float) -> None:
        self._target_port = target_port
        self._seconds = seconds
        self._early = bytearray()
        self._target: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._calling = asyncio.get_running_loop().create_task(self._call(transport))

    async def _call(self, client: asyncio.Transport) -> None:
        make = partial(_Back, client, self._seconds)
        self._target, _ = await asyncio.get_running_loop().create_connection(make, "127.0.0.1", self._target_port)
        self._target.write(bytes(self._early))

    def data_received(self, data: bytes) -> None:
        if self._target is None:
            self._early += data
        else:
            self._target.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._target is not None:
            self._target.close()


async def main(port: int, target_port: int, milliseconds: int) -> None:
    make = partial(_Forth, target_port, milliseconds / 1000)
    server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", port, backlog=1000)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:])))
