"""The source through the same questions on SQLite and on MariaDB: the reference schema and two legacy ones."""

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from eed_delivery.config import SourceSettings
from eed_delivery.errors import RenderError
from eed_delivery.ledger.schema import eed_job
from eed_delivery.model import AttachmentRef, Email, EmailState, JobState
from eed_delivery.source import Source
from eed_delivery.source.reference import (
    create_reference,
    delivery_attachment,
    delivery_email,
    delivery_job,
)

pytestmark = pytest.mark.both_databases

LONG_AGO = "2001-01-01 00:00:00"
FAR_AWAY = "2999-01-01 00:00:00"


@pytest.fixture
def engine(any_database_url: str) -> Iterator[sa.Engine]:
    options = {} if any_database_url.startswith("sqlite") else {"isolation_level": "READ COMMITTED"}
    engine = sa.create_engine(any_database_url, **options)
    with engine.begin() as c:
        eed_job.create(c)
    yield engine
    engine.dispose()


@pytest.fixture
def c(engine: sa.Engine) -> Iterator[sa.Connection]:
    with engine.connect() as connection:
        create_reference(connection)
        connection.commit()
        yield connection


@pytest.fixture
def source() -> Source:
    return Source(SourceSettings())


def add(c: sa.Connection, table: sa.Table, *rows: dict[str, Any]) -> None:
    for row in rows:
        c.execute(sa.insert(table).values(row))


def add_jobs(c: sa.Connection, *rows: dict[str, Any]) -> None:
    """Jobs in the reference schema; times as text, as the delivery server writes them."""
    for row in rows:
        values = {"name": "n", "status": "processing", "sender": "a@example.com", "subject": "s"} | row
        names = ", ".join(values)
        c.execute(sa.text(f"INSERT INTO delivery_job ({names}) VALUES (:{', :'.join(values)})"), values)


def add_emails(c: sa.Connection, *rows: dict[str, Any]) -> None:
    add(c, delivery_email, *({"job_id": 1, "recipient": "b@example.com"} | row for row in rows))


def know(c: sa.Connection, *keys: int | str) -> None:
    for number, key in enumerate(keys, 1):
        job_id = key if isinstance(key, int) else number
        values = {"job_id": job_id, "source_key": str(key), "state": "active", "created_at": sa.func.now()}
        c.execute(sa.insert(eed_job).values(values))


def email(number: int, key: str | None = None) -> Email:
    return Email(number, 1, key or str(number), 0, 7, 0, f"{number}@example.com")


# --- which jobs are ready


def test_ready_jobs_are_those_with_the_status_whose_time_has_come_and_that_are_new(
    c: sa.Connection, source: Source
) -> None:
    add_jobs(
        c,
        {"id": 1, "name": "no schedule"},
        {"id": 2, "scheduled_for": LONG_AGO},
        {"id": 3, "scheduled_for": FAR_AWAY},
        {"id": 4, "status": "created"},
        {"id": 5, "name": "in the ledger already"},
        {"id": 6, "status": "finished"},
        {"id": 7},
    )
    know(c, 5)
    assert [job.key for job in source.ready_jobs(c, eed_job, 10)] == [1, 2, 7]
    assert [job.key for job in source.ready_jobs(c, eed_job, 2)] == [1, 2]
    assert source.ready_jobs(c, eed_job, 1)[0].name == "no schedule"


def test_a_schedule_counts_by_the_clock_of_the_database(c: sa.Connection, source: Source) -> None:
    add_jobs(c, {"id": 1}, {"id": 2})
    shift = {
        "sqlite": "UPDATE delivery_job SET scheduled_for = strftime('%Y-%m-%dT%H:%M:%S', 'now', {} || ' seconds')",
        "mysql": "UPDATE delivery_job SET scheduled_for = NOW(6) + INTERVAL {} SECOND",
    }["sqlite" if c.dialect.name == "sqlite" else "mysql"]
    c.execute(sa.text(shift.format("'-5'") + " WHERE id = 1"))
    c.execute(sa.text(shift.format("'+60'") + " WHERE id = 2"))
    assert [job.key for job in source.ready_jobs(c, eed_job, 10)] == [1]


def test_expiry_is_told_in_seconds_from_now(c: sa.Connection, source: Source) -> None:
    add_jobs(c, {"id": 1}, {"id": 2, "expires_at": LONG_AGO}, {"id": 3, "expires_at": "9999-12-31 23:59:59"}, {"id": 4})
    soon = {
        "sqlite": "UPDATE delivery_job SET expires_at = strftime('%Y-%m-%d %H:%M:%f', 'now', '+90 seconds') WHERE id=4",
        "mysql": "UPDATE delivery_job SET expires_at = NOW(6) + INTERVAL 90 SECOND WHERE id=4",
    }["sqlite" if c.dialect.name == "sqlite" else "mysql"]
    c.execute(sa.text(soon))
    none, past, never, later = source.ready_jobs(c, eed_job, 10)
    assert (none.expires_in_seconds, none.expired) == (None, False)
    assert past.expired
    assert (never.expires_in_seconds, never.expired) == (None, False)
    assert later.expires_in_seconds == pytest.approx(90, abs=5)
    assert not later.expired


# --- which emails are not sent yet


def test_a_half_sent_job_gives_only_what_is_not_sent_yet(c: sa.Connection, source: Source) -> None:
    add_jobs(c, {"id": 1}, {"id": 2})
    add_emails(
        c,
        {"id": 1, "status": "sent"},
        {"id": 2, "status": "pending"},
        {"id": 3, "status": None},
        {"id": 4, "status": "failed"},
        {"id": 5, "status": "something else"},
        {"id": 6, "job_id": 2},
        {"id": 7, "recipient": None},
    )
    assert [(row.key, row.recipient) for row in source.unsent(c, "1", None, 10)] == [
        (2, "b@example.com"),
        (3, "b@example.com"),
        (7, ""),
    ]
    assert source.already_settled_count(c, "1") == 3
    assert source.already_settled_count(c, 2) == 0


def test_a_page_has_its_jobs_pending_emails_alone(c: sa.Connection, source: Source) -> None:
    """Other jobs' emails lie between, on either side of its key, and some of its own are sent."""
    for n in range(12):
        status = "sent" if n in (4, 7) else "pending"
        add(c, delivery_email, {"id": 10 + n, "job_id": 1 + n % 3, "recipient": f"c{n}@example.com", "status": status})
    assert [row.key for row in source.unsent(c, 2, None, 9)] == [11, 20]
    assert [row.key for row in source.unsent(c, 2, 10, 9)] == [11, 20]
    assert [row.key for row in source.unsent(c, 2, 11, 9)] == [20]
    assert source.unsent_until(c, 2, 10, 9) == (2, 20)
    between = source.unsent_between(2, 11, 21)
    assert c.execute(sa.select(between.c.key)).scalars().all() == [20]


def test_null_is_settled_when_it_does_not_mean_pending(c: sa.Connection) -> None:
    source = Source(SourceSettings.model_validate({"email": {"statuses": {"include_null": False}}}))
    add_emails(c, {"id": 1, "status": None}, {"id": 2})
    assert [row.key for row in source.unsent(c, 1, None, 10)] == [2]
    assert source.already_settled_count(c, 1) == 1


def test_paging_meets_every_email_once(c: sa.Connection, source: Source) -> None:
    add_emails(c, *({"id": number} for number in range(1, 24)))
    seen: list[Any] = []
    after = None
    while page := source.unsent(c, 1, after, 5):
        assert len(page) <= 5
        seen += [row.key for row in page]
        after = str(page[-1].key)  # as the ledger keeps its cursor
    assert seen == list(range(1, 24))


# --- contents


def test_a_job_comes_with_its_own_attachments(c: sa.Connection, source: Source) -> None:
    add_jobs(c, {"id": 1, "reply_to": "r@example.com", "html_template": "<p>", "text_template": None, "subject": "Ünï"})
    add(
        c,
        delivery_attachment,
        {"job_id": 1, "location": "terms.pdf", "filename": "Terms.pdf", "content_type": "application/pdf"},
        {"job_id": 1, "email_id": 5, "location": "statement.pdf"},
        {"job_id": 2, "location": "other.pdf"},
    )
    job = source.job(c, 1, "1", revision=3)
    assert (job.job_id, job.key, job.revision) == (1, "1", 3)
    assert (job.sender, job.reply_to, job.subject) == ("a@example.com", "r@example.com", "Ünï")
    assert (job.html_template, job.text_template) == ("<p>", None)
    assert job.attachments == (AttachmentRef("terms.pdf", "Terms.pdf", "application/pdf"),)


def test_a_job_that_has_gone_is_named(c: sa.Connection, source: Source) -> None:
    with pytest.raises(RenderError, match="job 9 is not in the source table delivery_job any more"):
        source.job(c, 9, "9", 0)


def test_constants_stand_for_columns(c: sa.Connection) -> None:
    settings = SourceSettings.model_validate({"job": {"sender_value": "s@bank.example", "subject_value": "Statement"}})
    add_jobs(c, {"id": 1})
    job = Source(settings).job(c, 1, 1, 0)
    assert (job.sender, job.subject) == ("s@bank.example", "Statement")


@pytest.mark.parametrize(
    ("kind", "yes", "no"),
    [
        ("BOOLEAN", ["TRUE", "1"], ["FALSE", "NULL", "2"]),
        (
            "VARCHAR(10)",
            ["'1'", "'Yes'", "' y '", "'TRUE'", "'on'", "'t'"],
            ["'0'", "'n'", "''", "NULL", "'maybe'", "'ja'"],
        ),
    ],
)
def test_only_what_surely_says_yes_is_tracked(c: sa.Connection, kind: str, yes: list[str], no: list[str]) -> None:
    c.execute(sa.text(f"ALTER TABLE delivery_job ADD COLUMN wants {kind}"))
    wishes = {"track_opens": "wants", "track_clicks_value": False}
    source = Source(SourceSettings.model_validate({"job": wishes}))
    for job_id, (word, wanted) in enumerate([*((w, True) for w in yes), *((w, False) for w in no)], 1):
        add_jobs(c, {"id": job_id})
        c.execute(sa.text(f"UPDATE delivery_job SET wants = {word} WHERE id = {job_id}"))
        job = source.job(c, job_id, job_id, 0)
        assert (job.track_opens, job.track_clicks) == (wanted, False), word


def test_a_bit_says_yes_too(c: sa.Connection) -> None:
    if c.dialect.name == "sqlite":
        pytest.skip("SQLite has no BIT")
    c.execute(sa.text("ALTER TABLE delivery_job ADD COLUMN wants BIT(1)"))
    add_jobs(c, {"id": 1}, {"id": 2})
    c.execute(sa.text("UPDATE delivery_job SET wants = (id = 1)"))
    source = Source(SourceSettings.model_validate({"job": {"track_clicks": "wants"}}))
    assert [source.job(c, n, n, 0).track_clicks for n in (1, 2)] == [True, False]


def test_every_job_is_tracked_or_none_where_a_value_says_so(c: sa.Connection, source: Source) -> None:
    add_jobs(c, {"id": 1})
    all_of_them = {"track_opens_value": True, "track_clicks_value": True}
    job = Source(SourceSettings.model_validate({"job": all_of_them})).job(c, 1, 1, 0)
    assert (job.track_opens, job.track_clicks) == (True, True)
    assert (source.job(c, 1, 1, 0).track_opens, source.job(c, 1, 1, 0).track_clicks) == (False, False)


def test_emails_are_loaded_with_two_queries_and_a_vanished_one_is_left_out(
    engine: sa.Engine, c: sa.Connection, source: Source
) -> None:
    add_emails(c, *({"id": n, "recipient_name": f"N {n}", "variables": {"n": n}} for n in (1, 2, 3)))
    add(
        c,
        delivery_attachment,
        {"job_id": 1, "email_id": 2, "location": "b.pdf"},
        {"job_id": 1, "email_id": 2, "location": "a.pdf", "sha256": "0" * 64},
        {"job_id": 1, "email_id": 3, "location": "c.pdf"},
        {"job_id": 1, "location": "the job's.pdf"},
    )
    statements: list[str] = []
    sa.event.listen(engine, "before_cursor_execute", lambda *a: statements.append(a[2]))
    loaded = source.emails(c, [email(3), email(99), email(1), email(2)])
    assert len(statements) == 2
    assert [(e.email_id, e.recipient_name, e.token) for e in loaded] == [(3, "N 3", 7), (1, "N 1", 7), (2, "N 2", 7)]
    assert '"n": 3' in loaded[0].variables
    assert loaded[0].recipient == "b@example.com"  # the source's as it is now, whatever the ledger has
    assert [file.location for e in loaded for file in e.attachments] == ["c.pdf", "a.pdf", "b.pdf"]
    assert loaded[2].attachments[0].sha256 == "0" * 64
    assert source.emails(c, []) == []


def test_further_columns_are_offered_by_the_template_s_name(c: sa.Connection) -> None:
    columns = {"account": "status_detail", "tries": "attempts"}
    settings = SourceSettings.model_validate({"email": {"variables": "", "variable_columns": columns}})
    add_emails(c, {"id": 1, "status_detail": "DE-1", "attempts": 4})
    (loaded,) = Source(settings).emails(c, [email(1)])
    assert loaded.columns == {"account": "DE-1", "tries": 4}
    assert loaded.variables is None


# --- status written back


def one(c: sa.Connection, table: sa.Table, key: int) -> dict[str, Any]:
    return dict(c.execute(sa.select(table).where(table.c.id == key)).mappings().one())


@pytest.mark.parametrize(
    ("state", "word"),
    [
        (EmailState.SENT, "sent"),
        (EmailState.FAILED, "failed"),
        (EmailState.IN_DOUBT, "in_doubt"),
        (EmailState.SUPPRESSED, "suppressed"),
        (EmailState.CANCELLED, "cancelled"),
        (EmailState.PENDING, "pending"),
    ],
)
def test_a_status_is_written_and_nothing_else_is_touched(
    c: sa.Connection, source: Source, state: EmailState, word: str
) -> None:
    add_emails(c, {"id": 1, "recipient_name": "N"}, {"id": 2})
    before, other = one(c, delivery_email, 1), one(c, delivery_email, 2)
    source.write_email(c, "1", state, "250 ok", 2, "<m@example.com>")
    after = one(c, delivery_email, 1)
    changed = {"status": word, "status_detail": "250 ok", "attempts": 2, "message_id": "<m@example.com>"}
    assert after == before | changed | {"sent_at": after["sent_at"]}
    assert (after["sent_at"] is not None) == (state is EmailState.SENT)
    assert one(c, delivery_email, 2) == other


def test_sent_at_is_the_database_s_now(c: sa.Connection, source: Source) -> None:
    add_emails(c, {"id": 1})
    source.write_email(c, 1, EmailState.SENT, "", 1, None)
    now = "CURRENT_TIMESTAMP" if c.dialect.name == "sqlite" else "NOW(6)"
    age = {"sqlite": f"(julianday({now}) - julianday(sent_at)) * 86400"}.get(
        c.dialect.name, f"TIMESTAMPDIFF(SECOND, sent_at, {now})"
    )
    assert c.execute(sa.text(f"SELECT {age} FROM delivery_email")).scalar_one() == pytest.approx(0, abs=5)


def test_many_emails_get_the_same_status_and_keep_their_attempts(c: sa.Connection, source: Source) -> None:
    add_emails(c, *({"id": n, "attempts": n, "message_id": "m"} for n in range(1, 8)))
    source.write_emails(c, [str(n) for n in range(1, 6)], EmailState.CANCELLED, "expired")
    rows = c.execute(sa.select(delivery_email).order_by(delivery_email.c.id)).all()
    assert [row.status for row in rows] == ["cancelled"] * 5 + ["pending"] * 2
    assert [row.attempts for row in rows] == list(range(1, 8))
    assert {row.message_id for row in rows} == {"m"}
    source.write_emails(c, [], EmailState.SENT, "")


def test_a_job_s_state_is_written_and_a_paused_job_keeps_its_status(c: sa.Connection, source: Source) -> None:
    add_jobs(c, {"id": 1, "status": "old"}, {"id": 2, "status": "old"})
    seen = []
    for state in (JobState.PAUSED, JobState.FINISHED, JobState.FAILED, JobState.CANCELLED, JobState.ACTIVE):
        source.write_job(c, "1", state)
        seen.append(one(c, delivery_job, 1)["status"])
    assert seen == ["old", "finished", "failed", "cancelled", "processing"]
    assert one(c, delivery_job, 2)["status"] == "old"


def test_optional_columns_may_be_missing(c: sa.Connection) -> None:
    c.execute(sa.text("CREATE TABLE bare_job (id INTEGER PRIMARY KEY, state INTEGER)"))
    c.execute(
        sa.text("CREATE TABLE bare_email (id INTEGER PRIMARY KEY, job INTEGER, mail VARCHAR(254), state INTEGER)")
    )
    c.execute(sa.text("INSERT INTO bare_job VALUES (1, 2)"))
    c.execute(sa.text("INSERT INTO bare_email VALUES (10, 1, 'b@example.com', 0)"))
    none = dict.fromkeys(("name", "reply_to", "text_template", "scheduled_for", "expires_at"), "")
    values = {"sender_value": "a@example.com", "subject_value": "S", "html_template_value": "<p>"}
    gone = ("recipient_name", "variables", "status_detail", "attempts", "message_id", "sent_at")
    email_words = {"pending": [0], "sent": 1, "failed": 2, "in_doubt": 3, "suppressed": 4, "cancelled": 5}
    settings = SourceSettings.model_validate(
        {
            "job": {"table": "bare_job", "status": "state", **none, **values}
            | {"statuses": {"ready": 2, "finished": 3, "failed": 4, "cancelled": 5}},
            "email": {"table": "bare_email", "job_id": "job", "recipient": "mail", "status": "state"}
            | dict.fromkeys(gone, "")
            | {"statuses": email_words},
            "attachment": {"table": ""},
        }
    )
    source = Source(settings)
    (ready,) = source.ready_jobs(c, eed_job, 5)
    assert (ready.key, ready.name, ready.expires_in_seconds) == (1, "", None)
    assert source.job(c, 1, "1", 0).html_template == "<p>"
    assert [row.key for row in source.unsent(c, 1, None, 5)] == [10]
    (loaded,) = source.emails(c, [email(10)])
    assert (loaded.recipient_name, loaded.variables, loaded.attachments) == (None, None, ())
    source.write_email(c, "10", EmailState.SENT, "250", 1, "<m>")
    source.write_job(c, 1, JobState.FINISHED)
    assert c.execute(sa.text("SELECT state FROM bare_email")).scalar_one() == 1
    assert c.execute(sa.text("SELECT state FROM bare_job")).scalar_one() == 3


# --- a legacy schema of one table, with numbers for statuses

SINGLE = SourceSettings.model_validate(
    {
        "single_table": True,
        "job": {
            "name": "",
            "sender": "mail_from",
            "reply_to": "",
            "subject": "subj",
            "html_template": "body",
            "text_template": "",
            "scheduled_for": "send_at",
            "expires_at": "",
            "statuses": {"ready": 1, "finished": 2, "failed": 3, "cancelled": 4},
        },
        "email": {
            "table": "mailqueue",
            "id": "mail_no",
            "recipient": "mail_to",
            "recipient_name": "",
            "variables": "",
            "variable_columns": {"customer": "cust_name"},
            "attachment_location": "pdf",
            "attachment_filename": "pdf_name",
            "status": "status",
            "status_detail": "error_text",
            "attempts": "tries",
            "message_id": "",
            "sent_at": "sent",
            "statuses": {"sent": 2, "failed": 3, "in_doubt": 6, "suppressed": 7, "cancelled": 4},
        },
    }
)


@pytest.fixture
def mailqueue(c: sa.Connection) -> sa.Connection:
    c.execute(
        sa.text(
            "CREATE TABLE mailqueue (mail_no INTEGER PRIMARY KEY, status INTEGER NOT NULL, mail_from VARCHAR(100),"
            " mail_to VARCHAR(254), subj VARCHAR(200), body TEXT, send_at DATETIME, sent DATETIME, tries INTEGER,"
            " error_text VARCHAR(40), cust_name VARCHAR(80), pdf VARCHAR(200), pdf_name VARCHAR(80))"
        )
    )
    insert = (
        "INSERT INTO mailqueue (mail_no, status, mail_from, mail_to, subj, body, send_at, cust_name, pdf, pdf_name)"
        " VALUES (:n, :status, 'a@bank.example', :to, 'Hello', 'Dear {{ customer }}', :at, 'Ann', :pdf, 'S.pdf')"
    )
    rows = [
        (1, 1, None, "1.pdf"),
        (2, 2, None, "2.pdf"),
        (3, 1, FAR_AWAY, None),
        (4, 1, LONG_AGO, ""),
        (5, 0, None, ""),
    ]
    for number, status, at, pdf in rows:
        values = {"n": number, "status": status, "to": f"{number}@example.com", "at": at, "pdf": pdf}
        c.execute(sa.text(insert), values)
    return c


def test_in_a_single_table_each_row_is_a_job_of_one_email(mailqueue: sa.Connection) -> None:
    source = Source(SINGLE)
    assert [job.key for job in source.ready_jobs(mailqueue, eed_job, 10)] == [1, 4]
    assert [(row.key, row.recipient) for row in source.unsent(mailqueue, "1", None, 10)] == [(1, "1@example.com")]
    assert source.unsent(mailqueue, "1", "1", 10) == []
    assert source.unsent(mailqueue, "2", None, 10) == []  # sent by the old server
    assert source.already_settled_count(mailqueue, "2") == 1
    job = source.job(mailqueue, 1, "1", 0)
    assert (job.sender, job.subject, job.html_template) == ("a@bank.example", "Hello", "Dear {{ customer }}")
    first, fourth = source.emails(mailqueue, [email(1), email(4)])
    assert first.columns == {"customer": "Ann"}
    assert (first.attachments, fourth.attachments) == ((AttachmentRef("1.pdf", "S.pdf"),), ())


def test_in_a_single_table_the_status_is_the_email_s(mailqueue: sa.Connection) -> None:
    source = Source(SINGLE)
    status = sa.text("SELECT status, tries, error_text FROM mailqueue WHERE mail_no = 1")
    source.write_email(mailqueue, "1", EmailState.FAILED, "550 no such user", 3, None)
    source.write_job(mailqueue, "1", JobState.FINISHED)
    assert tuple(mailqueue.execute(status).one()) == (3, 3, "550 no such user")
    source.write_emails(mailqueue, ["1"], EmailState.PENDING, "")  # a requeue
    assert mailqueue.execute(status).one().status == 1


# --- a legacy schema with string keys and names that are SQL's own words

RESERVED = {
    "job": {
        "table": "order",
        "id": "key",
        "key_type": "string",
        "name": "group",
        "status": "status",
        "sender": "from",
        "reply_to": "",
        "subject": "select",
        "html_template": "",
        "text_template": "table",
        "scheduled_for": "",
        "expires_at": "",
    },
    "email": {
        "table": "group",
        "id": "index",
        "key_type": "string",
        "job_id": "order",
        "recipient": "to",
        "recipient_name": "",
        "variables": "values",
        "status": "status",
        "status_detail": "desc",
        "attempts": "",
        "message_id": "",
        "sent_at": "when",
    },
    "attachment": {
        "table": "file",
        "job_id": "order",
        "email_id": "for",
        "location": "where",
        "filename": "",
        "content_type": "",
        "sha256": "",
    },
}


@pytest.fixture
def reserved(c: sa.Connection) -> sa.Connection:
    quote = c.dialect.identifier_preparer.quote_identifier

    def table(name: str, **columns: str) -> None:
        c.execute(sa.text(f"CREATE TABLE {quote(name)} ({', '.join(f'{quote(n)} {t}' for n, t in columns.items())})"))

    word, key = "VARCHAR(50)", "VARCHAR(20) PRIMARY KEY"
    table("order", key=key, group=word, status=word, **{"from": word, "select": word, "table": word})
    table("group", index=key, order=word, to=word, values=word, status=word, desc=word, when="DATETIME")
    table("file", order=word, where=word, **{"for": word})
    run = Source(SourceSettings.model_validate(RESERVED))._tables  # only its light tables, to fill them
    for key_ in ("J-1", "J-2", "ü-3"):
        c.execute(
            sa.insert(run.jobs).values({"key": key_, "group": "N", "status": "processing", "from": "a@example.com"})
        )
    for key_, job in (("e-2", "J-1"), ("e-1", "J-1"), ("E-3", "J-2")):
        c.execute(sa.insert(run.emails).values({"index": key_, "order": job, "to": "b@example.com", "values": "{}"}))
    assert run.attachments is not None
    for owner, job, place in (("e-1", "J-1", "1.pdf"), (None, "J-1", "all.pdf"), ("E-3", "J-2", "3.pdf")):
        c.execute(sa.insert(run.attachments).values({"for": owner, "order": job, "where": place}))
    return c


def test_string_keys_and_reserved_words(reserved: sa.Connection) -> None:
    c, source = reserved, Source(SourceSettings.model_validate(RESERVED))
    know(c, "J-2")
    assert [job.key for job in source.ready_jobs(c, eed_job, 10)] == ["J-1", "ü-3"]
    assert [row.key for row in source.unsent(c, "J-1", None, 10)] == ["e-1", "e-2"]
    assert [row.key for row in source.unsent(c, "J-1", "e-1", 10)] == ["e-2"]
    job = source.job(c, 1, "J-1", 0)
    assert (job.key, [file.location for file in job.attachments]) == ("J-1", ["all.pdf"])
    loaded = source.emails(c, [email(1, "e-1"), email(2, "e-2"), email(3, "E-3")])
    assert [[file.location for file in e.attachments] for e in loaded] == [["1.pdf"], [], ["3.pdf"]]
    source.write_email(c, "e-2", EmailState.SENT, "ok", 1, None)
    source.write_job(c, "J-1", JobState.FINISHED)
    assert [row.key for row in source.unsent(c, "J-1", None, 10)] == ["e-1"]
    assert [job.key for job in source.ready_jobs(c, eed_job, 10)] == ["ü-3"]
