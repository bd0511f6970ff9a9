"""The database's URL: SQLAlchemy's own, or the old server's JDBC one."""

import difflib
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from eed_delivery.config.database_address import DatabaseUrl, Tls, UnusableUrl
from eed_delivery.config.jdbc import parse_jdbc_url

# What PyMySQL's connect() takes and an operator may want; anything else would fail at the first connection.
MYSQL_OPTIONS = frozenset(
    {
        "bind_address",
        "charset",
        "connect_timeout",
        "program_name",
        "read_timeout",
        "ssl_ca",
        "ssl_cert",
        "ssl_check_hostname",
        "ssl_disabled",
        "ssl_key",
        "ssl_verify_cert",
        "ssl_verify_identity",
        "unix_socket",
        "write_timeout",
    }
)
MYSQL_DRIVERS = frozenset({"mysql", "mariadb", "mysql+pymysql", "mariadb+pymysql"})
SQLITE_DRIVERS = frozenset({"sqlite", "sqlite+pysqlite"})


def parse_database_url(text: str) -> DatabaseUrl:
    """Read a SQLAlchemy or JDBC URL. Raises UnusableUrl, which never quotes it."""
    text = text.strip()
    return parse_jdbc_url(text) if text.startswith("jdbc:") else _parse_sqlalchemy_url(text)


def _parse_sqlalchemy_url(text: str) -> DatabaseUrl:
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise UnusableUrl(
            "it is not a database URL",
            "Write mysql+pymysql://user@host:3306/database (percent-encode special characters), "
            "jdbc:mysql://host:3306/database or sqlite:////path/to/file.",
        ) from None
    if url.drivername in SQLITE_DRIVERS:
        return DatabaseUrl(url.set(drivername="sqlite"))
    if url.drivername not in MYSQL_DRIVERS:
        raise UnusableUrl(
            f"{url.drivername!r} is not a database this service works with",
            "Use MySQL or MariaDB through PyMySQL (mysql+pymysql://…). SQLite is for the demo.",
        )
    if not url.database:
        raise UnusableUrl("it names no database", "End it with the database, like mysql+pymysql://host/database.")
    return _mysql(url)


def _mysql(url: URL) -> DatabaseUrl:
    _refuse_unknown_options(url)
    options = {key: value if isinstance(value, str) else value[-1] for key, value in url.query.items()}
    charset = options.pop("charset", "utf8mb4")
    options.pop("write_timeout", None)
    wanted = _tls(options)
    return DatabaseUrl(
        url.set(drivername="mysql+pymysql", query={key: options[key] for key in options if "timeout" not in key}),
        tls=wanted.tls,
        ca_file=wanted.ca_file,
        weakening=wanted.weakening,
        connect_timeout_seconds=_seconds(options.get("connect_timeout")),
        read_timeout_seconds=_seconds(options.get("read_timeout")),
        notes=() if charset == "utf8mb4" else ("charset: ignored, text is always utf8mb4",),
    )


@dataclass(frozen=True, slots=True)
class _WantedTls:
    tls: Tls | None
    ca_file: Path | None
    weakening: tuple[str, ...]


def _tls(options: dict[str, str]) -> _WantedTls:
    """What the options say about TLS, which are taken out of `options`."""
    off = _flag(options, "ssl_disabled")
    cert, name = _flag(options, "ssl_verify_cert"), _flag(options, "ssl_verify_identity")
    checks_name = _flag(options, "ssl_check_hostname")
    ca = options.pop("ssl_ca", None)
    names = {"ssl_verify_cert": cert, "ssl_verify_identity": name, "ssl_check_hostname": checks_name}
    weakening = tuple(option for option, value in names.items() if value is False)
    if ca and cert is False:
        raise UnusableUrl("ssl_verify_cert=false turns off the check against ssl_ca", "Remove one of the two.")
    mode = _mode(off, cert, name if checks_name is None else checks_name, ca)
    return _WantedTls(mode, Path(ca) if ca else None, weakening)


def _mode(off: bool | None, cert: bool | None, name: bool | None, ca: str | None) -> Tls | None:
    if off:
        return "off"
    if cert is False:
        return "unverified"
    if name is False:
        return "verify_ca"
    return "verify_identity" if ca or cert or name else None


def _flag(options: dict[str, str], name: str) -> bool | None:
    """A yes or no, taken out of `options`. None where it is not given."""
    text = options.pop(name, None)
    if text is None:
        return None
    if text.lower() in ("true", "1", "yes", "on"):
        return True
    if text.lower() in ("false", "0", "no", "off"):
        return False
    raise UnusableUrl(f"its {name} is neither true nor false", "Give one of the two.")


def _refuse_unknown_options(url: URL) -> None:
    for option in url.query:
        if option not in MYSQL_OPTIONS:
            close = difflib.get_close_matches(option, MYSQL_OPTIONS, n=1)
            raise UnusableUrl(
                f"PyMySQL has no option {option!r}" if option.isidentifier() else "it has an unreadable option",
                f"Did you mean {close[0]!r}?" if close else f"Known are {', '.join(sorted(MYSQL_OPTIONS))}.",
            )


def _seconds(text: str | None) -> float | None:
    if text is None:
        return None
    if not text.isdecimal() or int(text) == 0:
        raise UnusableUrl("a timeout in it is not a whole number of seconds", "Give one of 1 or more.")
    return float(text)
