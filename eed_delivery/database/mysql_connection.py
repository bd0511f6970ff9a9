"""PyMySQL's connection, with our conversions of values and with TLS contexts that connections share.

To read the system's certificates takes 40 ms of CPU and a megabyte, the rest of connecting half a millisecond. PyMySQL
reads them for each connection, even to a server without TLS. Here they are read once an hour. Without a CA file PyMySQL
verifies no host name. Here it does, by the system's CAs.
"""

import ssl
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pymysql.connections import Connection
from pymysql.constants import CR, FIELD_TYPE
from pymysql.converters import conversions, convert_date, convert_datetime
from pymysql.err import OperationalError

if TYPE_CHECKING:
    _Connection = Connection[Any]
else:
    _Connection = Connection

FRESH_SECONDS = 3600.0
"""A CA file that was replaced is read again after this time at the latest, without a restart."""
ZERO_DATE = "0000-00-00"


def _bit(data: bytes) -> int:
    """BIT(1) is 0 or 1, BIT(n) its number, as in `SELECT flags + 0`. PyMySQL gives bytes.

    https://dev.mysql.com/doc/refman/8.0/en/bit-value-literals.html
    """
    return int.from_bytes(data, "big")


def _date(text: str) -> Any:
    return None if text == ZERO_DATE else convert_date(text)


def _datetime(text: str) -> Any:
    return None if text.startswith(ZERO_DATE) else convert_datetime(text)


def _year(text: str) -> int | None:
    return int(text) or None


CONVERSIONS: dict[Any, Any] = conversions | {
    FIELD_TYPE.BIT: _bit,
    # The "zero" values are NULL, as Connector/ODBC has them: https://dev.mysql.com/doc/refman/8.0/en/date-and-time-types.html
    # PyMySQL gives texts like "0000-00-00".
    FIELD_TYPE.DATE: _date,
    FIELD_TYPE.NEWDATE: _date,
    FIELD_TYPE.DATETIME: _datetime,
    FIELD_TYPE.TIMESTAMP: _datetime,
    FIELD_TYPE.YEAR: _year,
}
"""For PyMySQL's `conv`: how it writes values, by Python's types, and how it reads them, by the column's type."""
DECODERS: dict[int, Any] = {kind: read for kind, read in CONVERSIONS.items() if isinstance(kind, int)}
"""The conversions for reading."""


class _Contexts:
    """TLS contexts by what they were made from. Safe for many threads."""

    def __init__(self) -> None:
        self._made: dict[str, tuple[float, ssl.SSLContext]] = {}
        self._lock = threading.Lock()

    def get(self, connection: "MySqlConnection", options: Any) -> ssl.SSLContext:
        key = repr(options)
        with self._lock:  # 16 threads that connect at the same time read the certificates once
            until, context = self._made.get(key, (0.0, None))
            if context is None or time.monotonic() > until:
                context = connection.new_context(options)
                self._made[key] = (time.monotonic() + FRESH_SECONDS, context)
            return context


_contexts = _Contexts()


@dataclass(frozen=True, slots=True)
class TlsState:
    """How a connection is encrypted, and what is known about its other end."""

    version: str
    cipher: str
    certificate_verified: bool
    name_verified: bool


class MySqlConnection(_Connection):
    """Connections with the same TLS options share a context.

    SQLAlchemy gives a part of the TLS options as `ssl`, a form that PyMySQL no longer uses. Beside the other part,
    PyMySQL would ignore it. They are given as one.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        given = options.pop("ssl", None)
        if isinstance(given, dict):
            options |= {f"ssl_{name}": value for name, value in given.items() if name in ("ca", "cert", "key")}
        elif given is not None:
            options["ssl"] = given
        for name in ("ssl_verify_cert", "ssl_verify_identity", "ssl_disabled"):
            if isinstance(options.get(name), str):  # through a URL
                options[name] = options[name] == "true"
        if options.get("ssl_verify_cert") is False:
            # Given as separate options, PyMySQL would take "verify nothing" for "TLS is not needed".
            given = {name: options.pop(f"ssl_{name}") for name in ("cert", "key") if f"ssl_{name}" in options}
            options["ssl"] = given | {"verify_mode": False, "check_hostname": False}
        super().__init__(*arguments, **options)

    @property
    def tls(self) -> TlsState | None:
        """None means that what passes can be read on the way."""
        socket: object = self._sock  # type: ignore[attr-defined]  # the stubs know no private parts
        if not isinstance(socket, ssl.SSLSocket):
            return None
        cipher, context = socket.cipher(), socket.context
        return TlsState(
            socket.version() or "TLS",
            cipher[0] if cipher else "an unknown cipher",
            context.verify_mode == ssl.CERT_REQUIRED,
            context.check_hostname,
        )

    def _create_ssl_ctx(self, sslp: Any) -> ssl.SSLContext:
        return _contexts.get(self, sslp)

    def new_context(self, options: Any) -> ssl.SSLContext:
        """As PyMySQL makes it, and with the server's name verified where that is asked for.

        Raises `OperationalError` where a file of it cannot be used: as of a certificate, that may be mended meanwhile.
        """
        try:
            context: ssl.SSLContext = super()._create_ssl_ctx(options)  # type: ignore[misc]  # the stubs know no private parts
        except OSError as error:  # ssl.SSLError is one
            names = " or ".join(f"{key} {options[key]}" for key in ("ca", "cert", "key") if options.get(key))
            why = error.strerror or str(error)
            raise OperationalError(CR.CR_SSL_CONNECTION_ERROR, f"the file of {names} cannot be used: {why}") from error
        if options.get("check_hostname"):
            context.check_hostname = True  # which refuses a context that verifies no certificate
        return context


def connect(_dialect: Any, _record: Any, arguments: list[Any], options: dict[str, Any]) -> MySqlConnection:
    """For SQLAlchemy's event `do_connect`."""
    if isinstance(options.get("password"), str):
        # PyMySQL would write it in latin1. The server keeps what came with the CREATE USER, in UTF-8 as a rule, and
        # JDBC's driver sends it so (passwordCharacterEncoding).
        options = {**options, "password": options["password"].encode()}
    return MySqlConnection(*arguments, conv=CONVERSIONS, **options)
