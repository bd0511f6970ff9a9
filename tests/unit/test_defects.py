"""Defects that come again and again are logged once a minute, with how many they were."""

import pytest

from eed_delivery.errors import RenderError
from eed_delivery.rendering.templates import TEXT, Templates
from eed_delivery.runtime.defects import AGAIN_SECONDS, Defects
from eed_delivery.untrusted import mask_locations
from tests.unit.test_worker_parts import Clock


def defect(kind: type[Exception] = KeyError) -> Exception:
    try:
        _raise(kind)
    except Exception as error:
        return error
    raise AssertionError


def _raise(kind: type[Exception]) -> None:
    raise kind("secret")


def test_the_same_defect_is_told_once_a_minute_with_its_count() -> None:
    clock = Clock()
    defects = Defects(clock)
    assert [defects.seen(defect()) for _ in range(5)] == [1, 0, 0, 0, 0]
    assert defects.seen(defect(IndexError)) == 1
    clock.now += AGAIN_SECONDS
    assert defects.seen(defect()) == 5
    assert defects.left() == {}


def test_what_came_last_is_counted_too() -> None:
    clock = Clock()
    defects = Defects(clock)
    for _ in range(4):
        defects.seen(defect())
    assert defects.left() == {}
    clock.now += AGAIN_SECONDS
    ((kind, count),) = defects.left().items()
    assert count == 3
    assert "KeyError at" in kind and "secret" not in kind
    assert defects.left() == {}
    assert defects.seen(defect()) == 0


@pytest.mark.parametrize(
    ("source", "hidden", "shown"),
    [
        ("{{ balances[name] }}", "Anna", "***"),
        ("{{ balances[number] }}", "12345678", "***"),
        ("{{ [1]|map(name)|list }}", "Anna", "No filter named ***"),
        ("{% macro m() %}{% endmacro %}{{ m(**{name: 1}) }}", "Anna", "'m'"),
        ("{{ balances['current'] }}", "Anna", "'current' is not in an object"),
        ("{{ nobody }}", "Anna", "'nobody' is not given"),
    ],
)
def test_an_error_of_a_template_quotes_the_template_and_no_customer(source: str, hidden: str, shown: str) -> None:
    variables = {"name": "Anna 'O\\'Brien\"", "number": 12345678, "balances": {"x": 1}}
    with pytest.raises(RenderError) as caught:
        Templates(10_000).compile(TEXT, source).render(variables)
    assert hidden not in caught.value.reply
    assert shown in caught.value.reply


@pytest.mark.parametrize(
    "text",
    [
        "attachment 'statements/anna-123.pdf': there is no such file",
        'attachment "anna\'s.pdf" is empty, so nothing was sent (rendering.allow_empty_attachments)',
        "attachment 's3://bank/statements/anna.pdf': there is no such object",
        "more than 10 of the last 20 emails were refused with the same reply: attachment 'anna.pdf': "
        "it is not a regular file",
        "attachment 'C:\\\\anna.pdf': it is a path. Store paths below it, like 'x/anna.pdf'",
        "S3 refuses access to attachments: s3://bank/anna.pdf",
    ],
)
def test_a_path_of_an_attachment_is_not_in_the_log(text: str) -> None:
    assert "anna" not in mask_locations(text)
    assert "attachment" in mask_locations(text)


def test_other_texts_stay_as_they_are() -> None:
    for text in ("550 5.7.1 the attachment type 'exe' is not allowed", "attachments_root 'x'", "a 'b' c"):
        assert mask_locations(text) == text
