"""The reference schema of the source (docs/design.md#the-tables), for those who have no delivery server's tables yet.

`eed-delivery db init --with-source` makes it, `eed-delivery submit` and the demo fill it, and it is what the settings'
defaults map. It is in SQL in `config/source-schema.sql`.
"""

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Connection,
    DateTime,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects import mysql
from sqlalchemy.schema import CreateIndex, CreateTable

reference_metadata = MetaData()

# SQLite numbers rows by itself only for INTEGER keys.
_Id = BigInteger().with_variant(Integer, "sqlite")
_Time = DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
_LongText = Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")
_NOW = text("CURRENT_TIMESTAMP")
_OPTIONS: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mariadb_engine": "InnoDB",
    "mariadb_charset": "utf8mb4",
}

delivery_job = Table(
    "delivery_job",
    reference_metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("name", String(255), nullable=False),
    Column("status", String(20), nullable=False, server_default="created"),
    Column("sender", String(320), nullable=False),
    Column("reply_to", String(320)),
    Column("subject", String(998), nullable=False),
    Column("html_template", _LongText),
    Column("text_template", _LongText),
    Column("scheduled_for", _Time),
    Column("expires_at", _Time),
    Column("category", String(191)),
    Column("channel", String(32)),
    Column("send_window", String(2000)),
    Column("deadline", _Time),
    Column("created_at", DateTime(), nullable=False, server_default=_NOW),
    Index("delivery_job_by_status", "status", "scheduled_for"),
    **_OPTIONS,
)

delivery_email = Table(
    "delivery_email",
    reference_metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("job_id", BigInteger, nullable=False),
    Column("recipient", String(320)),
    Column("recipient_name", String(255)),
    Column("variables", JSON),
    Column("status", String(20), server_default="pending"),
    Column("status_detail", String(500)),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("message_id", String(255)),
    Column("sent_at", _Time),
    Index("delivery_email_by_job", "job_id", "id"),
    **_OPTIONS,
)

delivery_attachment = Table(
    "delivery_attachment",
    reference_metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("job_id", BigInteger, nullable=False),
    Column("email_id", BigInteger),
    Column("location", String(1024), nullable=False),
    Column("filename", String(255)),
    Column("content_type", String(255)),
    Column("sha256", String(64)),
    Index("delivery_attachment_by_email", "email_id"),
    Index("delivery_attachment_by_job", "job_id", "email_id"),
    **_OPTIONS,
)


def create_reference(c: Connection) -> None:
    """Make those of the reference tables that are not there. On MySQL this ends the transaction that is open."""
    reference_metadata.create_all(c)


def reference_sql() -> str:
    """The schema as MySQL's and MariaDB's SQL: the content of `config/source-schema.sql`."""
    dialect = mysql.dialect()
    parts = [
        "-- The reference schema of the source, as `eed-delivery db init --with-source` makes it.\n"
        "-- Made from eed_delivery/source/reference.py, and held to it by a test.\n"
    ]
    for table in reference_metadata.tables.values():
        parts.append(str(CreateTable(table).compile(dialect=dialect)).strip().replace("\t", "    "))
        indexes = sorted(table.indexes, key=lambda index: str(index.name))
        parts.extend(str(CreateIndex(index).compile(dialect=dialect)) for index in indexes)
    return parts[0] + "".join(f"\n{_tidy(part)};\n" for part in parts[1:])


def _tidy(statement: str) -> str:
    return "\n".join(line.rstrip() for line in statement.splitlines())
