"""The files of an email: which, under which paths, and with the same bytes on each try."""

import hashlib
from datetime import UTC, datetime
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest

from eed_delivery.config.file_channels import FileChannelSettings
from eed_delivery.errors import ConfigError, RenderError
from eed_delivery.model import Files
from eed_delivery.rendering.attachments import AttachmentStore
from eed_delivery.rendering.files import FileRenderer
from tests.unit.rendering import making
from tests.unit.rendering.making import attachment, email, job

STARTED = datetime(2026, 11, 30, 8, 0, 0, tzinfo=UTC)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "1047.pdf").write_bytes(b"%PDF-1.7 of 1047")
    (tmp_path / "terms.pdf").write_bytes(b"%PDF-1.7 terms")
    return tmp_path


def renderer(root: Path, channel: dict[str, Any] | None = None, **changes: Any) -> FileRenderer:
    rendering = making.settings(**changes)
    store = AttachmentStore(root, None, (), rendering.max_attachment_bytes, rendering.allow_empty_attachments)
    return FileRenderer(FileChannelSettings(**(channel or {})), rendering, store)


def made(root: Path, channel: dict[str, Any] | None = None, *, of_job: Any = None, **of_email: Any) -> Files:
    maker = renderer(root, channel)
    given = {"attachments": (attachment("1047.pdf"),), **of_email}
    return maker.render(maker.compile(of_job or job()), email(**given))


def test_an_attachment_by_default_below_its_job(root: Path) -> None:
    found = made(root)
    assert (found.email_id, found.gen) == (7, 2)
    (file,) = found.files
    assert (file.path, file.content, file.content_type) == ("3/1047.pdf", b"%PDF-1.7 of 1047", "application/pdf")
    assert file.sha256 == hashlib.sha256(file.content).hexdigest()


def test_a_job_without_templates_and_sender_may_put_attachments(root: Path) -> None:
    bare = job(html_template=None, text_template=None, sender="", subject="")
    assert len(made(root, of_job=bare).files) == 1


def test_the_jobs_attachments_come_first_and_are_numbered(root: Path) -> None:
    found = made(root, {"path": "{{ number }}-{{ filename }}"}, of_job=job(attachments=(attachment("terms.pdf"),)))
    assert [file.path for file in found.files] == ["1-terms.pdf", "2-1047.pdf"]


def test_what_a_path_may_name(root: Path) -> None:
    template = "{{ job }}/{{ job_name }}/{{ email }}/{{ recipient }}/{{ account }}/{{ branch.town }}/{{ filename }}"
    found = made(
        root,
        {"path": template},
        of_job=job(name="March"),
        variables={"account": "12 34", "branch": {"town": "Köln"}, "job": "of the email"},
    )
    assert found.files[0].path == "3/March/7/anna@customers.example/12 34/Köln/1047.pdf"


@pytest.mark.parametrize(
    ("path", "variables", "words"),
    [
        ("{{ account }}/{{ filename }}", {"account": ".."}, "leaves the directory"),
        ("{{ account }}/{{ filename }}", {"account": "/etc"}, "begins with /"),
        ("{{ account }}/{{ filename }}", {"account": ""}, "begins with /"),
        ("x/{{ account }}/{{ filename }}", {"account": ""}, "is empty"),
        ("{{ account }}", {"account": "a\\b"}, "backslash"),
        ("{{ account }}", {"account": None}, r"account has no value for this email \(NULL\)"),
        ("{{ account }}", {}, "variable 'account' is not given for this email"),
        ("{{ ''.__class__ }}", {}, "path template, line 1"),
    ],
)
def test_a_path_that_cannot_be_used_fails_its_email(
    root: Path, path: str, variables: dict[str, Any], words: str
) -> None:
    with pytest.raises(RenderError, match=words):
        made(root, {"path": path}, variables=variables)


def test_a_path_template_that_does_not_compile_is_found_at_once(root: Path) -> None:
    with pytest.raises(ConfigError, match="path: path template, line 1"):
        renderer(root, {"path": "{{ job"})


def test_two_files_of_one_email_with_one_path(root: Path) -> None:
    with pytest.raises(
        RenderError, match=r"document '3/same': two files of the email have this path.*\{\{ number \}\}"
    ):
        made(root, {"path": "{{ job }}/same"}, attachments=(attachment("1047.pdf"), attachment("terms.pdf")))


def test_an_email_without_documents(root: Path) -> None:
    with pytest.raises(RenderError, match="no documents"):
        made(root, attachments=())


def test_the_html_alone(root: Path) -> None:
    found = made(root, {"documents": "html"}, of_job=job(html_template="<p>{{ name }}</p>"), variables={"name": "<Ä>"})
    (file,) = found.files
    assert (file.path, file.content_type) == ("3/7.html", "text/html; charset=utf-8")
    assert file.content.decode() == "<p>&lt;Ä&gt;</p>"


def test_html_is_wanted_and_the_job_has_none(root: Path) -> None:
    maker = renderer(root, {"documents": ["attachments", "html"]})
    with pytest.raises(RenderError, match='no HTML template, and the channel puts the document "html"'):
        maker.compile(job(html_template=" "))


def test_the_whole_message_and_what_is_in_it(root: Path) -> None:
    found = made(root, {"documents": ["eml", "attachments"]}, of_job=job(created_at=STARTED))
    message, pdf = found.files
    assert (message.path, message.content_type, pdf.path) == ("3/7.eml", "message/rfc822", "3/1047.pdf")
    parsed: Any = message_from_bytes(message.content, policy=policy.default)
    assert parsed["Date"].datetime == STARTED
    assert parsed["To"] == "anna@customers.example"
    assert [part.get_content_type() for part in parsed.walk()][-1] == "application/pdf"
    assert not [defect for part in parsed.walk() for defect in part.defects]


def test_each_try_and_each_generation_makes_the_same_bytes(root: Path) -> None:
    channel = {"documents": ["eml", "html", "attachments"]}
    of_job = job(created_at=STARTED)
    first, again = made(root, channel, of_job=of_job), made(root, channel, of_job=of_job, gen=3, attempts=2, token=9)
    assert first.files == again.files
    other = made(root, channel, of_job=of_job, recipient="ben@customers.example")
    assert other.files[0] != first.files[0]


def test_the_boundary_is_none_that_a_text_can_hold(root: Path) -> None:
    """A text that knows the boundary of another text is another text."""
    channel, of_job = {"documents": "eml"}, job(html_template="<p>{{ text }}</p>", created_at=STARTED)
    first = message_from_bytes(made(root, channel, of_job=of_job, variables={"text": ""}).files[0].content)
    boundary = first.get_boundary()
    second = made(root, channel, of_job=of_job, variables={"text": f"\n--{boundary}--\n"}).files[0].content
    assert message_from_bytes(second).get_boundary() != boundary


def test_without_a_date_of_the_job_there_is_none(root: Path) -> None:
    parsed = message_from_bytes(made(root, {"documents": "eml"}).files[0].content)
    assert parsed["Date"] is None


def test_a_key_with_a_slash_is_one_name(root: Path) -> None:
    assert made(root, {"documents": "html"}, key="12/../3").files[0].path == "3/12_.._3.html"


def test_what_is_missing_is_told(root: Path) -> None:
    of_job = job(html_template="<p>{{ balance }}</p>", text_template=None)
    for documents in ("html", "eml", ["html", "eml"]):
        found = made(root, {"documents": documents}, of_job=of_job, variables={"balance": None})
        assert found.missing == ("balance",)


def test_what_is_missing_may_fail_the_email(root: Path) -> None:
    maker = renderer(root, {"documents": "html"}, missing="fail")
    compiled = maker.compile(job(html_template="{{ balance }}"))
    with pytest.raises(RenderError, match="balance has no value"):
        maker.render(compiled, email(variables={"balance": None}))


def test_an_email_with_a_problem_fails_with_it(root: Path) -> None:
    with pytest.raises(RenderError, match="its row has gone"):
        made(root, problem="its row has gone")


def test_files_that_are_too_large_together(root: Path) -> None:
    maker = renderer(root, max_message_bytes=1024)
    (root / "large.pdf").write_bytes(bytes(600))
    with pytest.raises(RenderError, match="too large"):
        maker.render(maker.compile(job()), email(attachments=(attachment("large.pdf"), attachment("large.pdf"))))
