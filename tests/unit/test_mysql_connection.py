"""What TLS needs is made once, and is what PyMySQL would have made."""

import ssl
import threading
from pathlib import Path
from typing import Any

import pytest
from pymysql.connections import Connection
from sqlalchemy import make_url

from eed_delivery.database.engine import make_engine
from eed_delivery.database.mysql_connection import MySqlConnection
from eed_delivery.database.transactions import Database
from eed_delivery.errors import DatabaseGone
from tests.servers.certificates import make_certificate


def ready(**options: Any) -> Any:
    """A connection that has not been made."""
    return MySqlConnection(defer_connect=True, **options)


def test_connections_share_what_they_believe() -> None:
    assert ready().ctx is ready().ctx


def test_so_do_threads_that_connect_at_the_same_time(tmp_path: Path) -> None:
    authority = str(make_certificate(tmp_path, "db.example").authority)
    found: list[ssl.SSLContext] = []
    threads = [threading.Thread(target=lambda: found.append(ready(ssl_ca=authority).ctx)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(found) == 8
    assert len(set(map(id, found))) == 1


def test_who_believes_somebody_else_has_a_context_of_his_own(tmp_path: Path) -> None:
    authority = str(make_certificate(tmp_path, "db.example").authority)
    strict, lax = ready(ssl_ca=authority), ready(ssl_ca=authority, ssl_verify_identity=False)
    assert len({id(strict.ctx), id(lax.ctx), id(ready().ctx)}) >= 2
    for made, plain in (
        (strict, Connection(defer_connect=True, ssl_ca=authority)),
        (ready(), Connection(defer_connect=True)),
    ):
        assert (made.ctx.verify_mode, made.ctx.check_hostname) == (plain.ctx.verify_mode, plain.ctx.check_hostname)
        assert made.ctx.get_ca_certs() == plain.ctx.get_ca_certs()


def test_a_server_without_tls_is_still_taken_unless_tls_is_asked_for() -> None:
    plain: Any = Connection(defer_connect=True)
    assert (ready().ssl, ready()._ssl_required) == (plain.ssl, plain._ssl_required) == (True, False)


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_file_that_cannot_be_used_is_the_servers_absence_and_no_defect(content: str | None, tmp_path: Path) -> None:
    """A certificate that is being replaced is there again in a moment."""
    authority = tmp_path / "ca.pem"
    if content is not None:
        authority.write_text(content)
    url = f"mysql+pymysql://u:p@127.0.0.1:1/d?ssl_ca={authority}"
    with pytest.raises(DatabaseGone, match=rf"2026.*ca {authority} cannot be used"):
        Database(make_engine(make_url(url), connections=1)).ping()
