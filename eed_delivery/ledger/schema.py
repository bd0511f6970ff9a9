"""The ledger's own tables (docs/design.md#the-tables). The migrations build them. A test compares the two."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import (
    BINARY,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)
from sqlalchemy.dialects import mysql

metadata = MetaData()

Id = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows by itself only for INTEGER keys
Time = DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


# SHA-256 (FIPS 180-4). As hexadecimal text it would take twice the room in each row.
Digest = BINARY(32).with_variant(LargeBinary(), "sqlite")
Salt = BINARY(16).with_variant(LargeBinary(), "sqlite")


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


def document() -> Text:
    """A column for JSON of any length."""
    return Text().with_variant(mysql.MEDIUMTEXT(charset="utf8mb4"), "mysql", "mariadb")


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
CHANNEL_LENGTH = 32
CHANNEL_SETTINGS_LENGTH = 8000
ADDRESS_LENGTH = 320  # 64 + "@" + 255 (RFC 5321 4.5.3.1)
OBJECT_LENGTH = ADDRESS_LENGTH
COMMAND_LENGTH = 1000
PATH_LENGTH = 1024  # S3's limit of a key, in bytes
HELD_DOMAINS_LENGTH = 2000
SEND_WINDOW_LENGTH = 2000
PARTICULARS_LENGTH = 1000
ANSWER_LENGTH = 4000
LONG_ACT_LENGTH = 2000
COUNTS_LENGTH = 250
LETTER_LENGTH = 4000

eed_job = Table(
    "eed_job",
    metadata,
    Column("job_id", Id, primary_key=True, autoincrement=True),  # the source's own number where it has numbers
    Column("source_key", key(), nullable=False, unique=True),
    Column("name", prose(255), nullable=False, server_default=""),
    Column("category", key(), nullable=False, server_default=""),  # what kind of email: some want no more of it
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
    Column("watched", Boolean, nullable=False, server_default="1"),  # an operator may let a job go on unwatched
    # A resume starts the watch anew: it counts what has left since then, and this is how many had been sent by then.
    Column("watched_from", Time),
    Column("sent_before", Integer, nullable=False, server_default="0"),
    Column("warned_of_bounces", Boolean, nullable=False, server_default="0"),
    Column("warned_of_complaints", Boolean, nullable=False, server_default="0"),
    # The sums of enlisting (G1): found = total + moved + regenerated + refused. Each is counted over all rounds.
    Column("rounds", Integer, nullable=False, server_default="0"),  # how often a finished job was made ready again
    Column("found", Integer, nullable=False, server_default="0"),  # rows of the source that meant "not sent yet"
    Column("refused", Integer, nullable=False, server_default="0"),  # each has its reason in eed_refusal
    Column("regenerated", Integer, nullable=False, server_default="0"),  # known rows that got a new generation here
    Column("moved", Integer, nullable=False, server_default="0"),  # its emails that a later job took over
    Column("reconciled_at", Time),  # when source and ledger were last compared row by row
    Column("differences", Integer),  # how many rows differed then
    Column("channel", word(CHANNEL_LENGTH), nullable=False, server_default="default"),  # its way out
    # While it is held: a copy of the hold's end, so that a wire grant reads no other table. Likewise the domains.
    Column("held_until", Time),
    Column("resent", Integer, nullable=False, server_default="0"),  # its emails that an operator had sent once more
    Column("reconcile_token", BigInteger),  # fences the sweeper that compares them at the moment
    Column("reconcile_until", Time),  # its lease
    # When its recipients were replaced, because it had been finished for long enough. A later end begins anew.
    Column("pseudonymised_at", Time),
    Column("archive", Boolean, nullable=False, server_default="0"),  # copies of its emails are to be kept
    Column("held_domains", key(HELD_DOMAINS_LENGTH)),  # "@a.example @b.example "; NULL: no domain is held anywhere
    Column("final_counts", word(COUNTS_LENGTH)),  # its emails by state when it finished last; JSON
    # When it may leave: two spans, of which the first is open or opens next. NULL: no windows are configured. The
    # database's clock alone decides. Where no next spans are written, it stays closed.
    Column("window_from", Time),
    Column("window_until", Time),
    Column("next_window_from", Time),
    Column("next_window_until", Time),
    Column("send_window", prose(SEND_WINDOW_LENGTH)),  # its own windows, in JSON, as the source has them
    Column("deadline", Time),  # when it is to have ended, as the source has it; NULL: the rule of its category counts
    Column("rehearsal", word(16)),  # the rehearsal that it was started by, or why it needs none; NULL: not started yet
    Index("eed_job_unfinished", "finished_at", "job_id"),
    Index("eed_job_by_created", "created_at"),  # lists begin with the newest; it grows at its end
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
    # The recipient's canonical form (`addresses`): what is compared. NULL: it is no address.
    Column("address", key(ADDRESS_LENGTH)),
    Column("resend_of", BigInteger),  # the email that an operator had sent once more; its source_key ends with ~<n>
    Column("redirected", Boolean, nullable=False, server_default="0"),  # to `recipient`, whatever the source says
    Column("despite_list", Boolean, nullable=False, server_default="0"),  # an operator sends it to a suppressed address
    # The one index that counts, publishes, lists and sweeps: a second would cost every change of state.
    Index("eed_email_by_job_state", "job_id", "state"),
    # This one changes only with an outcome. Each row has its place in it at the end, where its job is enlisted.
    Index("eed_email_by_job_outcome", "job_id", "outcome"),
    Index("eed_email_by_address", "address"),  # changes when the source's recipient does
    **_OPTIONS,
)

# Addresses that emails went to, or were to go to, before they got the present one: whoever looks for all about one
# address finds the attempts by it.
eed_former_address = Table(
    "eed_former_address",
    metadata,
    Column("address", key(ADDRESS_LENGTH), primary_key=True),  # canonical, as in eed_email
    Column("email_id", BigInteger, primary_key=True, autoincrement=False),
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
    Column("recipient", prose(RECIPIENT_LENGTH)),  # where it went; NULL: a word on it, or one of an earlier release
    Column("sha256", Digest),  # of the bytes that were handed to the transport; NULL: there was no wire
    Index("eed_attempt_by_email", "email_id"),
    # For events that carry no tag of ours. It costs one entry an attempt, written once and never changed; SES's ids
    # begin with the time, so it grows at its end. On eed_email it would cost a change, and forget a requeue's first id.
    Index("eed_attempt_by_message", "message_id"),
    **_OPTIONS,
)

eed_archive_copy = Table(
    "eed_archive_copy",
    metadata,
    # The archive's own key, JOB/EMAIL.GEN.eml: a job's copies lie together.
    Column("job_id", BigInteger, primary_key=True, autoincrement=False),
    Column("email_id", BigInteger, primary_key=True, autoincrement=False),
    Column("gen", Integer, primary_key=True, autoincrement=False),
    Column("sha256", Digest, nullable=False),
    Column("size", Integer, nullable=False),  # bytes
    Column("archived_at", Time),  # when the archive had it; NULL: it was sent, and no copy could be kept
    **_OPTIONS,
)

eed_file = Table(  # what channels that put files have put, one row a document
    "eed_file",
    metadata,
    # A job's files lie together, in the order of its manifest.
    Column("job_id", BigInteger, primary_key=True, autoincrement=False),
    Column("email_id", BigInteger, primary_key=True, autoincrement=False),
    Column("gen", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),  # 1: the email's first document
    Column("channel", word(CHANNEL_LENGTH), nullable=False),  # a later round of the job may have another one
    Column("path", prose(PATH_LENGTH)),  # below the channel's root; NULL: its person was erased
    Column("size", BigInteger, nullable=False),  # bytes
    Column("sha256", Digest, nullable=False),
    Column("put_at", Time, nullable=False),
    Column("round", Integer, nullable=False),  # of the job's manifests, the first that lists it
    Index("eed_file_by_email", "email_id"),  # of a person: an email may have been another job's before
    **_OPTIONS,
)

eed_taken_path = Table(  # paths of files, each taken by one email while that is on its way
    "eed_taken_path",
    metadata,
    Column("channel", word(CHANNEL_LENGTH), primary_key=True),
    Column("digest", Digest, primary_key=True),  # SHA-256 of the path, which may name a person
    Column("email_id", BigInteger, nullable=False),
    Column("token", BigInteger, nullable=False),  # under which that email took it
    Column("former_id", BigInteger),  # the email that had it before
    Column("taken_at", Time, nullable=False),
    Index("eed_taken_path_by_time", "taken_at"),
    **_OPTIONS,
)

eed_manifest = Table(  # the list of a job's files, which is put behind them each time that the job comes to its end
    "eed_manifest",
    metadata,
    Column("job_id", BigInteger, primary_key=True, autoincrement=False),
    Column("round", Integer, primary_key=True, autoincrement=False),  # how often the job came to its end, from 1
    Column("number", Integer, nullable=False),  # in its name: the round's, but for a manifest that had to change
    Column("channel", word(CHANNEL_LENGTH), nullable=False),
    Column("wanted_at", Time, nullable=False),
    Column("token", BigInteger),  # fences the worker that puts it
    Column("lease_until", Time),
    Column("not_before", Time),  # when it is tried again
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("sha256", Digest),  # of its JSON, from before the first byte leaves on
    Column("path", prose(PATH_LENGTH)),  # of its JSON
    Column("files", Integer),
    Column("size", BigInteger),  # bytes of these files
    Column("unlisted", Integer),  # emails that were put before files were recorded, so it lists none of them
    Column("put_at", Time),  # NULL: outstanding
    Column("detail", prose(DETAIL_LENGTH)),  # why it is
    Index("eed_manifest_outstanding", "put_at", "channel"),
    **_OPTIONS,
)

eed_event = Table(
    "eed_event",
    metadata,
    Column("event_id", word(64), primary_key=True),  # the same event that comes again finds itself here
    Column("email_id", BigInteger),  # NULL: it is not known which email it was about
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
    Column("address", key(ADDRESS_LENGTH)),
    Column("occurred_at", Time, nullable=False),
    Column("received_at", Time, nullable=False),
    # All that opens and clicks are counted by: the rows themselves lie scattered, by the hashes that are their keys.
    Index("eed_event_by_email_kind", "email_id", "gen", "kind", "automatic"),
    Index("eed_event_by_address", "address"),
    Index("eed_event_by_received", "received_at"),  # the oldest are forgotten; it grows at its end
    **_OPTIONS,
)

eed_suppression = Table(
    "eed_suppression",
    metadata,
    Column("address", key(ADDRESS_LENGTH), primary_key=True),  # canonical; "@" and a domain: every address of it
    Column("category", key(), primary_key=True, server_default=""),  # "": every email; else only jobs of this one
    Column("reason", prose(DETAIL_LENGTH), nullable=False),
    Column("source", word(32), nullable=False),
    Column("created_at", Time, nullable=False),
    Column("expires_at", Time),
    **_OPTIONS,
)

eed_domain_hold = Table(
    "eed_domain_hold",
    metadata,
    Column("channel", word(CHANNEL_LENGTH), primary_key=True, server_default="default"),
    Column("domain", word(255), primary_key=True),
    Column("times", Integer, nullable=False, server_default="0"),  # in a row: each hold is longer than the one before
    Column("reason", prose(DETAIL_LENGTH), nullable=False),
    Column("held_at", Time, nullable=False),
    Column("until_at", Time, nullable=False),  # when it is tried again
    **_OPTIONS,
)

eed_refusal = Table(
    "eed_refusal",
    metadata,
    Column("refusal_id", Id, primary_key=True, autoincrement=True),
    Column("job_id", BigInteger),  # NULL: the job itself was refused
    Column("job_key", prose(255), nullable=False),  # as much of the source's key as fits
    Column("source_key", prose(255)),  # the email's, likewise; NULL: all of the job
    Column("reason", prose(DETAIL_LENGTH), nullable=False),
    Column("round", Integer, nullable=False, server_default="0"),
    Column("refused_at", Time, nullable=False),
    Index("eed_refusal_by_job", "job_id"),
    **_OPTIONS,
)

eed_audit = Table(
    "eed_audit",
    metadata,
    Column("act_id", Id, primary_key=True, autoincrement=True),
    Column("job_id", BigInteger),  # NULL: it is about no job
    Column("email_id", BigInteger),  # NULL: about all of the job, or as many of its emails as `count` says
    Column("act", word(32), nullable=False),
    Column("who", prose(255), nullable=False),  # the account that the surface has checked, or "service"
    Column("reason", prose(DETAIL_LENGTH)),
    Column("count", Integer),
    Column("at", Time, nullable=False),
    # Rows of earlier releases do not have these:
    Column("sudo_user", prose(255)),
    Column("host", prose(255)),
    Column("surface", word(16)),
    Column("command", prose(COMMAND_LENGTH)),
    Column("object_kind", word(32)),
    Column("object_key", key(OBJECT_LENGTH)),
    Column("counts", prose(PARTICULARS_LENGTH)),  # JSON, like the two behind it
    Column("state_before", prose(PARTICULARS_LENGTH)),
    Column("state_after", prose(PARTICULARS_LENGTH)),
    Column("operation", word(16)),  # the rows of one call have one
    # The chain of hashes (`audit_chain`). NULL: a row that is not in it.
    Column("sequence", BigInteger),
    Column("salt", Salt),  # NULL: its texts were erased
    Column("texts_hash", Digest),
    Column("previous_hash", Digest),
    Column("hash", Digest),
    Index("eed_audit_by_sequence", "sequence", unique=True),
    Index("eed_audit_by_job", "job_id"),
    Index("eed_audit_by_email", "email_id"),
    Index("eed_audit_by_object", "object_key"),
    Index("eed_audit_by_time", "at"),
    Index("eed_audit_by_operation", "operation"),
    # For the filters of the page.
    Index("eed_audit_by_act", "act"),
    Index("eed_audit_by_who", "who"),
    Index("eed_audit_by_sudo", "sudo_user"),
    **_OPTIONS,
)

eed_audit_head = Table(  # the end of the audit's chain, in one row, which is locked while a row is added
    "eed_audit_head",
    metadata,
    Column("head_id", Integer, primary_key=True, autoincrement=False),
    Column("sequence", BigInteger, nullable=False),
    Column("hash", Digest, nullable=False),
    **_OPTIONS,
)

# What forecasts are made of: a row every few seconds for each unfinished job, of which few are kept for long.
eed_job_progress = Table(
    "eed_job_progress",
    metadata,
    Column("job_id", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Time, primary_key=True),
    Column("total", Integer, nullable=False),  # emails of the job then
    Column("done", Integer, nullable=False),  # those of them that had ended
    Column("may_leave", Boolean, nullable=False),  # whether its emails could leave at this time
    Column("allowed_seconds", Double, nullable=False),  # for how long they could, since the job's first row
    Column("kept", Boolean, nullable=False),  # for the speed of the last days
    Index("eed_job_progress_by_time", "kept", "at"),
    **_OPTIONS,
)

eed_job_forecast = Table(  # the last forecast of each unfinished job
    "eed_job_forecast",
    metadata,
    Column("job_id", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Time, nullable=False),
    Column("end_at", Time),  # NULL: nobody knows
    Column("margin_seconds", Double),  # from there to the deadline, negative behind it
    Column("verdict", word(16), nullable=False),  # what people and systems are told
    Column("seen", word(16), nullable=False),  # what the last looks said
    Column("looks", Integer, nullable=False),  # how many of them said so
    **_OPTIONS,
)

eed_duty = Table(  # what one process does for all hosts from time to time
    "eed_duty",
    metadata,
    Column("name", word(32), primary_key=True),
    Column("done_at", Time, nullable=False),
    Column("holder", BigInteger),  # of what one at a time does
    Column("held_until", Time),
    **_OPTIONS,
)

eed_channel = Table(  # those that were created while the service runs; the others are in the configuration file
    "eed_channel",
    metadata,
    Column("name", word(CHANNEL_LENGTH), primary_key=True),
    Column("settings", prose(CHANNEL_SETTINGS_LENGTH), nullable=False),  # JSON; of a secret, only where it is
    Column("version", Integer, nullable=False, server_default="1"),
    Column("made_by", prose(255), nullable=False),
    Column("made_at", Time, nullable=False),
    Column("changed_by", prose(255), nullable=False),
    Column("changed_at", Time, nullable=False),
    **_OPTIONS,
)

eed_hold = Table(  # by people. Of domains that refuse everything, the service's own holds are in eed_domain_hold
    "eed_hold",
    metadata,
    Column("hold_id", Id, primary_key=True, autoincrement=True),
    Column("scope", word(16), nullable=False),
    Column("subject", key(255), nullable=False, server_default=""),  # "": everything
    Column("reason", prose(DETAIL_LENGTH), nullable=False),
    Column("who", prose(255), nullable=False),
    Column("held_at", Time, nullable=False),
    Column("in_force_at", Time),  # from when on nothing is let go; NULL: jobs lack their copies
    Column("until_at", Time),  # NULL: until it is released
    Index("eed_hold_by_target", "scope", "subject", unique=True),
    **_OPTIONS,
)

eed_pace = Table(  # send rates that people have set in place of the configured ones
    "eed_pace",
    metadata,
    Column("channel", word(CHANNEL_LENGTH), primary_key=True),  # "*": all channels together
    Column("per_second", Double, nullable=False),
    Column("reason", prose(DETAIL_LENGTH), nullable=False),
    Column("who", prose(255), nullable=False),
    Column("set_at", Time, nullable=False),
    Column("until_at", Time),  # NULL: until it is cleared
    **_OPTIONS,
)

eed_domain_pace = Table(  # paces of destination domains that people have set in place of the configured ones
    "eed_domain_pace",
    metadata,
    Column("domain", key(255), primary_key=True),  # or "*." and a domain, or "*"
    Column("per_second", Double),
    Column("concurrency", Integer),
    Column("reason", prose(DETAIL_LENGTH), nullable=False),
    Column("who", prose(255), nullable=False),
    Column("set_at", Time, nullable=False),
    Column("until_at", Time),  # NULL: until it is cleared
    **_OPTIONS,
)

eed_domain_turn = Table(  # one queue of turns for each destination, from which all hosts and functions take
    "eed_domain_turn",
    metadata,
    Column("kind", word(16), primary_key=True),
    Column("name", key(255), primary_key=True),
    Column("next_at", Time, nullable=False),  # the first turn that is free
    **_OPTIONS,
)

eed_domain_slot = Table(  # who sends to a destination of which only so many may send at one time
    "eed_domain_slot",
    metadata,
    Column("name", key(255), primary_key=True),
    Column("token", BigInteger, primary_key=True, autoincrement=False),
    Column("until_at", Time, nullable=False),  # the end of its lease
    **_OPTIONS,
)

eed_domain_backlog = Table(  # how many emails of a job wait for a destination, as a publisher counted them last
    "eed_domain_backlog",
    metadata,
    Column("job_id", BigInteger, primary_key=True, autoincrement=False),
    Column("name", key(255), primary_key=True),
    Column("waiting", Integer, nullable=False),
    Column("per_second", Double),
    Column("concurrency", Integer),
    Column("counted_at", Time, nullable=False),
    **_OPTIONS,
)

eed_aws_figure = Table(  # what SQS and SES said last to a sweeper, for processes that ask neither
    "eed_aws_figure",
    metadata,
    Column("kind", word(16), primary_key=True),
    Column("channel", word(CHANNEL_LENGTH), primary_key=True),
    Column("facts", word(COUNTS_LENGTH), nullable=False),  # JSON: numbers by their names
    Column("asked_at", Time, nullable=False),
    **_OPTIONS,
)

eed_gate = Table(  # whether a channel's way out works, for all hosts and functions together
    "eed_gate",
    metadata,
    Column("channel", word(CHANNEL_LENGTH), primary_key=True),
    Column("reason", prose(DETAIL_LENGTH)),  # NULL: it is open
    Column("shut_at", Time),
    Column("shut_until", Time, nullable=False),  # then one at a time tries
    Column("pause_seconds", Double, nullable=False),  # of the next time
    Column("trial_token", BigInteger),  # of the one that tries
    Column("trial_until", Time),
    Column("mapping_off_at", Time),  # the tick has turned the event source mapping off
    **_OPTIONS,
)

eed_send_rate = Table(  # one queue of turns to send, from which all hosts and functions take
    "eed_send_rate",
    metadata,
    Column("channel", word(CHANNEL_LENGTH), primary_key=True),  # "*": all channels together
    Column("next_at", Time, nullable=False),  # the first turn that is free
    Column("pause_seconds", Double, nullable=False),  # after the next answer that we are too fast
    Column("slowed_at", Time),
    Column("factor", Double, nullable=False),  # of the limit, at slowed_at
    **_OPTIONS,
)

eed_window_override = Table(  # what people have opened for a while, whatever its windows say
    "eed_window_override",
    metadata,
    Column("override_id", Id, primary_key=True, autoincrement=True),
    Column("scope", word(16), nullable=False),
    Column("subject", key(255), nullable=False, server_default=""),  # "": everything
    Column("reason", prose(DETAIL_LENGTH), nullable=False),
    Column("who", prose(255), nullable=False),
    Column("set_at", Time, nullable=False),
    Column("until_at", Time, nullable=False),
    Index("eed_window_override_by_target", "scope", "subject", unique=True),
    **_OPTIONS,
)

eed_worker = Table(
    "eed_worker",
    metadata,
    Column("worker_id", word(100), primary_key=True),
    Column("host", prose(255), nullable=False),
    Column("role", word(16), nullable=False),
    Column("channel", word(CHANNEL_LENGTH), nullable=False, server_default="default"),  # the rate is shared by channel
    Column("threads", Integer, nullable=False, server_default="0"),
    Column("sending", Boolean, nullable=False),  # takes part in the shared rate
    Column("detail", prose(DETAIL_LENGTH)),  # why it does not send, if it does not
    Column("started_at", Time, nullable=False),
    Column("heartbeat_at", Time, nullable=False),
    Column("mark", word(64)),  # of its channel's settings; NULL: a process of an earlier release
    Column("version", word(64)),  # of the release that it runs; NULL likewise
    Column("config", word(16)),  # a digest of its configuration (`config.digest`); NULL likewise
    Column("per_second", Double),  # its share of the send rate; NULL: it has no limit
    Column("coordination", word(16)),  # worker.coordination, of those that send
    Column("threads_least", Integer),  # of worker.threads = "auto"; NULL: the number of threads is fixed
    Column("threads_most", Integer),
    Column("threads_why", word(64)),  # why the number changed last; NULL: it has not
    Column("threads_changed_at", Time),
    **_OPTIONS,
)

eed_webhook = Table(
    "eed_webhook",
    metadata,
    Column("webhook_id", Id, primary_key=True, autoincrement=True),
    Column("nonce", word(32), nullable=False),  # makes the id unique beyond this ledger
    Column("kind", word(32), nullable=False),
    Column("job_id", BigInteger),
    Column("email_id", BigInteger),
    Column("gen", Integer),
    Column("event_id", word(64)),
    Column("facts", prose(4000), nullable=False),  # JSON
    Column("occurred_at", Time, nullable=False),
    Column("state", word(16), nullable=False),
    Column("waiting_since", Time, nullable=False),  # its age counts from then
    # When something is next to be done with it: a waiting one is sent, a done or failed one is deleted. While a process
    # sends it, its lease ends then.
    Column("due_at", Time, nullable=False),
    Column("token", BigInteger),  # fences the process that sends it
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("tried_at", Time),
    Column("status", Integer),  # the HTTP status of the last answer; NULL: there was none
    Column("answer", prose(DETAIL_LENGTH)),
    Index("eed_webhook_due", "state", "due_at"),
    Index("eed_webhook_by_email", "email_id"),  # what was told about one email
    **_OPTIONS,
)

eed_webhook_endpoint = Table(
    "eed_webhook_endpoint",
    metadata,
    Column("endpoint_id", word(64), primary_key=True),  # of its URL, which may hold a secret: a new URL begins anew
    Column("failures", Integer, nullable=False, server_default="0"),  # in a row
    Column("probe_at", Time, nullable=False),  # while there are too many: when the next one may be told
    Column("paused_at", Time),
    Column("reason", prose(DETAIL_LENGTH)),
    **_OPTIONS,
)

eed_user = Table(  # people who log in here, and not at an identity provider
    "eed_user",
    metadata,
    Column("name", key(), primary_key=True),
    Column("password_hash", word(255), nullable=False),  # argon2id, with its parameters and salt
    Column("role", word(16), nullable=False),
    Column("rights", word(255), nullable=False, server_default=""),  # beyond those of the role, separated by blanks
    Column("made_by", prose(255), nullable=False),
    Column("made_at", Time, nullable=False),
    Column("revoked_at", Time),
    **_OPTIONS,
)

eed_api_token = Table(
    "eed_api_token",
    metadata,
    Column("name", key(), primary_key=True),
    Column("digest", Digest, nullable=False, unique=True),  # of the token, which is not kept
    Column("role", word(16), nullable=False),
    Column("scopes", word(255), nullable=False, server_default=""),  # the only rights it has. "": those of the role
    Column("made_by", prose(255), nullable=False),
    Column("made_at", Time, nullable=False),
    Column("expires_at", Time, nullable=False),
    Column("used_at", Time),  # to the minute
    Column("revoked_at", Time),
    **_OPTIONS,
)

eed_session = Table(
    "eed_session",
    metadata,
    Column("digest", Digest, primary_key=True),  # of the id in the cookie
    Column("user_name", key(), nullable=False),
    Column("made_at", Time, nullable=False),
    Column("seen_at", Time, nullable=False),
    Column("ends_at", Time, nullable=False),  # however often it is used
    Index("eed_session_by_user", "user_name"),
    **_OPTIONS,
)

eed_login_attempt = Table(
    "eed_login_attempt",
    metadata,
    Column("subject", Digest, primary_key=True),  # of the name or of the network address
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("last_at", Time, nullable=False),
    Column("blocked_until", Time),
    **_OPTIONS,
)

eed_idempotency_key = Table(
    "eed_idempotency_key",
    metadata,
    Column("digest", Digest, primary_key=True),  # of the key and of who gave it
    Column("request", Digest, nullable=False),  # of the request that it came with first
    Column("operation", word(16), nullable=False),  # the name of its first act in the audit
    Column("token", BigInteger, nullable=False),  # fences the process that works on it
    Column("lease_until", Time, nullable=False),
    Column("status", Integer),  # the HTTP status of the answer. NULL: still at work, or killed
    Column("answer", prose(ANSWER_LENGTH)),
    Column("made_at", Time, nullable=False),
    Index("eed_idempotency_key_by_time", "made_at"),
    **_OPTIONS,
)

eed_operation = Table(  # acts that take a while, each done in chunks by the role `operators`
    "eed_operation",
    metadata,
    Column("operation_id", word(16), primary_key=True),  # the name that its rows of the audit have
    Column("kind", word(16), nullable=False),
    Column("state", word(16), nullable=False),
    Column("selection", document(), nullable=False),  # JSON: what it is about
    Column("parameters", prose(LONG_ACT_LENGTH), nullable=False),  # JSON: what is to be done with it
    Column("selection_etag", word(64)),  # of the count that was confirmed
    Column("tolerance", Integer, nullable=False, server_default="0"),
    Column("canary", Integer),  # after so many it waits for a person. NULL: it does not
    Column("reason", prose(DETAIL_LENGTH)),
    Column("who", prose(255), nullable=False),
    Column("host", prose(255), nullable=False),
    Column("surface", word(16), nullable=False),
    Column("command", prose(COMMAND_LENGTH)),
    Column("total", Integer),  # as it was confirmed. NULL: it is not known before the end
    Column("done", Integer, nullable=False, server_default="0"),
    Column("skipped", Integer, nullable=False, server_default="0"),  # changed by another between look and chunk
    Column("after_key", key(ADDRESS_LENGTH), nullable=False, server_default=""),  # the cursor: the last one looked at
    Column("errors", prose(LONG_ACT_LENGTH), nullable=False),  # JSON: a few texts
    Column("result", prose(LONG_ACT_LENGTH)),  # JSON
    Column("token", BigInteger),  # fences the process that does a chunk
    Column("lease_until", Time),
    Column("tries", Integer, nullable=False, server_default="0"),  # of the present chunk
    Column("made_at", Time, nullable=False),
    Column("started_at", Time),
    Column("moved_at", Time, nullable=False),  # when a chunk was last done, or a person decided
    Column("ended_at", Time),
    Index("eed_operation_by_state", "state", "moved_at"),
    Index("eed_operation_by_time", "made_at"),
    **_OPTIONS,
)

eed_submitted_part = Table(  # a job that an operation registers, and its file of recipients, until the operation ends
    "eed_submitted_part",
    metadata,
    Column("operation_id", word(16), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),  # 0: the job itself
    Column("content", LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql", "mariadb"), nullable=False),  # zlib
    Column("made_at", Time, nullable=False),
    **_OPTIONS,
)

eed_rehearsal = Table(  # what a rehearsal of a job came to
    "eed_rehearsal",
    metadata,
    Column("operation_id", word(16), primary_key=True),
    Column("job_key", key(), nullable=False),  # of the source: the ledger may not have the job yet
    Column("verdict", word(16), nullable=False),
    Column("whole", Boolean, nullable=False),  # every email that was not sent was looked at
    Column("digest", word(64), nullable=False),  # over key and message of each email
    Column("template", word(64), nullable=False),  # over what the emails share
    Column("emails", Integer, nullable=False),  # of the job, not sent at the end
    Column("looked_at", Integer, nullable=False),
    Column("rendered", Integer, nullable=False),
    Column("total_bytes", BigInteger, nullable=False),
    Column("facts", document(), nullable=False),  # JSON: findings, samples, changes
    Column("made_at", Time, nullable=False),
    Index("eed_rehearsal_by_job", "job_key", "made_at"),
    Index("eed_rehearsal_by_time", "made_at"),
    **_OPTIONS,
)

eed_rehearsal_part = Table(  # what was seen of a page of emails, until the rehearsal has ended
    "eed_rehearsal_part",
    metadata,
    Column("operation_id", word(16), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("content", LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql", "mariadb"), nullable=False),  # zlib
    Column("made_at", Time, nullable=False),
    **_OPTIONS,
)

eed_rehearsal_lock = Table(  # which operation rehearses a job: one at a time
    "eed_rehearsal_lock",
    metadata,
    Column("job_key", key(), primary_key=True),
    Column("operation_id", word(16), nullable=False),
    Column("made_at", Time, nullable=False),
    Index("eed_rehearsal_lock_by_operation", "operation_id"),
    **_OPTIONS,
)

eed_shadow = Table(  # a comparison with another server, which follows it for days
    "eed_shadow",
    metadata,
    Column("operation_id", word(16), primary_key=True),
    Column("facts", document(), nullable=False),  # JSON: how far copies were read
    Column("made_at", Time, nullable=False),
    Index("eed_shadow_by_time", "made_at"),
    **_OPTIONS,
)

eed_shadow_job = Table(  # a job that is compared, and what that has come to
    "eed_shadow_job",
    metadata,
    Column("operation_id", word(16), primary_key=True),
    Column("job_key", key(), primary_key=True),
    Column("state", word(16), nullable=False),
    Column("unsent", BigInteger),  # emails that the other server has not sent, as they were counted last
    Column("after_key", key(), nullable=False, server_default=""),  # the last email that was compared
    Column("emails", BigInteger, nullable=False, server_default="0"),  # that were compared
    Column("facts", document(), nullable=False),  # JSON: counts, groups of differences, digest
    Column("seen_at", Time, nullable=False),
    Column("looked_at", Time, nullable=False),
    Column("moved_at", Time, nullable=False),  # when the other server was last seen to work at it
    Column("over_at", Time),  # when it was seen to have ended
    Column("ended_at", Time),
    Index("eed_shadow_job_by_state", "operation_id", "state"),
    **_OPTIONS,
)

eed_shadow_email = Table(  # emails that are not the same, the first ones of each kind
    "eed_shadow_email",
    metadata,
    Column("operation_id", word(16), primary_key=True),
    Column("job_key", key(), primary_key=True),
    Column("email_key", key(), primary_key=True),
    Column("verdict", word(16), nullable=False),
    Column("differences", word(500), nullable=False),  # groups of its job, by their names
    **_OPTIONS,
)

eed_shadow_copy = Table(  # where copies of what the other server has sent are
    "eed_shadow_copy",
    metadata,
    Column("operation_id", word(16), primary_key=True),
    Column("copy_id", word(32), primary_key=True),
    Column("match_key", key(), nullable=False),
    Column("path", prose(PATH_LENGTH), nullable=False),
    Column("begin_at", BigInteger, nullable=False),
    Column("length", BigInteger, nullable=False),  # bytes; 0: to the end of the file
    Column("message_id", prose(255)),
    Column("minute", BigInteger),  # of its Date, since 1970
    Column("email_key", key()),  # of the email that it was compared for
    Index("eed_shadow_copy_by_key", "operation_id", "match_key"),
    **_OPTIONS,
)

eed_shadow_acceptance = Table(  # differences that people accept, beside those of the configuration
    "eed_shadow_acceptance",
    metadata,
    Column("name", word(64), primary_key=True),
    Column("field", word(32), nullable=False),
    Column("pattern", prose(DETAIL_LENGTH), nullable=False),
    Column("who", prose(255), nullable=False),
    Column("reason", prose(DETAIL_LENGTH), nullable=False),
    Column("made_at", Time, nullable=False),
    **_OPTIONS,
)

eed_dead_letter = Table(  # messages in dead-letter queues that name no email of ours, as the sweeper saw them last
    "eed_dead_letter",
    metadata,
    Column("letter_id", Id, primary_key=True, autoincrement=True),
    Column("sqs_id", word(100), nullable=False, unique=True),
    Column("channel", word(CHANNEL_LENGTH), nullable=False),
    Column("receipt", word(2000)),  # SQS deletes it by this. NULL: it was asked to
    Column("receives", Integer, nullable=False),
    Column("problem", prose(DETAIL_LENGTH), nullable=False),
    Column("body", document(), nullable=False),  # its beginning, with addresses masked
    Column("size", Integer, nullable=False),
    Column("sent_at", Time),
    Column("found_at", Time, nullable=False),
    Column("seen_at", Time, nullable=False),
    Column("deleted_at", Time),  # when a person wanted it deleted
    **_OPTIONS,
)

eed_approval = Table(  # what a second person has to decide
    "eed_approval",
    metadata,
    Column("operation_id", word(16), primary_key=True),
    Column("rule", word(32), nullable=False),  # of operators.second_person
    Column("state", word(16), nullable=False),
    Column("asked_by", prose(255), nullable=False),
    Column("asked_subject", prose(255), nullable=False),  # the same for all names of one person
    Column("asked_at", Time, nullable=False),
    Column("until_at", Time, nullable=False),
    Column("decided_by", prose(255)),
    Column("decided_subject", prose(255)),
    Column("decided_at", Time),
    Column("reason", prose(DETAIL_LENGTH)),  # of the decision
    Index("eed_approval_by_state", "state", "asked_at"),
    **_OPTIONS,
)

eed_alert = Table(
    "eed_alert",
    metadata,
    Column("rule", word(64), primary_key=True),  # "": all of them together, by the hour
    Column("hits", Integer, nullable=False, server_default="0"),  # within the window that began at window_at
    Column("window_at", Time),
    Column("times", Integer, nullable=False, server_default="0"),  # since the last alert
    Column("sent_at", Time),
    **_OPTIONS,
)

VERSION_TABLE = "eed_alembic_version"
_ALL: tuple[str, ...] = ("SELECT", "INSERT", "UPDATE", "DELETE")
_FEWER: Mapping[str, tuple[str, ...]] = {
    "eed_archive_copy": ("SELECT", "INSERT"),
    "eed_audit": ("SELECT", "INSERT"),  # nothing in these two is changed or deleted
    "eed_audit_head": ("SELECT", "INSERT", "UPDATE"),
    "eed_duty": ("SELECT", "INSERT", "UPDATE"),
    "eed_file": ("SELECT", "INSERT", "UPDATE"),
    "eed_rehearsal": ("SELECT", "INSERT", "DELETE"),
    "eed_rehearsal_lock": ("SELECT", "INSERT", "DELETE"),
    "eed_rehearsal_part": ("SELECT", "INSERT", "DELETE"),
    "eed_submitted_part": ("SELECT", "INSERT", "DELETE"),
    "eed_webhook_endpoint": ("SELECT", "INSERT", "UPDATE"),
}

RIGHTS: Mapping[str, tuple[str, ...]] = {
    **{name: _FEWER.get(name, _ALL) for name in sorted(metadata.tables)},
    VERSION_TABLE: ("SELECT",),
}
"""What the service's database user needs on each table: a new table is in it by itself. docs/installing.md has the
GRANTs, `db check` tries each right, and a test holds the document to this."""
