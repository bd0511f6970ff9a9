"""docs/privacy.md names each table that holds personal data, as the map of columns has it, and each setting."""

import re
from pathlib import Path

import pytest

from eed_delivery.config import PrivacySettings
from eed_delivery.ledger.persons.personal_data import PERSONAL_DATA

DOCUMENT = (Path(__file__).parents[2] / "docs" / "privacy.md").read_text()
PERSONAL = sorted(name for name, table in PERSONAL_DATA.items() if table.personal)


def section(heading: str) -> str:
    return DOCUMENT.partition(f"## {heading}\n")[2].partition("\n## ")[0]


def test_what_is_stored_names_the_tables_of_the_map_and_no_other() -> None:
    named = re.findall(r"^\| `(eed_\w+)` \|", section("What is stored where"), re.MULTILINE)
    assert sorted(named) == PERSONAL


@pytest.mark.parametrize("table", PERSONAL)
def test_each_table_has_its_ground(table: str) -> None:
    rows = [line for line in section("On what ground").splitlines() if f"`{table}`" in line]
    assert any(re.search(r"Art\. \d+", row) for row in rows)


@pytest.mark.parametrize("name", PrivacySettings.model_fields)
def test_each_setting_of_the_section_is_told(name: str) -> None:
    assert f"privacy.{name}" in DOCUMENT


@pytest.mark.parametrize("document", ["README.md", "SECURITY.md", "docs/configuration.md", "docs/cli.md"])
def test_it_is_found(document: str) -> None:
    assert "privacy.md" in (Path(__file__).parents[2] / document).read_text()
