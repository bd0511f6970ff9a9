"""The ledger's own tables (DESIGN 3). The migrations build them; a test holds the two together."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Index,
    Integer,
    MetaData,
    String,
    Table,
)
from sqlalchemy.dialects import mysql

metadata = MetaData()

Id = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows by itself only for INTEGER keys
Time = DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


def word(length: int) -> String:
    """A column for our own words and numbers-as-text: ASCII, compared byte for byte."""
    return String(length).with_variant(
        mysql.VARCHAR(length, charset="ascii", collation="ascii_bin"), "mysql", "mariadb"
    )


def key(length: int = 191) -> String:
    """A column for the source's string keys: any script, compared byte for byte."""
    return String(length).with_variant(
        mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb"
    )


def prose(length: int) -> String:
    """A column for people's text: names, reasons, replies."""
    return String(length).with_variant(mysql.VARCHAR(length, charset="utf8mb4"), "mysql", "mariadb")


_OPTIONS: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_row_format": "DYNAMIC",
    "mariadb_engine": "InnoDB",
    "mariadb_charset": "utf8mb4",
    "mariadb_row_format": "DYNAMIC",
}

RECIPIENT_LENGTH = 500  # an address ends at 254 (RFC 5321 4.5.3.1.3): what is longer is kept whole enough to be refused
DETAIL_LENGTH = 500

eed_job = Table(
    "eed_job",
    metadata,
    Column("job_id", Id, primary_key=True, autoincrement=True),  # the source's own number where it has numbers
    Column("source_key", key(), nullable=False, unique=True),
    Column("name", prose(255), nullable=False, server_default=""),
    Column("state", word(16), nullable=False),
    Column("reason", prose(DETAIL_LENGTH)),
    Column("revision", Integer, nullable=False, server_default="0"),
    Column("total", Integer, nullable=False, server_default="0"),  # how many emails were enlisted
    Column("not_enlisted", Integer, nullable=False, server_default="0"),  # the old server had settled these already
    Column("enlist_after", key()),  # the cursor: the last source key that is in the ledger
    Column("enlisted_at", Time),
    Column("expires_at", Time),
    Column("token", BigInteger),  # fences the publisher that holds the lease
    Column("lease_until", Time),
    Column("created_at", Time, nullable=False),
    Column("finished_at", Time),
    Index("eed_job_unfinished", "finished_at", "job_id"),
    **_OPTIONS,
)

eed_email = Table(
    "eed_email",
    metadata,
    Column("email_id", Id, primary_key=True, autoincrement=True),  # the source's own number where it has numbers
    Column("source_key", key(), unique=True),  # NULL where the source's key is the email_id
    Column("job_id", BigInteger, nullable=False),
    Column("recipient", prose(RECIPIENT_LENGTH), nullable=False),
    Column("state", word(16), nullable=False),
    Column("gen", Integer, nullable=False, server_default="0"),
    Column("token", BigInteger),  # fences the worker that holds the lease
    Column("lease_until", Time),
    Column("wire_at", Time),
    Column("not_before", Time),
    Column("queued_at", Time),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("detail", prose(DETAIL_LENGTH)),
    Column("message_id", word(255)),
    Column("changed_at", Time),
    Column("outcome", word(16)),  # of this gen: what became of it after acceptance; NULL: no word yet
    Column("outcome_at", Time),  # when that happened, as the one who told us says; only compared with its like
    # The one index that counts, publishes, lists and sweeps: a second would cost every change of state.
    Index("eed_email_by_job_state", "job_id", "state"),
    **_OPTIONS,
)

eed_attempt = Table(
    "eed_attempt",
    metadata,
    Column("attempt_id", Id, primary_key=True, autoincrement=True),
    Column("email_id", BigInteger, nullable=False),
    Column("gen", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("verdict", word(16), nullable=False),
    Column("counted", Boolean, nullable=False),
    Column("code", Integer),
    Column("enhanced", prose(64)),
    Column("reply", prose(DETAIL_LENGTH)),
    Column("message_id", word(255)),
    Column("worker", word(100)),
    Column("took_ms", Integer),  # from the hand-over to the transport to its answer
    Column("ended_at", Time, nullable=False),
    Index("eed_attempt_by_email", "email_id"),
    # For events that carry no tag of ours. It costs one entry an attempt, written once and never changed; SES's ids
    # begin with the time, so it grows at its end. On eed_email it would cost a change, and forget a requeue's first id.
    Index("eed_attempt_by_message", "message_id"),
    **_OPTIONS,
)

eed_event = Table(
    "eed_event",
    metadata,
    Column("event_id", word(64), primary_key=True),  # the same event that comes again finds itself here
    Column("email_id", BigInteger),  # NULL: nobody knows which email it was about
    Column("gen", Integer),
    Column("kind", word(32), nullable=False),
    Column("outcome", word(16)),
    Column("sub_type", prose(100), nullable=False, server_default=""),
    Column("code", Integer),
    Column("enhanced", prose(64)),
    Column("detail", prose(DETAIL_LENGTH), nullable=False, server_default=""),
    Column("message_id", word(255)),
    Column("automatic", Boolean, nullable=False),
    # Only where it counts towards suppression, from the ledger and never from the event: for the thresholds.
    Column("address", key(320)),
    Column("occurred_at", Time, nullable=False),
    Column("received_at", Time, nullable=False),
    Index("eed_event_by_email", "email_id"),
    Index("eed_event_by_address", "address"),
    **_OPTIONS,
)

eed_suppression = Table(
    "eed_suppression",
    metadata,
    Column("address", key(320), primary_key=True),  # lower case
    Column("reason", prose(DETAIL_LENGTH), nullable=False),
    Column("source", word(32), nullable=False),
    Column("created_at", Time, nullable=False),
    Column("expires_at", Time),
    **_OPTIONS,
)

eed_worker = Table(
    "eed_worker",
    metadata,
    Column("worker_id", word(100), primary_key=True),
    Column("host", prose(255), nullable=False),
    Column("role", word(16), nullable=False),
    Column("threads", Integer, nullable=False, server_default="0"),
    Column("sending", Boolean, nullable=False),  # takes part in the shared rate
    Column("detail", prose(DETAIL_LENGTH)),  # why it does not send, if it does not
    Column("started_at", Time, nullable=False),
    Column("heartbeat_at", Time, nullable=False),
    **_OPTIONS,
)
