"""A database's address in its parts, and how PyMySQL is told about it."""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from sqlalchemy import URL

Tls = Literal["off", "unverified", "verify_ca", "verify_identity"]


class UnusableUrl(ValueError):
    """The URL cannot be used. The text never quotes the URL: a password may be in it."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"{what}. {remedy}")
        self.what = what
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """A database URL in its parts. `tls` None leaves it to the driver; timeouts are seconds, None if not given."""

    url: URL
    tls: Tls | None = None
    connect_timeout_seconds: float | None = None
    read_timeout_seconds: float | None = None
    notes: tuple[str, ...] = ()

    @property
    def is_sqlite(self) -> bool:
        return self.url.get_backend_name() == "sqlite"

    def with_password(self, password: str) -> "DatabaseUrl":
        """The same, with a password that was given apart from the URL; it wins over the one in the URL."""
        return replace(self, url=self.url.set(password=password))

    def for_pymysql(self, *, ca_file: Path | None, connect_seconds: float, read_seconds: float) -> URL:
        """The URL for `create_engine`, with all that PyMySQL must know in its query. SQLite's stays as it is."""
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
        """PyMySQL checks the host name only if it is given a CA; with one, it checks both by default."""
        if ca_file is not None:
            return {"ssl_ca": str(ca_file), "ssl_check_hostname": "false" if self.tls == "verify_ca" else "true"}
        match self.tls:
            case "off":
                return {"ssl_disabled": "true"}
            case "unverified":
                return {"ssl_check_hostname": "false"}
            case "verify_ca" | "verify_identity":
                return {"ssl_verify_cert": "true"}
            case None:
                return {}
