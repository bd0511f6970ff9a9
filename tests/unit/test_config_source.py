"""The source mapping: what it accepts, and what it refuses because the service would do the wrong thing."""

import tomllib

import pytest
from pydantic import ValidationError

from eed_delivery.config import SourceSettings
from eed_delivery.config.source_checks import source_clashes


def source(text: str) -> SourceSettings:
    return SourceSettings.model_validate(tomllib.loads(text))


def clashes(text: str) -> list[str]:
    return [" and ".join(".".join(key[1:]) for key in clash.keys) for clash in source_clashes(source(text))]


def test_the_reference_schema_is_the_default() -> None:
    assert clashes("") == []
    assert source("").email.recipient == "recipient"


LEGACY = """
[job]
table = "legacy.ORDER"
id = "group"
key_type = "string"
name = ""
status = "select"
sender = ""
sender_value = "statements@bank.example"
reply_to = ""
html_template = ""
text_template = "äöü body%"
scheduled_for = ""
expires_at = ""
statuses = { ready = 1, finished = 2, failed = 3, cancelled = 3 }
"""


def test_legacy_names_and_numbers_are_accepted() -> None:
    mapped = source(LEGACY)
    assert clashes(LEGACY) == []
    assert mapped.job.table == "legacy.ORDER"
    assert mapped.job.statuses.ready == 1


@pytest.mark.parametrize(
    "text",
    [
        "[job]\ntable = 'a.b.c'",
        "[job]\ntable = ''",
        "[job]\ntable = 'a.'",
        "[job]\nid = ''",
        "[job]\nid = 'a.b'",
        "[email]\nstatus = 'a`b'",
        "[email]\nstatus = ' a'",
        '[email]\nstatus = "a\\tb"',
        f"[email]\nstatus = '{'x' * 65}'",
        "[email]\nvariable_columns = { name = '' }",
        "[job]\nstatuses = { ready = true }",
        "[job]\nstatuses = { ready = '' }",
        "[job]\nstatuses = { ready = 1.5 }",
        "[email]\nstatuses = { pending = 'pending' }",
    ],
)
def test_names_and_words_that_cannot_be(text: str) -> None:
    with pytest.raises(ValidationError):
        source(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("job.sender = ''", ["job.sender"]),
        ("job.subject = ''", ["job.subject"]),
        ("[job]\nhtml_template = ''\ntext_template = ''", ["job.html_template and job.text_template"]),
        ("email.job_id = ''", ["email.job_id and single_table"]),
        ("[attachment]\njob_id = ''\nemail_id = ''", ["attachment.job_id and attachment.email_id"]),
        ("email.attachment_filename = 'f'", ["email.attachment_filename and email.attachment_location"]),
        ("[email]\nvariable_columns = { eed_x = 'x', y = 'eed_y' }", ["email.variable_columns.eed_x"]),
        ("[job]\nsender = 's'\nsender_value = 'a@example.com'", ["job.sender and job.sender_value"]),
        ("job.statuses.finished = 'PROCESSING '", ["job.statuses.ready and job.statuses.finished"]),
        ("job.statuses.ready = 'Finished'", ["job.statuses.ready and job.statuses.finished"]),
        (
            "email.statuses.pending = ['new', 'Sent']",
            ["email.statuses.pending and email.statuses.sent"],
        ),
        ("email.statuses.in_doubt = 'pending'", ["email.statuses.pending and email.statuses.in_doubt"]),
        ("email.statuses.failed = 'sent'", ["email.statuses.sent and email.statuses.failed"]),
        (
            "[email.statuses]\npending = []\ninclude_null = false",
            ["email.statuses.pending and email.statuses.include_null"],
        ),
        ("email.statuses.sent = 7", ["email.statuses"]),
        ("job.statuses.ready = 7", ["job.statuses"]),
        ("email.status_detail = 'STATUS'", ["email.status and email.status_detail"]),
        ("email.sent_at = 'recipient'", ["email.sent_at and email.recipient"]),
        ("email.outcome = 'status'", ["email.status and email.outcome"]),
        ("[job]\ncategory = 'c'\ncategory_value = 'x'", ["job.category and job.category_value"]),
        ("single_table = true\njob.category = 'attempts'", ["email.attempts and job.category"]),
        ("[job]\ntrack_opens = 'o'\ntrack_opens_value = true", ["job.track_opens and job.track_opens_value"]),
        ("[job]\ntrack_clicks = 'c'\ntrack_clicks_value = false", ["job.track_clicks and job.track_clicks_value"]),
        ("single_table = true\njob.track_opens = 'attempts'", ["email.attempts and job.track_opens"]),
        ("single_table = true\njob.track_clicks = 'attempts'", ["email.attempts and job.track_clicks"]),
    ],
)
def test_mappings_that_would_do_the_wrong_thing(text: str, expected: list[str]) -> None:
    assert clashes(text) == expected


def test_ends_that_need_not_be_told_apart_may_share_a_word() -> None:
    assert clashes("job.statuses.failed = 'finished'\nemail.statuses.suppressed = 'failed'") == []
    assert clashes("[email.statuses]\npending = []") == []


def test_a_constant_takes_the_place_of_its_column() -> None:
    mapped = source("job.subject_value = 'Your statement'")
    assert mapped.job.subject == ""
    assert clashes("job.subject_value = 'Your statement'") == []


def test_in_a_single_table_ready_rows_are_pending_and_there_is_no_attachment_table() -> None:
    mapped = source("single_table = true\njob.statuses.ready = 'OPEN'\nemail.statuses.sent = 'DONE'")
    assert mapped.email.statuses.pending == ("OPEN",)
    assert mapped.email.statuses.sent == "DONE"
    assert mapped.attachment.table == ""
    assert source("single_table = true").email.statuses.pending == ("processing",)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("job.statuses.finished = 'processing'", []),
        ("email.job_id = ''", []),
        ("job.statuses.ready = 1", ["email.statuses"]),
        ("email.statuses.pending = ['new']", ["job.statuses.ready and email.statuses.pending"]),
        ("job.statuses.ready = 'sent'", ["email.statuses.pending and email.statuses.sent"]),
        ("email.status_detail = 'subject'", ["email.status_detail and job.subject"]),
    ],
)
def test_what_a_single_table_needs(text: str, expected: list[str]) -> None:
    assert clashes(f"single_table = true\n{text}") == expected
