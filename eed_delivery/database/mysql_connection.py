"""PyMySQL's connection, with what TLS needs made once an hour and not for each connection.

To read the system's certificates takes 40 ms of CPU and a megabyte, the rest of connecting half a millisecond; and
PyMySQL reads them for each connection, even to a server that has no TLS.
"""

import ssl
import threading
import time
from typing import TYPE_CHECKING, Any

from pymysql.connections import Connection

if TYPE_CHECKING:
    _Connection = Connection[Any]
else:
    _Connection = Connection

FRESH_SECONDS = 3600.0
"""A CA file that was exchanged counts after so long at the latest, without a restart."""


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


class MySqlConnection(_Connection):
    """What PyMySQL makes for each connection is made for all that want the same."""

    def _create_ssl_ctx(self, sslp: Any) -> ssl.SSLContext:
        return _contexts.get(self, sslp)

    def new_context(self, options: Any) -> ssl.SSLContext:
        """As PyMySQL makes it."""
        context: ssl.SSLContext = super()._create_ssl_ctx(options)  # type: ignore[misc]  # the stubs know no private parts
        return context


def connect(_dialect: Any, _record: Any, arguments: list[Any], options: dict[str, Any]) -> MySqlConnection:
    """For SQLAlchemy's event `do_connect`."""
    return MySqlConnection(*arguments, **options)
