"""The file that describes the API: the committed copy, and what holds for each of its operations."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from eed_delivery.api.openapi import described

ROOT = Path(__file__).parents[2]
COMMITTED = ROOT / "docs" / "openapi.json"
DOCUMENT = (ROOT / "docs" / "api.md").read_text()
TO_WRITE = "python -m eed_delivery.api.openapi > docs/openapi.json"


@pytest.fixture(scope="module")
def description() -> dict[str, Any]:
    return described()


def operations(description: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def test_the_committed_copy_is_what_the_code_says(description: dict[str, Any]) -> None:
    """A difference is a decision: fields are added, and never renamed or removed."""
    assert json.loads(COMMITTED.read_text()) == description, f"write it anew: {TO_WRITE}"


def references(node: Any) -> Iterator[str]:
    match node:
        case dict():
            yield from ([node["$ref"]] if isinstance(node.get("$ref"), str) else [])
            for value in node.values():
                yield from references(value)
        case list():
            for value in node:
                yield from references(value)


def test_each_reference_leads_somewhere(description: dict[str, Any]) -> None:
    found = set(references(description))
    assert found
    for reference in found:
        node = description
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]


def test_each_operation_says_what_it_answers_and_how_it_fails(description: dict[str, Any]) -> None:
    assert description["openapi"] == "3.1.0"
    names = [operation["operationId"] for _, _, operation in operations(description)]
    assert len(names) == len(set(names)) > 20
    for method, path, operation in operations(description):
        assert operation["summary"].endswith("."), path
        assert "200" in operation["responses"], path
        if path.startswith("/api/"):
            assert operation["security"] == [{"token": []}], path
            problems = [answer for status, answer in operation["responses"].items() if status >= "400"]
            assert all("application/problem+json" in answer["content"] for answer in problems), (method, path)


def test_the_document_lists_each_operation(description: dict[str, Any]) -> None:
    table = DOCUMENT.partition("## Endpoints")[2]
    for method, path, _ in operations(description):
        if path.startswith("/api/v1"):
            lines = [one for one in table.splitlines() if f"{path.removeprefix('/api/v1')}`" in one]
            assert any(method.upper() in line for line in lines), (method, path)


def test_the_example_in_java_calls_routes_that_there_are(description: dict[str, Any]) -> None:
    text = (ROOT / "docs" / "examples" / "EedClient.java").read_text()
    called = {path.replace('" + job + "', "{key}") for path in re.findall(r'to\("(/api/v1/.+?)", \d', text)}
    assert called == {"/api/v1/jobs", "/api/v1/jobs/{key}/nudge", "/api/v1/holds"}
    assert called <= {path for path, methods in description["paths"].items() if "post" in methods}


@pytest.mark.skipif(shutil.which("javac") is None, reason="there is no JDK")
def test_the_example_in_java_compiles_as_java_11(tmp_path: Path) -> None:
    source = ROOT / "docs" / "examples" / "EedClient.java"
    subprocess.run(["javac", "--release", "11", "-Xlint:all", "-Werror", "-d", tmp_path, source], check=True)
