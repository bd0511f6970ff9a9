"""A database's address in its parts, and the URL and options for PyMySQL."""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from sqlalchemy import URL

from eed_delivery.config.formats import is_loopback

Tls = Literal["off", "preferred", "unverified", "verify_ca", "verify_identity"]


class UnusableUrl(ValueError):
    """The URL cannot be used. The text never quotes the URL, because a password may be in it."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"{what}. {remedy}")
        self.what = what
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """A database URL in its parts.

    `tls` is None where nothing is said about it. Timeouts are in seconds, None if not given.

    `ca_file` is the URL's own. `weakening` are its options that ask for less than a CA file stands for.
    """

    url: URL
    tls: Tls | None = None
    ca_file: Path | None = None
    weakening: tuple[str, ...] = ()
    connect_timeout_seconds: float | None = None
    read_timeout_seconds: float | None = None
    notes: tuple[str, ...] = ()

    @property
    def is_sqlite(self) -> bool:
        return self.url.get_backend_name() == "sqlite"

    @property
    def is_local(self) -> bool:
        """Whether the database is reached without a network (SQLite, a socket, or a loopback address)."""
        return self.is_sqlite or "unix_socket" in self.url.query or is_loopback(self.url.host or "localhost")

    def effective_tls(self, ca_file: Path | None) -> Tls | None:
        """What is done about TLS. A CA file is always used, and across a network TLS is verified unless the URL says
        otherwise. None means TLS if the server offers it, unverified, as on a loopback address."""
        if ca_file is not None and self.tls in (None, "preferred", "unverified"):
            return "verify_identity"
        if self.tls in (None, "preferred"):
            return None if self.is_local else "verify_identity"
        return self.tls

    def with_password(self, password: str) -> "DatabaseUrl":
        """The same, with a password that was given apart from the URL. It wins over the one in the URL."""
        return replace(self, url=self.url.set(password=password))

    def for_pymysql(self, *, ca_file: Path | None, connect_seconds: float, read_seconds: float) -> URL:
        """The URL for `create_engine`, with all that PyMySQL must know in its query. SQLite's stays unchanged."""
        if self.is_sqlite:
            return self.url
        read = str(math.ceil(read_seconds))  # PyMySQL's timeouts are whole seconds through a URL
        options = {
            "charset": "utf8mb4",
            "connect_timeout": str(math.ceil(connect_seconds)),
            "read_timeout": read,
            "write_timeout": read,
        }
        return self.url.update_query_dict(options | self._tls_options(ca_file))

    def _tls_options(self, ca_file: Path | None) -> dict[str, str]:
        """PyMySQL's own options. Without a CA file the system's CAs are asked (`mysql_connection`)."""
        ca = ca_file or self.ca_file
        mode = self.effective_tls(ca)
        if mode == "off":
            return {"ssl_disabled": "true"}
        if mode is None:
            return {}
        options = {"ssl_ca": str(ca)} if ca else {}
        options["ssl_verify_cert"] = "false" if mode == "unverified" else "true"
        options["ssl_verify_identity"] = "true" if mode == "verify_identity" else "false"
        return options
