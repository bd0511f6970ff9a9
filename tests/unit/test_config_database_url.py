"""Database URLs: SQLAlchemy's, and the old server's JDBC ones."""

import ssl
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from sqlalchemy import create_engine

from eed_delivery.config import DatabaseSettings
from eed_delivery.config.database_address import UnusableUrl
from eed_delivery.config.database_url import parse_database_url
from eed_delivery.database.mysql_connection import MySqlConnection

OLD_SERVERS = "jdbc:mysql://db.example:3307/delivery?useUnicode=true&characterEncoding=utf8&autoReconnect=true"


def settings(url: str, **more: Any) -> DatabaseSettings:
    return DatabaseSettings(url=SecretStr(url), **more)


def connect_arguments(database: DatabaseSettings) -> dict[str, Any]:
    """What PyMySQL is really called with."""
    url = database.sqlalchemy_url()
    _, arguments = create_engine(url).dialect.create_connect_args(url)
    return arguments


def test_the_old_servers_url_is_understood() -> None:
    database = settings(OLD_SERVERS)
    assert database.sqlalchemy_url().render_as_string() == (
        "mysql+pymysql://db.example:3307/delivery?charset=utf8mb4&connect_timeout=10&read_timeout=60"
        "&ssl_verify_cert=true&ssl_verify_identity=true&write_timeout=60"
    )
    assert database.url_notes == (
        "useUnicode: ignored, text is always utf8mb4",
        "characterEncoding: ignored, text is always utf8mb4",
        "autoReconnect: ignored, a lost connection is always replaced",
    )


def test_pymysql_takes_every_argument_we_make() -> None:
    database = settings(f"{OLD_SERVERS}&useSSL=true&connectTimeout=2500&socketTimeout=90000&user=u&password=p%26q")
    arguments = connect_arguments(database)
    assert arguments.pop("client_flag") is not None
    assert arguments == {
        "host": "db.example",
        "port": 3307,
        "database": "delivery",
        "user": "u",
        "password": "p&q",
        "charset": "utf8mb4",
        "connect_timeout": 3,
        "read_timeout": 90,
        "write_timeout": 90,
        "ssl_verify_cert": "false",
        "ssl_verify_identity": "false",
    }
    assert not MySqlConnection(defer_connect=True, **arguments).open


def context_of(database: DatabaseSettings) -> ssl.SSLContext | None:
    connection = MySqlConnection(defer_connect=True, **{"user": "u", **connect_arguments(database)})
    return connection.ctx if connection.ssl else None


@pytest.mark.parametrize(
    ("options", "verify", "check_name"),
    [
        ("useSSL=true", ssl.CERT_NONE, False),
        ("requireSSL=true", ssl.CERT_NONE, False),
        ("sslMode=REQUIRED", ssl.CERT_NONE, False),
        ("sslMode=trust", ssl.CERT_NONE, False),
        ("useSSL=true&verifyServerCertificate=true", ssl.CERT_REQUIRED, False),
        ("sslMode=VERIFY_CA", ssl.CERT_REQUIRED, False),
        ("sslMode=verify-ca", ssl.CERT_REQUIRED, False),
        ("", ssl.CERT_REQUIRED, True),
        ("sslMode=PREFERRED", ssl.CERT_REQUIRED, True),
        ("sslMode=VERIFY_IDENTITY", ssl.CERT_REQUIRED, True),
    ],
)
def test_tls_is_as_strict_as_the_url_says(options: str, verify: ssl.VerifyMode, check_name: bool) -> None:
    context = context_of(settings(f"jdbc:mysql://db.example/x?{options}"))
    assert context is not None
    assert (context.verify_mode, context.check_hostname) == (verify, check_name)


@pytest.mark.parametrize("options", ["useSSL=false", "useSSL=false&requireSSL=true", "sslMode=DISABLED"])
def test_tls_is_off_when_the_url_says_so(options: str) -> None:
    assert context_of(settings(f"jdbc:mariadb://db.example/x?{options}")) is None
    assert context_of(settings("mysql://db.example/x?ssl_disabled=true")) is None


@pytest.fixture
def ca_file(tmp_path: Path) -> Path:
    system = ssl.get_default_verify_paths().cafile
    if system is None:
        pytest.skip("this machine has no file of CA certificates to stand in for a CA")
    return Path(system)


@pytest.mark.parametrize(
    ("options", "check_name"),
    [("", True), ("?useSSL=true", True), ("?sslMode=VERIFY_IDENTITY", True), ("?sslMode=VERIFY_CA", False)],
)
def test_with_a_ca_the_server_is_checked(ca_file: Path, options: str, check_name: bool) -> None:
    context = context_of(settings(f"jdbc:mysql://db.example/x{options}", ca_file=ca_file))
    assert context is not None
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, check_name)


def test_a_timeout_that_is_set_wins_over_the_urls() -> None:
    url = "jdbc:mysql://db.example/x?connectTimeout=3000&socketTimeout=0"
    assert connect_arguments(settings(url))["connect_timeout"] == 3
    assert connect_arguments(settings(url, connect_timeout_seconds=10))["connect_timeout"] == 10
    assert connect_arguments(settings(url))["read_timeout"] == 60
    assert "socketTimeout: ignored, because a limit is needed" in settings(url).url_notes[1]
    assert connect_arguments(settings("mysql://db/x?read_timeout=7"))["read_timeout"] == 7


def test_an_ampersand_copied_from_xml_is_understood() -> None:
    parsed = parse_database_url("jdbc:mysql://db.example/x?user=u&amp;password=p&amp;useSSL=false")
    assert (parsed.url.username, parsed.url.password, parsed.tls) == ("u", "p", "off")


def test_an_unknown_option_is_named_without_its_value() -> None:
    notes = parse_database_url("jdbc:mysql://db/x?hunter2word=hunter2&hunter%202").notes
    assert notes == (
        "hunter2word: ignored, this service does not know it",
        "an option without a readable name: ignored, this service does not know it",
    )


def test_java_key_stores_are_named_as_what_they_are() -> None:
    (note,) = parse_database_url("jdbc:mysql://db/x?trustCertificateKeyStoreUrl=file:/x.jks").notes
    assert "database.ca_file" in note


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("jdbc:mysql://a,b/x", "several servers"),
        ("jdbc:mysql:replication://a,b/x", "several servers"),
        ("jdbc:mysql://address=(host=a)(port=1)/x", "several servers"),
        ("jdbc:mysql://db:99999/x", "host and port"),
        ("jdbc:mysql://db:3306/", "no database"),
        ("jdbc:mysql://db", "no database"),
        ("jdbc:oracle:thin:@db:1521:x", "not understood"),
        ("jdbc:mysql://db/x?sslMode=SOMETIMES", "sslMode"),
        ("jdbc:mysql://db/x?useSSL=perhaps", "neither true nor false"),
        ("jdbc:mysql://db/x?connectTimeout=soon", "milliseconds"),
        ("postgresql://db/x", "is not a database this service works with"),
        ("mysql+mysqldb://db/x", "PyMySQL"),
        ("mysql://db", "names no database"),
        ("mysql://db:port/x", "not a database URL"),
        ("db.example", "not a database URL"),
        ("mysql://db/x?read_timeout=0", "whole number of seconds"),
        ("mysql://db/x?conect_timeout=1", "Did you mean 'connect_timeout'"),
        ("mysql://db/x?zzzz=1", "Known are"),
        ("mysql://db/x?a%20b=1", "unreadable option"),
    ],
)
def test_urls_that_cannot_be_used(url: str, told: str) -> None:
    with pytest.raises(UnusableUrl, match=told):
        parse_database_url(url)


def test_sqlite_stays_as_it_is() -> None:
    assert str(settings("sqlite:////tmp/x.db?timeout=5").sqlalchemy_url()) == "sqlite:////tmp/x.db?timeout=5"
    assert parse_database_url("sqlite://").is_sqlite


def test_sqlalchemys_url_gets_our_driver_and_characters() -> None:
    database = settings("mariadb://u@db/x?charset=latin1&unix_socket=/run/mysqld.sock&ssl_ca=/ca.pem")
    url = database.sqlalchemy_url()
    assert url.drivername == "mysql+pymysql"
    assert url.query["charset"] == "utf8mb4"
    assert url.query["ssl_ca"] == "/ca.pem"
    assert database.url_notes == ("charset: ignored, text is always utf8mb4",)


TEXT = st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=20)
HOST = st.from_regex(r"[a-z][a-z0-9]{0,10}(\.[a-z]{2,5})?|\[::1\]|127\.0\.0\.1", fullmatch=True)
OPTION = st.sampled_from(["useUnicode=true", "serverTimezone=UTC", "useSSL=false", "autoReconnect=true", "x=y"])


@given(
    kind=st.sampled_from(["mysql", "mariadb"]),
    host=HOST,
    port=st.none() | st.integers(1, 65_535),
    database=TEXT,
    user=TEXT,
    password=TEXT,
    in_front=st.booleans(),
    options=st.lists(OPTION, max_size=4, unique=True),
)
def test_every_part_of_a_jdbc_url_arrives(
    kind: str,
    host: str,
    port: int | None,
    database: str,
    user: str,
    password: str,
    in_front: bool,
    options: list[str],
) -> None:
    quoted_user, quoted_password = quote(user, safe=""), quote(password, safe="")
    front = f"{quoted_user}:{quoted_password}@" if in_front else ""
    credentials = [] if in_front else [f"user={quoted_user}", f"password={quoted_password}"]
    colon = f":{port}" if port else ""
    query = "&".join([*options, *credentials])
    parsed = parse_database_url(f"jdbc:{kind}://{front}{host}{colon}/{quote(database, safe='')}?{query}")
    url = parsed.url
    assert (url.username, url.password, url.database) == (user, password, database)
    assert (url.host, url.port) == (host.strip("[]"), port or 3306)
    assert [note.partition(":")[0] for note in parsed.notes] == [
        option.partition("=")[0] for option in [*options, *credentials]
    ]
    assert create_engine(url).url == url


@given(st.text(max_size=60).map(lambda text: f"jdbc:mysql:{text}") | st.text(max_size=60))
def test_any_text_is_a_url_or_a_mistake(text: str) -> None:
    try:
        parse_database_url(text)
    except UnusableUrl as error:
        assert error.what
        assert error.remedy
