"""What a person writes as a channel's setting: text, JSON, or a template that begins like JSON."""

from pathlib import Path
from typing import Any

import pytest

from eed_delivery.config.settings import EmlFolderSettings
from eed_delivery.operations.channel_fields import value_of
from eed_delivery.transports.eml_folder.kind import check


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{{ job }}/{{ filename }}", "{{ job }}/{{ filename }}"),
        ("{% if x %}a{% endif %}", "{% if x %}a{% endif %}"),
        ('{"url": "https://x.example"}', {"url": "https://x.example"}),
        ('["html", "eml"]', ["html", "eml"]),
        ("22", "22"),
    ],
)
def test_a_template_is_no_json(text: str, value: Any) -> None:
    assert value_of(text) == value


@pytest.mark.parametrize("there", [True, False])
def test_the_check_of_a_folder_leaves_what_was_there_and_nothing_else(tmp_path: Path, there: bool) -> None:
    directory = tmp_path / "a" / "b"
    if there:
        directory.mkdir(parents=True)
    before = sorted(tmp_path.rglob("*"))
    assert list(check(EmlFolderSettings(directory=directory), None))  # type: ignore[arg-type]  # it needs none
    assert sorted(tmp_path.rglob("*")) == before
