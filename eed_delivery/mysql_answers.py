"""Reading what MariaDB and MySQL answer to several statements in one request, in a third of the time PyMySQL takes.

PyMySQL describes each column of each answer anew, through a dozen calls, and makes objects of every packet. The same
few statements come by for every email: their columns are described once. What becomes of a column's bytes, and which
exception of an error, is still PyMySQL's to say.

https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_query_response.html
"""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from itertools import count
from operator import methodcaller
from typing import Any

from pymysql.connections import MAX_PACKET_LEN, MySQLResult
from pymysql.constants import COMMAND, CR, SERVER_STATUS
from pymysql.converters import decoders
from pymysql.err import DatabaseError, InterfaceError, OperationalError, raise_mysql_exception
from pymysql.protocol import MysqlPacket

Convert = Callable[[bytes], Any]
Answer = tuple[int, list[list[Any]]]
"""How many rows a statement matched or found, and the values of those it found."""

# https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_dt_integers.html
_NULL = 0xFB
_LENGTHS = {0xFC: 2, 0xFD: 3, 0xFE: 8}
"""The octets that a number takes which does not fit into the first one."""
_ERROR = 0xFF
_EOF = 0xFE
_EOF_BELOW = 9
"""A packet that begins like EOF and is as long as this is a row, whose first value is longer than 16 MB."""


def answers_to(driver: Any, text: str, statements: int) -> list[Answer]:
    """Send `text`, which holds so many statements, and read the answer to each. Raises what PyMySQL raises.

    After a server's error nothing more comes. After any other the rest of the answers may still be on its way: the
    connection is closed, as PyMySQL does it.
    """
    driver._execute_command(COMMAND.COM_QUERY, text)
    if driver._current_timeout != driver._read_timeout:
        driver._sock.settimeout(driver._read_timeout)
        driver._current_timeout = driver._read_timeout
    try:
        answers = _answers(driver)
    except DatabaseError:
        raise
    except OSError as error:
        driver._force_close()
        raise OperationalError(CR.CR_SERVER_LOST, f"Lost connection to MySQL server during query ({error})") from error
    except BaseException:
        driver._force_close()
        raise
    if len(answers) != statements:
        raise InterfaceError(0, f"{len(answers)} answers to {statements} statements")
    return answers


def _answers(driver: Any) -> list[Answer]:
    read = partial(_packet, driver._rfile.read, count(1))
    answers: list[Answer] = []
    status = SERVER_STATUS.SERVER_MORE_RESULTS_EXISTS
    while status & SERVER_STATUS.SERVER_MORE_RESULTS_EXISTS:
        answer, status = _answer(driver, read)
        answers.append(answer)
    driver.server_status = status
    return answers


def _packet(read: Callable[[int], bytes], numbers: Iterator[int]) -> bytes:
    """The next packet's content, and that of those which go on with it. Raises ConnectionError when it is cut off.

    https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_packets.html
    """
    header = read(4)
    if len(header) < 4 or header[3] != next(numbers) & 0xFF:
        raise ConnectionError("no packet, or not the next one")
    length = header[0] | header[1] << 8 | header[2] << 16
    data = read(length)
    if len(data) < length:
        raise ConnectionError("half a packet")
    return data + _packet(read, numbers) if length == MAX_PACKET_LEN else data


def _answer(driver: Any, read: Callable[[], bytes]) -> tuple[Answer, int]:
    """One answer, and the server's status after it."""
    first = read()
    if first[0] == _ERROR:
        raise_mysql_exception(first)
    if first[0] == 0:
        matched, at = _number(first, 1)
        _, at = _number(first, at)  # the last number that was given by AUTO_INCREMENT
        return (matched, []), int.from_bytes(first[at : at + 2], "little")
    if first[0] == _NULL:
        raise ConnectionError("the server asks for a local file")
    columns = tuple([read() for _ in range(_number(first, 0)[0])])
    read()  # EOF: the columns' end
    converts = _converts(columns, driver.encoding)
    rows: list[list[Any]] = []
    data = read()
    while data[0] != _EOF or len(data) >= _EOF_BELOW:
        if data[0] == _ERROR:
            raise_mysql_exception(data)
        rows.append(_row(data, converts))
        data = read()
    return (len(rows), rows), int.from_bytes(data[3:5], "little")


def _row(data: bytes, converts: Sequence[Convert]) -> list[Any]:
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


class _Told:
    """In place of a connection: gives PyMySQL the packets that describe columns, so that it decides what their bytes
    are."""

    use_unicode = True
    decoders = decoders

    def __init__(self, columns: Sequence[bytes], encoding: str) -> None:
        self.encoding = encoding
        self._packets = iter([*columns, b"\xfe\0\0\0\0"])

    def _read_packet(self, kind: Any = MysqlPacket) -> Any:
        return kind(next(self._packets), self.encoding)


@lru_cache(maxsize=200)
def _converts(columns: tuple[bytes, ...], encoding: str) -> list[Convert]:
    """What makes values of the bytes of such columns."""
    result: Any = MySQLResult(_Told(columns, encoding))  # type: ignore[arg-type]
    result.field_count = len(columns)
    result._get_descriptions()
    return [_convert(codec, converter) for codec, converter in result.converters]


def _convert(codec: str | None, converter: Callable[[Any], Any] | None) -> Convert:
    if converter is int:
        return int  # it reads digits from bytes, too
    decode: Convert = bytes if codec is None else methodcaller("decode", codec)
    if converter is None:
        return decode
    return lambda data: converter(decode(data))
