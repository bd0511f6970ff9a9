"""The documents about the code's layout say what is there: floors, packages with their modules, tables."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

from eed_delivery.ledger.schema import VERSION_TABLE, metadata

ROOT = Path(__file__).parents[2]
CODE = ROOT / "eed_delivery"
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()
CODE_WORD = re.compile(r"`(\w+)`")
GUIDE_ITEM = re.compile(r"^- ((?:`\w+`(?:, | and )?)+)", re.MULTILINE)
WITHOUT_GUIDE = {"eed_delivery", "versions"}  # docs/architecture.md is the guide of all; each migration has a number


def section(heading: str) -> str:
    return ARCHITECTURE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def first_cells(text: str) -> list[str]:
    return re.findall(r"^\| (`[^|]+) \|", text, re.MULTILINE)


def floors() -> list[set[str]]:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (layers,) = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    return [set(layer.split(" | ")) for layer in layers]


def test_the_table_of_floors_is_the_linters() -> None:
    assert [set(CODE_WORD.findall(cell)) for cell in first_cells(section("Floors"))] == floors()


def test_the_table_of_tables_is_the_schemas() -> None:
    told = [name for cell in first_cells(section("Tables")) for name in CODE_WORD.findall(cell)]
    assert sorted(told) == sorted([*metadata.tables, VERSION_TABLE])


PACKAGES = sorted(path.parent for path in CODE.rglob("__init__.py") if path.parent.name not in WITHOUT_GUIDE)


def modules(package: Path) -> set[str]:
    files = {path.stem for path in package.glob("*.py")} - {"__init__"}
    return files | {path.parent.name for path in package.glob("*/__init__.py")}


def guide(package: Path) -> str:
    return ast.get_docstring(ast.parse((package / "__init__.py").read_text())) or ""


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: str(path.relative_to(CODE)))
def test_a_packages_guide_names_each_of_its_modules(package: Path) -> None:
    assert modules(package) - set(CODE_WORD.findall(guide(package))) == set()


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: str(path.relative_to(CODE)))
def test_a_packages_guide_lists_no_module_that_is_not_there(package: Path) -> None:
    listed = {name for names in GUIDE_ITEM.findall(guide(package)) for name in CODE_WORD.findall(names)}
    assert listed - modules(package) == set()
