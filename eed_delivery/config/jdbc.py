"""The old server's JDBC URLs. Options are translated to what PyMySQL knows, or named as ignored with the reason.

https://dev.mysql.com/doc/connector-j/en/connector-j-reference-jdbc-url-format.html
https://mariadb.com/docs/connectors/mariadb-connector-j/about-mariadb-connector-j
"""

import re
from dataclasses import dataclass
from urllib.parse import unquote, unquote_plus

from sqlalchemy import URL

from eed_delivery.config.database_address import DatabaseUrl, Tls, UnusableUrl

FORM = re.compile(
    r"jdbc:(mysql|mariadb):(?P<kind>[^/]*)//(?P<server>[^/?]*)(/(?P<database>[^?]*))?(\?(?P<options>.*))?", re.DOTALL
)
SERVER = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[^\s:\[\]()@]*)(:(?P<port>[0-9]{1,5}))?")

TLS_MODES: dict[str, Tls] = {
    "disabled": "off",
    "disable": "off",
    "preferred": "preferred",
    "required": "unverified",
    "trust": "unverified",
    "verify_ca": "verify_ca",
    "verify_identity": "verify_identity",
    "verify_full": "verify_identity",
}

_TEXT = "text is always utf8mb4"
_RECONNECT = "a lost connection is always replaced"
_TIME = "times are compared by the database's own clock"
_TUNING = "it tunes the Java driver"
_KEY_STORE = "Java key stores are not supported. Give the CA's certificate as PEM in database.ca_file"

IGNORED = {
    "useunicode": _TEXT,
    "characterencoding": _TEXT,
    "charactersetresults": _TEXT,
    "connectioncollation": _TEXT,
    "autoreconnect": _RECONNECT,
    "autoreconnectforpools": _RECONNECT,
    "maxreconnects": _RECONNECT,
    "failoverreadonly": _RECONNECT,
    "servertimezone": _TIME,
    "connectiontimezone": _TIME,
    "forceconnectiontimezonetosession": _TIME,
    "usetimezone": _TIME,
    "uselegacydatetimecode": _TIME,
    "usejdbccompliantimezoneshift": _TIME,
    "usejdbccomplianttimezoneshift": _TIME,
    "rewritebatchedstatements": _TUNING,
    "usebulkstmts": _TUNING,
    "cacheprepstmts": _TUNING,
    "prepstmtcachesize": _TUNING,
    "prepstmtcachesqllimit": _TUNING,
    "useserverprepstmts": _TUNING,
    "uselocalsessionstate": _TUNING,
    "cacheresultsetmetadata": _TUNING,
    "cacheserverconfiguration": _TUNING,
    "elidesetautocommits": _TUNING,
    "maintaintimestats": _TUNING,
    "usecursorfetch": _TUNING,
    "defaultfetchsize": _TUNING,
    "tinyint1isbit": _TUNING,
    "zerodatetimebehavior": "the Java driver's date type is not used",
    "tcpkeepalive": "it is always on",
    "allowpublickeyretrieval": "the driver asks the server for its key by itself",
    "allowmultiqueries": "the service decides by itself when several statements go in one request",
    "sessionvariables": "set them in the server's configuration",
    "trustcertificatekeystoreurl": _KEY_STORE,
    "trustcertificatekeystorepassword": _KEY_STORE,
    "trustcertificatekeystoretype": _KEY_STORE,
    "clientcertificatekeystoreurl": _KEY_STORE,
    "clientcertificatekeystorepassword": _KEY_STORE,
    "clientcertificatekeystoretype": _KEY_STORE,
    "serversslcert": "give the CA's certificate as PEM in database.ca_file",
}
TRANSLATED = {
    "user": "the user",
    "password": "the password",
    "usessl": "TLS",
    "requiressl": "TLS",
    "sslmode": "TLS",
    "verifyservercertificate": "TLS",
    "connecttimeout": "the connect timeout",
    "sockettimeout": "the read timeout",
}


@dataclass(frozen=True, slots=True)
class Server:
    """Who and where, as the part between `//` and `/` says it."""

    user: str | None
    password: str | None
    host: str
    port: int


def parse_jdbc_url(text: str) -> DatabaseUrl:
    """Translate a `jdbc:mysql:` or `jdbc:mariadb:` URL. Raises UnusableUrl, which never quotes it.

    Copied out of an XML file, its `&` may be `&amp;`, which is understood.
    """
    form = FORM.fullmatch(text)
    if form is None:
        raise UnusableUrl("this JDBC URL is not understood", "Write jdbc:mysql://host:3306/database?options.")
    server = _server(form["server"], form["kind"])
    if not form["database"]:
        raise UnusableUrl("it names no database", "Write jdbc:mysql://host:3306/database?options.")
    options, names = _options(form["options"] or "")
    url = URL.create(
        "mysql+pymysql",
        username=options.get("user", server.user),
        password=options.get("password", server.password),
        host=server.host,
        port=server.port,
        database=unquote(form["database"]),
    )
    return DatabaseUrl(
        url,
        tls=_tls(options),
        weakening=_weakening(options),
        connect_timeout_seconds=_milliseconds(options, "connecttimeout"),
        read_timeout_seconds=_milliseconds(options, "sockettimeout"),
        notes=tuple(_note(name, options) for name in names),
    )


def _server(text: str, kind: str) -> Server:
    userinfo, _, place = text.rpartition("@")
    if kind or "," in place or "(" in place:
        raise UnusableUrl(
            "it names several servers or a failover scheme", "Name one server, the one that accepts writes."
        )
    server = SERVER.fullmatch(place)
    port = int(server["port"] or 3306) if server else 0
    if server is None or not 1 <= port <= 65_535:
        raise UnusableUrl("its host and port are not understood", "Write jdbc:mysql://host:3306/database?options.")
    user, colon, password = userinfo.partition(":")
    host = server["host"].strip("[]") or "localhost"
    return Server(unquote(user) or None, unquote(password) if colon else None, host, port)


def _options(text: str) -> tuple[dict[str, str], list[str]]:
    """The options by lower-case name, as Connector/J compares them, and their names as they were written."""
    options: dict[str, str] = {}
    names = []
    for part in filter(None, text.replace("&amp;", "&").split("&")):
        name, _, value = part.partition("=")
        name = unquote_plus(name).strip()
        options[name.lower()] = unquote_plus(value)
        names.append(name)
    return options, names


def _tls(options: dict[str, str]) -> Tls | None:
    if "sslmode" in options:
        mode = options["sslmode"].lower().replace("-", "_")
        if mode not in TLS_MODES:
            raise UnusableUrl(
                "its sslMode is not one of Connector/J's",
                "Use DISABLED, PREFERRED, REQUIRED, VERIFY_CA or VERIFY_IDENTITY.",
            )
        return TLS_MODES[mode]
    wanted = _flag(options, "usessl")
    if wanted is False:
        return "off"
    if wanted or _flag(options, "requiressl"):
        return "verify_ca" if _flag(options, "verifyservercertificate") else "unverified"
    return None


def _weakening(options: dict[str, str]) -> tuple[str, ...]:
    return ("verifyServerCertificate",) if _flag(options, "verifyservercertificate") is False else ()


def _flag(options: dict[str, str], name: str) -> bool | None:
    value = options.get(name)
    if value is None:
        return None
    if value.lower() not in ("true", "false", "yes", "no", "1", "0"):
        raise UnusableUrl(f"its option {name} is neither true nor false", "Write true or false.")
    return value.lower() in ("true", "yes", "1")


def _milliseconds(options: dict[str, str], name: str) -> float | None:
    """JDBC's timeouts are milliseconds, and 0 is none at all, which this service does not do."""
    value = options.get(name)
    if value is None:
        return None
    if not re.fullmatch(r"[0-9]{1,10}", value):
        raise UnusableUrl(f"its option {name} is not a number of milliseconds", "Write, for example, 30000.")
    return int(value) / 1000 or None


def _note(name: str, options: dict[str, str]) -> str:
    """What became of an option. Its value is never shown, because an option we don't know may hold anything."""
    key = name.lower()
    if key in ("connecttimeout", "sockettimeout") and not options[key].strip("0"):
        return f"{name}: ignored, because a limit is needed, so the one in [database] applies"
    if key in TRANSLATED:
        return f"{name}: translated ({TRANSLATED[key]})"
    if key in IGNORED:
        return f"{name}: ignored, {IGNORED[key]}"
    shown = name if re.fullmatch(r"[A-Za-z][A-Za-z0-9._]{0,63}", name) else "an option without a readable name"
    return f"{shown}: ignored, this service does not know it"
