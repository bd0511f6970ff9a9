"""`python -m benchmarks.lean_sink PORT`: an SMTP server that takes everything, where smtp-sink cannot be had."""

import asyncio
import sys


class Session(asyncio.Protocol):
    """One connection. Contents are not kept, only searched for their end."""

    taken = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._buffer = bytearray()
        self._in_data = False
        self._say("220 lean-sink ESMTP")

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while self._content() if self._in_data else self._command():
            pass

    def _content(self) -> bool:
        end = self._buffer.find(b"\r\n.\r\n")
        if end < 0:
            del self._buffer[:-4]  # the end may have come in two pieces
            return False
        del self._buffer[: end + 5]
        self._in_data = False
        Session.taken += 1
        print(f"mesg={Session.taken}", flush=True)
        self._say("250 2.0.0 Ok")
        return True

    def _command(self) -> bool:
        line, found, rest = self._buffer.partition(b"\r\n")
        if not found:
            return False
        self._buffer = rest
        self._obey(bytes(line[:4]).upper())
        return True

    def _obey(self, verb: bytes) -> None:
        match verb:
            case b"EHLO":
                self._say("250-lean-sink\r\n250-PIPELINING\r\n250 8BITMIME")
            case b"DATA":
                self._in_data = True
                self._say("354 go on")
            case b"QUIT":
                self._say("221 bye")
                self._transport.close()
            case _:
                self._say("250 2.0.0 Ok")

    def _say(self, words: str) -> None:
        self._transport.write(words.encode() + b"\r\n")


async def main(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Session, "127.0.0.1", port, backlog=1000)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
