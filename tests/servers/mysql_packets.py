"""As much of the MySQL client/server protocol as a proxy needs: packets, statements, errors. No TLS, no compression."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

HEADER = 4
COM_QUIT, COM_QUERY = 0x01, 0x03
_LONGEST = 0xFFFFFF
_CHANGES = re.compile(r"\s*(?:INSERT|UPDATE|DELETE|REPLACE)\b", re.IGNORECASE)
_READS = re.compile(r"\s*SELECT\b.*\bFROM\b", re.IGNORECASE | re.DOTALL)
STATEMENT_SHOWN = 4000


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet as it came, header and all."""

    data: bytes

    @property
    def sequence(self) -> int:
        return self.data[3]

    @property
    def is_query(self) -> bool:
        """A statement as text. In the handshake the client's first packet is number 1; a command is number 0."""
        return self.sequence == 0 and len(self.data) > HEADER and self.data[HEADER] == COM_QUERY

    @property
    def statement(self) -> str:
        """The beginning of the statement."""
        return self.data[HEADER + 1 : HEADER + 1 + STATEMENT_SHOWN].decode("utf-8", "replace")

    @property
    def is_ok(self) -> bool:
        return len(self.data) > HEADER and self.data[HEADER] == 0x00

    @property
    def changed_rows(self) -> bool:
        """Whether it is an OK that says so of at least one row."""
        return self.is_ok and len(self.data) > HEADER + 1 and self.data[HEADER + 1] != 0


@dataclass
class Packets:
    """Bytes in, whole packets out. A packet that goes on in the next one (16 MiB and more) is not for this proxy."""

    _buffer: bytearray = field(default_factory=bytearray)

    def feed(self, data: bytes) -> Iterator[Packet]:
        """The packets that are complete now."""
        self._buffer += data
        while len(self._buffer) >= HEADER:
            length = int.from_bytes(self._buffer[:3], "little")
            if length == _LONGEST:
                raise ValueError("a statement of 16 MiB or more")
            if len(self._buffer) < HEADER + length:
                return
            yield Packet(bytes(self._buffer[: HEADER + length]))
            del self._buffer[: HEADER + length]


def query(statement: str) -> bytes:
    """A statement as a client sends it."""
    return _packet(0, bytes([COM_QUERY]) + statement.encode())


def error(code: int, state: str, message: str) -> bytes:
    """An ERR packet that answers a command at once."""
    return _packet(1, b"\xff" + code.to_bytes(2, "little") + b"#" + state.encode() + message.encode())


def changes_rows(statement: str) -> bool:
    """Whether it is a statement that may change rows."""
    return _CHANGES.match(statement) is not None


def works_on_rows(statement: str) -> bool:
    """Whether it reads or changes a table's rows: what a driver asks when it connects does not."""
    return changes_rows(statement) or _READS.match(statement) is not None


def _packet(sequence: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "little") + bytes([sequence]) + payload
