"""`submit`: a file of recipients becomes a job, whole or not at all."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from eed_delivery.config import SourceSettings
from eed_delivery.operations.submitting import registering
from tests.command_line import CommandLine
from tests.world import World

CSV = """email,name,attachment,amount
anna@example.com,"Anna Ødegård",a.pdf;terms.pdf,"7,50"
,,,
bob@example.com,,,8
"""


@pytest.fixture
def on_sqlite(tmp_path: Path) -> Iterator[World]:
    world = World(f"sqlite:///{tmp_path}/ledger.sqlite3")
    yield world
    world.close()


class Desk:
    """A command line with templates and files at hand."""

    def __init__(self, directory: Path, world: World) -> None:
        self.directory = directory
        self.eed = CommandLine(directory, world.url)
        for name in ("a.pdf", "terms.pdf"):
            (self.eed.files / name).write_bytes(f"%PDF {name}".encode())
        self.html = self.write("body.html", "<p>Dear {{ recipient_name }}, {{ amount }}</p>")

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.directory / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def words(self, recipients: object, *more: str) -> tuple[str, ...]:
        given = ("--name", "Test", "--sender", "bank@bank.example", "--subject", "Hello {{ recipient_name }}")
        return ("submit", *given, "--html", str(self.html), "--recipients", str(recipients), *more)


@pytest.fixture
def desk(tmp_path: Path, on_sqlite: World) -> Desk:
    return Desk(tmp_path, on_sqlite)


def sha256(name: str) -> str:
    return hashlib.sha256(f"%PDF {name}".encode()).hexdigest()


def nothing_registered(world: World) -> bool:
    return world.scalar("SELECT COUNT(*) FROM delivery_job") == 0 == world.scalar("SELECT COUNT(*) FROM delivery_email")


def test_a_csv_becomes_a_job_that_the_publisher_takes_up(world: World, tmp_path: Path) -> None:
    desk = Desk(tmp_path, world)
    recipients = desk.write("r.csv", CSV)
    words = desk.words(recipients, "--attachment", "terms.pdf", "--schedule", "2026-01-01T00:00:00+01:00")
    result = desk.eed(*words, "--expires", "2037-12-31T00:00:00Z")
    assert result.exit_code == 0, result.output
    assert result.stdout == "1\n"
    assert "job 1 --watch" in result.stderr
    assert world.execute("SELECT name, status, sender FROM delivery_job") == [
        ("Test", "processing", "bank@bank.example")
    ]
    rows = world.execute("SELECT id, recipient, recipient_name, variables, status FROM delivery_email ORDER BY id")
    assert [(r[1], r[2], json.loads(r[3]), r[4]) for r in rows] == [
        ("anna@example.com", "Anna Ødegård", {"amount": "7,50"}, "pending"),
        ("bob@example.com", None, {"amount": "8"}, "pending"),
    ]
    files = world.execute("SELECT email_id, location, sha256 FROM delivery_attachment ORDER BY id")
    anna = rows[0][0]
    assert files == [
        (None, "terms.pdf", sha256("terms.pdf")),
        (anna, "a.pdf", sha256("a.pdf")),
        (anna, "terms.pdf", sha256("terms.pdf")),
    ]
    (job,) = world.registry.new_jobs(10)
    assert job.expires_in_seconds is not None
    assert job.expires_in_seconds > 0


def test_json_lines(on_sqlite: World, desk: Desk) -> None:
    lines = [
        {"email": "anna@example.com", "name": "Anna", "variables": {"amount": 7.5, "items": ["a", {"b": None}]}},
        {"email": "bob@example.com", "variables": {"amount": 1}, "attachments": ["a.pdf", {
            "location": "terms.pdf", "filename": "Terms.pdf", "content_type": "application/pdf",
            "sha256": sha256("terms.pdf").upper(),
        }]},
    ]  # fmt: skip
    recipients = desk.write("r.jsonl", "\n".join(json.dumps(line) for line in lines))
    assert desk.eed.json(*desk.words(recipients)) == {"job": "1", "emails": 2, "skipped": 0, "notes": []}
    rows = on_sqlite.execute("SELECT variables FROM delivery_email ORDER BY id")
    assert json.loads(rows[0][0]) == {"amount": 7.5, "items": ["a", {"b": None}]}
    files = on_sqlite.execute("SELECT location, filename, content_type, sha256 FROM delivery_attachment ORDER BY id")
    assert files[1] == ("terms.pdf", "Terms.pdf", "application/pdf", sha256("terms.pdf"))


def test_recipients_from_stdin(on_sqlite: World, desk: Desk) -> None:
    bom = "\ufeffemail;name\r\na@example.com;Ann\r\n".encode()
    assert "--format" in desk.eed(*desk.words("-"), stdin=bom).stderr
    assert desk.eed.good(*desk.words("-", "--format", "csv", "--delimiter", ";"), stdin=bom) == "1\n"
    assert on_sqlite.scalar("SELECT recipient_name FROM delivery_email") == "Ann"


def test_many_rows_go_in_by_chunks_in_their_order(world: World, tmp_path: Path) -> None:
    desk = Desk(tmp_path, world)
    count = 1007  # two chunks and a bit
    lines = [json.dumps({"email": f"c{n}@example.com", "attachments": [f"{n}.pdf"]}) for n in range(count)]
    recipients = desk.write("r.jsonl", "\n".join(lines))
    desk.eed.good(*desk.words(recipients, "--no-hash"))
    rows = world.execute(
        "SELECT e.recipient, a.location FROM delivery_email e JOIN delivery_attachment a ON a.email_id = e.id"
    )
    assert sorted(rows) == sorted((f"c{n}@example.com", f"{n}.pdf") for n in range(count))


BAD_CSV = [
    ("email,amount\na@example.com,1\n,2\n", "line 3: it has no email address"),
    ("email,amount\na@example.com,1\nb@example.com\n", "line 3: it has 1 columns, and the header 2"),
    ('email,amount\n"a@example.com"x,1\n', "line 2: this is not CSV"),
    (b"email,name\na@example.com,\xe9\n", "line 2: it is not UTF-8 text"),
    (f"email,name\na@example.com,{'x' * 256}\n", "line 2: its name is longer than 255"),
    ('email,name\n"a@example.com","two\nlines"\nb@example.com,c,d\n', "line 4: it has 3 columns"),
    ("email,eed_job_id\na@example.com,7\n", "line 2: its variable 'eed_job_id' begins with eed_"),
    ("email,attachment\na@example.com,missing.pdf\n", "line 2: attachment 'missing.pdf': there is no such file"),
    ("email,attachment\na@example.com,../eed.toml\n", "line 2: attachment '../eed.toml'"),
    ("mail\na@example.com\n", "names no column 'email'"),
    ("email,a,a\n", "names 'a' twice"),
    ("email,,\n", "a column without a name"),
    ('email,"a\n', "this is not CSV"),
    ("", "names no column 'email'"),
    ("email\n", "there is no row to register"),
]


@pytest.mark.parametrize(("content", "told"), BAD_CSV)
def test_a_bad_csv_registers_nothing(on_sqlite: World, desk: Desk, content: str | bytes, told: str) -> None:
    assert told in desk.eed.refused(*desk.words(desk.write("r.csv", content)))
    assert nothing_registered(on_sqlite)


BAD_JSON = [
    ("{", "line 1: this is not JSON"),
    ("[]", "line 1: the line is not an object"),
    ('{"email": "a@example.com", "variable": {}}', "line 1: the line has the unknown member 'variable'"),
    ('{"email": 7}', "line 1: email must be text"),
    ('{"name": "x"}', "line 1: it has no email address"),
    ('{"email": "a@example.com", "variables": {"eed_x": 1}}', "line 1: its variable 'eed_x' begins with eed_"),
    ('{"email": "a@example.com", "variables": [1]}', "line 1: variables must be an object"),
    ('{"email": "a@example.com", "variables": {"x": NaN}}', "line 1: NaN is not a JSON number"),
    ('{"email": "a@example.com", "variables": {"x": 1e999}}', "line 1: a number is out of range"),
    ('{"email": "a@example.com", "variables": {"x": "\\ud800"}}', "line 1: it is not UTF-8 text"),
    ('{"email": "a@example.com", "attachments": "a.pdf"}', "line 1: attachments must be a list"),
    ('{"email": "a@example.com", "attachments": [7]}', "line 1: an attachment is not an object"),
    ('{"email": "a@example.com", "attachments": [{"filename": "x"}]}', "line 1: an attachment has no location"),
    ('{"email": "a@example.com", "attachments": [{"location": "a.pdf", "sha256": "00"}]}', "is not the file"),
    ("[" * 100_000, "line 1: this is nested too deeply"),
]


@pytest.mark.parametrize(("content", "told"), BAD_JSON)
def test_a_bad_json_line_registers_nothing(on_sqlite: World, desk: Desk, content: str, told: str) -> None:
    assert told in desk.eed.refused(*desk.words(desk.write("r.jsonl", content)))
    assert nothing_registered(on_sqlite)


def test_twenty_bad_rows_are_told_and_the_others_counted(on_sqlite: World, desk: Desk) -> None:
    recipients = desk.write("r.csv", "email,name\ngood@example.com,x\n" + ",no address\n" * 25)
    told = desk.eed.refused(*desk.words(recipients)).splitlines()
    assert told[0] == "line 3: it has no email address"
    assert told[20] == "and 5 more"
    assert told[21].startswith("error: 25 of 26 rows are bad. Nothing was registered.")
    assert nothing_registered(on_sqlite)


def test_bad_rows_may_be_skipped(on_sqlite: World, desk: Desk) -> None:
    recipients = desk.write("r.csv", "email,name\n,x\ngood@example.com,y\n")
    assert desk.eed.json(*desk.words(recipients, "--skip-bad")) == {"job": "1", "emails": 1, "skipped": 1, "notes": []}
    assert on_sqlite.execute("SELECT recipient FROM delivery_email") == [("good@example.com",)]


def test_the_sums_are_printed_and_the_refused_rows_kept(on_sqlite: World, desk: Desk) -> None:
    content = 'email;name\r\n;x\r\n\r\na@example.com;y\r\nb@example.com;"z\r\nc@example.com;z"\r\na@example.com;\r\n'
    recipients, mended = desk.write("r.csv", "\ufeff" + content), desk.directory / "refused.csv"
    assert "needs --skip-refused" in desk.eed.refused(*desk.words(recipients, "--refused-to", str(mended)), code=2)
    assert desk.eed.refused(*desk.words(recipients)).splitlines()[-2:] == [
        "error: 2 of 4 rows are bad. Nothing was registered. Correct them, or register the others with --skip-refused.",
        "7 lines read (UTF-8, columns separated by ';') = 1 header + 2 good + 3 refused + 1 blank",
    ]
    assert nothing_registered(on_sqlite)
    result = desk.eed(*desk.words(recipients, "--skip-refused", "--refused-to", str(mended)))
    assert (result.exit_code, result.stdout) == (0, "1\n")
    assert result.stderr.splitlines()[:-1] == [
        "line 2: it has no email address",
        "line 5: a cell reaches over lines 5 to 6: a quote is missing or too many. If it is meant, add --multiline",
        "1 row has the recipient of an earlier row, and each gets an email: line 7 (as line 4)",
        "7 lines read (UTF-8, columns separated by ';') = 1 header + 2 registered + 3 refused + 1 blank",
        "2 emails are registered. The publisher picks up the job by itself",
    ]
    assert on_sqlite.execute("SELECT recipient FROM delivery_email") == [("a@example.com",)] * 2
    kept = '\ufeffemail;name\r\n;x\r\nb@example.com;"z\r\nc@example.com;z"\r\n'
    assert mended.read_bytes() == kept.encode()
    assert mended.stat().st_mode & 0o777 == 0o600


def test_rows_that_the_service_would_refuse_are_refused_now(on_sqlite: World, desk: Desk) -> None:
    lines = [
        {"email": "a@ex_ample.com"},
        {"email": "a@example.com", "name": "Anna\nBcc: x@example.com"},
        {"email": "b@example.com", "variables": {"": 1}},
        {"email": "B@EXAMPLE.com"},
        {"email": "b@example.com"},
    ]
    recipients = desk.write("r.jsonl", "\n".join(map(json.dumps, lines)))
    told = desk.eed.refused(*desk.words(recipients)).splitlines()
    assert told[0].startswith("line 1: the recipient's address is not valid")
    assert told[1:] == [
        "line 2: the recipient's name contains a line break, which a mail header cannot hold",
        "line 3: variables has a column without a name",
        "1 row has the recipient of an earlier row, and each gets an email: line 5 (as line 4)",
        "error: 3 of 5 rows are bad. Nothing was registered. Correct them, or register the others with --skip-refused.",
        "5 lines read (UTF-8) = 2 good + 3 refused",
    ]
    assert nothing_registered(on_sqlite)


@pytest.mark.parametrize("wrong", ["", ";;", "a", '"', "\n"])
def test_what_cannot_separate_columns_is_refused(desk: Desk, wrong: str) -> None:
    words = desk.words(desk.write("r.csv", CSV), "--delimiter", wrong)
    assert "cannot separate columns" in desk.eed.refused(*words, code=2)


def test_an_encoding_must_be_one_of_text(desk: Desk) -> None:
    for wrong in ("latin-99", "base64", "utf-7", "punycode"):
        words = desk.words(desk.write("r.csv", CSV), "--encoding", wrong)
        assert "is not an encoding of text" in desk.eed.refused(*words, code=2)
    recipients = desk.write("r.csv", "email\tname\tamount\na@example.com\tJürgen\t1\n".encode("cp1252"))
    assert "Jürgen" in desk.eed.good(*desk.words(recipients, "--encoding", "cp1252", "--delimiter", "tab", "--dry-run"))


def test_a_dry_run_shows_the_first_email_and_registers_nothing(on_sqlite: World, desk: Desk) -> None:
    recipients = desk.write("r.csv", CSV)
    text = desk.eed.good(*desk.words(recipients, "--dry-run", "--reply-to", "help@bank.example"))
    assert "subject:     Hello Anna Ødegård" in text
    assert "to:          Anna Ødegård <anna@example.com>" in text
    assert "attachments: a.pdf, terms.pdf" in text
    assert "2 emails would be registered. Nothing was" in text
    answer = desk.eed.json(*desk.words(recipients, "--dry-run"))
    assert (answer["emails"], answer["first"]["attachments"]) == (2, ["a.pdf", "terms.pdf"])
    assert answer["first"]["missing"] == []
    assert nothing_registered(on_sqlite)


def test_a_dry_run_says_which_values_the_first_email_lacks(on_sqlite: World, desk: Desk) -> None:
    lines = '{"email": "a@example.com", "variables": {"x": null, "amount": 1}}\n'
    words = desk.words(desk.write("r.jsonl", lines), "--subject", "{{ x }}{{ recipient_name }}", "--dry-run")
    assert "no value:    x, recipient_name" in desk.eed.good(*words)
    assert desk.eed.json(*words)["first"]["missing"] == ["x", "recipient_name"]


@pytest.mark.parametrize(
    ("words", "told", "code"),
    [
        (("--subject", "{{ x"), "subject template, line 1", 1),
        (("--subject", "{{ nobody }}", "--dry-run"), "nobody", 1),
        (("--sender", "no address"), "sender", 1),
        (("--attachment", "missing.pdf"), "there is no such file", 1),
        (("--name", "x" * 256), "--name is longer than 255", 1),
        (("--schedule", "2026-12-31T18:00:00"), "no time zone", 2),
        (("--schedule", "soon"), "not a time", 2),
        (("--expires", "2001-01-01T00:00:00Z"), "is in the past", 2),
        (("--expires", "2040-01-01T00:00:00Z"), "2038", 2),
        (("--schedule", "2037-01-02T00:00:00Z", "--expires", "2037-01-01T00:00:00Z"), "later than", 2),
    ],
)
def test_what_cannot_be_sent_is_not_registered(
    on_sqlite: World, desk: Desk, words: tuple[str, ...], told: str, code: int
) -> None:
    assert told in desk.eed.refused(*desk.words(desk.write("r.csv", CSV), *words), code=code)
    assert nothing_registered(on_sqlite)


def test_a_body_is_needed_and_must_be_text(desk: Desk) -> None:
    words = ("submit", "--name", "x", "--sender", "a@example.com", "--subject", "s", "--recipients")
    recipients = str(desk.write("r.csv", CSV))
    assert "--html, --text, or both" in desk.eed.refused(*words, recipients, code=2)
    binary = str(desk.write("b.txt", b"\xff\xfe"))
    assert "not UTF-8" in desk.eed.refused(*words, recipients, "--text", binary)


def test_an_own_schema_is_left_alone(on_sqlite: World, desk: Desk) -> None:
    desk.eed.config.write_text(desk.eed.config.read_text() + '[source.email]\nrecipient = "mail"\n')
    assert "[source] maps your own tables" in desk.eed.refused(*desk.words(desk.write("r.csv", CSV)))
    assert "[source] maps other tables" in desk.eed.refused("db", "init", "--with-source")
    assert nothing_registered(on_sqlite)


def test_other_status_words_are_used(on_sqlite: World, desk: Desk) -> None:
    words = '[source.job.statuses]\nready = "go"\n[source.email.statuses]\npending = ["new"]\n'
    plain = desk.eed.config.read_text()
    desk.eed.config.write_text(plain + words)
    desk.eed.good(*desk.words(desk.write("r.csv", CSV)))
    assert on_sqlite.scalar("SELECT status FROM delivery_job") == "go"
    assert on_sqlite.scalar("SELECT DISTINCT status FROM delivery_email") == "new"
    desk.eed.config.write_text(plain + '[source.job.statuses]\nready = "preparing"\n')
    assert "which submit needs" in desk.eed.refused(*desk.words(desk.write("r.csv", CSV)))


def test_a_job_has_a_category_where_the_column_is_mapped(on_sqlite: World, desk: Desk) -> None:
    words = desk.words(desk.write("r.csv", CSV))
    assert 'Set source.job.category = "category"' in desk.eed.refused(*words, "--category", "news")
    desk.eed.config.write_text(desk.eed.config.read_text() + '[source.job]\ncategory = "category"\n')
    assert "--category is longer than 191" in desk.eed.refused(*words, "--category", "x" * 192)
    desk.eed.good(*words, "--category", "news")
    assert on_sqlite.scalar("SELECT category FROM delivery_job") == "news"


def test_a_reference_schema_of_before_takes_jobs_without_a_category(on_sqlite: World, desk: Desk) -> None:
    on_sqlite.execute("ALTER TABLE delivery_job DROP COLUMN category")
    desk.eed.good(*desk.words(desk.write("r.csv", CSV)))
    assert on_sqlite.scalar("SELECT COUNT(*) FROM delivery_job") == 1


def test_what_is_the_same_for_every_job_is_no_other_schema(on_sqlite: World, desk: Desk) -> None:
    desk.eed.config.write_text(desk.eed.config.read_text() + '[source.job]\ncategory_value = "statements"\n')
    desk.eed.good(*desk.words(desk.write("r.csv", CSV)))


def test_a_job_is_not_ready_before_its_last_email_is_in(on_sqlite: World) -> None:
    """What a crash leaves behind after `begin` and `add`."""
    registration = registering.Registration(on_sqlite.database, SourceSettings())
    blank = dict.fromkeys(("reply_to", "html_template", "text_template", "scheduled_for", "expires_at"))
    registration.begin({**blank, "name": "n", "sender": "s@example.com", "subject": "x"}, [])
    rows = [registering.Recipient(1, "a@example.com"), registering.Recipient(2, "b@example.com")]
    registration.add(rows)
    assert on_sqlite.scalar("SELECT status FROM delivery_job") == "preparing"
    assert on_sqlite.registry.new_jobs(10) == []
    registration.release()
    assert len(on_sqlite.registry.new_jobs(10)) == 1


def test_a_chunk_whose_commit_lost_its_answer_is_not_entered_twice(on_sqlite: World) -> None:
    registration = registering.Registration(on_sqlite.database, SourceSettings())
    blank = dict.fromkeys(("reply_to", "html_template", "text_template", "scheduled_for", "expires_at"))
    registration.begin({**blank, "name": "n", "sender": "s@example.com", "subject": "x"}, [])
    rows = [registering.Recipient(1, "a@example.com"), registering.Recipient(2, "b@example.com")]
    on_sqlite.database.run(lambda c: registration._rows.add(c, rows))  # committed, and the answer never came
    registration.add(rows)
    registration.add([registering.Recipient(3, "a@example.com")])
    found = on_sqlite.execute("SELECT recipient FROM delivery_email ORDER BY id")
    assert found == [("a@example.com",), ("b@example.com",), ("a@example.com",)]


@pytest.mark.parametrize("statement", ["DELETE FROM delivery_email", "DELETE FROM delivery_job"])
def test_a_job_is_not_ready_when_rows_of_it_are_gone(on_sqlite: World, statement: str) -> None:
    registration = registering.Registration(on_sqlite.database, SourceSettings())
    blank = dict.fromkeys(("reply_to", "html_template", "text_template", "scheduled_for", "expires_at"))
    registration.begin({**blank, "name": "n", "sender": "s@example.com", "subject": "x"}, [])
    registration.add([registering.Recipient(1, "a@example.com")])
    on_sqlite.execute(statement)
    with pytest.raises(registering.NotPossible, match="job 1 "):
        registration.release()
    assert on_sqlite.execute("SELECT status FROM delivery_job WHERE status <> 'preparing'") == []


def test_a_release_whose_commit_lost_its_answer_is_done(on_sqlite: World) -> None:
    registration = registering.Registration(on_sqlite.database, SourceSettings())
    blank = dict.fromkeys(("reply_to", "html_template", "text_template", "scheduled_for", "expires_at"))
    registration.begin({**blank, "name": "n", "sender": "s@example.com", "subject": "x"}, [])
    registration.add([registering.Recipient(1, "a@example.com")])
    registration.release()
    registration.release()
    assert len(on_sqlite.registry.new_jobs(10)) == 1


def test_rows_of_somebody_else_stop_it(on_sqlite: World) -> None:
    registration = registering.Registration(on_sqlite.database, SourceSettings())
    blank = dict.fromkeys(("reply_to", "html_template", "text_template", "scheduled_for", "expires_at"))
    job_id = registration.begin({**blank, "name": "n", "sender": "s@example.com", "subject": "x"}, [])
    on_sqlite.execute("INSERT INTO delivery_email (job_id, recipient) VALUES (:j, 'x@example.com')", j=job_id)
    with pytest.raises(registering.NotPossible, match="another process"):
        registration.add([registering.Recipient(1, "a@example.com")])
