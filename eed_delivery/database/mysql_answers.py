"""Reads the answers of MariaDB and MySQL to several statements in one request, in less CPU than PyMySQL takes.

PyMySQL describes each column of each answer anew, through a dozen calls, and makes an object of every packet. The same
few statements are executed for every email. Here their columns are described once. PyMySQL still reads the packets,
raises the errors and chooses the conversion of each column.

https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_query_response.html
"""

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from operator import methodcaller
from typing import Any

from pymysql.connections import MySQLResult
from pymysql.constants import COMMAND, SERVER_STATUS
from pymysql.err import InterfaceError
from pymysql.protocol import MysqlPacket

from eed_delivery.database.mysql_connection import DECODERS

_Convert = Callable[[bytes], Any]
_Answer = tuple[int, list[list[Any]]]
"""How many rows a statement matched or found, and the values of those it found."""

# https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_dt_integers.html
_NULL = 0xFB
_LENGTHS = {0xFC: 2, 0xFD: 3, 0xFE: 8}
"""The octets of a number that does not fit into the first one."""
_EOF = 0xFE
_EOF_BELOW = 9
"""A packet that begins like EOF and is as long as this is a row, whose first value is longer than 16 MB."""


class _Packet:
    """The part of PyMySQL's packet class that its connection uses, and the packet's bytes."""

    __slots__ = ("data",)

    def __init__(self, data: bytes, _encoding: str) -> None:
        self.data = data

    def is_error_packet(self) -> bool:
        return self.data[0] == 0xFF

    def raise_for_error(self) -> None:
        MysqlPacket(self.data, "utf8").raise_for_error()


def answers_to(driver: Any, text: str, statements: int) -> list[_Answer]:
    """Send `text`, which holds `statements` statements, and read the answer to each. Raises what PyMySQL raises.

    An answer is how many rows a statement matched or found, and the values of those it found.
    """
    driver._execute_command(COMMAND.COM_QUERY, text)
    read = partial(driver._read_packet, _Packet)
    answers: list[_Answer] = []
    status = SERVER_STATUS.SERVER_MORE_RESULTS_EXISTS
    while status & SERVER_STATUS.SERVER_MORE_RESULTS_EXISTS:
        answer, status = _answer(driver, read)
        answers.append(answer)
    driver.server_status = status
    if len(answers) != statements:
        raise InterfaceError(0, f"{len(answers)} answers to {statements} statements")
    return answers


def _answer(driver: Any, read: Callable[[], _Packet]) -> tuple[_Answer, int]:
    """One answer, and the server's status after it."""
    first = read().data
    if first[0] == 0:
        matched, at = _number(first, 1)
        _, at = _number(first, at)  # the last number that was given by AUTO_INCREMENT
        return (matched, []), int.from_bytes(first[at : at + 2], "little")
    if first[0] == _NULL:
        raise InterfaceError(0, "the server asks for a local file")
    columns = tuple([read().data for _ in range(_number(first, 0)[0])])
    read()  # EOF: the columns' end
    converts = _converts(columns, driver.encoding)
    rows: list[list[Any]] = []
    data = read().data
    while data[0] != _EOF or len(data) >= _EOF_BELOW:
        rows.append(_row(data, converts))
        data = read().data
    return (len(rows), rows), int.from_bytes(data[3:5], "little")


def _row(data: bytes, converts: Sequence[_Convert]) -> list[Any]:
    values: list[Any] = []
    at = 0
    for convert in converts:
        length = data[at]
        at += 1
        if length == _NULL:
            values.append(None)
            continue
        if length > _NULL:
            length, at = _number(data, at - 1)
        end = at + length
        values.append(convert(data[at:end]))
        at = end
    return values


def _number(data: bytes, at: int) -> tuple[int, int]:
    """A length-encoded number, and where it ends."""
    octets = _LENGTHS.get(data[at])
    if octets is None:
        return data[at], at + 1
    end = at + 1 + octets
    return int.from_bytes(data[at + 1 : end], "little"), end


class _ColumnReader:
    """Stands in for a connection.

    It gives PyMySQL the packets that describe columns, so that it chooses the conversions.
    """

    use_unicode = True
    decoders = DECODERS

    def __init__(self, columns: Sequence[bytes], encoding: str) -> None:
        self.encoding = encoding
        self._packets = iter([*columns, b"\xfe\0\0\0\0"])

    def _read_packet(self, kind: Any = MysqlPacket) -> Any:
        return kind(next(self._packets), self.encoding)


@lru_cache(maxsize=200)
def _converts(columns: tuple[bytes, ...], encoding: str) -> list[_Convert]:
    """The conversions from bytes to values for such columns."""
    result: Any = MySQLResult(_ColumnReader(columns, encoding))  # type: ignore[arg-type]
    result.field_count = len(columns)
    result._get_descriptions()
    return [_convert(codec, converter) for codec, converter in result.converters]


def _convert(codec: str | None, converter: Callable[[Any], Any] | None) -> _Convert:
    if converter is int:
        return int  # it reads digits from bytes, too
    decode: _Convert = bytes if codec is None else methodcaller("decode", codec)
    if converter is None:
        return decode
    return lambda data: converter(decode(data))
