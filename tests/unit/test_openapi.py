"""The file that describes the API: the committed copy, and what holds for each of its operations."""

import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from eed_delivery.api.openapi import described
from tests.integration.test_api_rights import WANTED

ROOT = Path(__file__).parents[2]
COMMITTED = ROOT / "eed_delivery" / "api" / "openapi.json"
DOCUMENT = (ROOT / "docs" / "api.md").read_text()
TO_WRITE = "python -m eed_delivery.api.openapi > eed_delivery/api/openapi.json"


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


def test_each_route_of_the_api_is_described(description: dict[str, Any]) -> None:
    described_routes = {(method.upper(), path) for method, path, _ in operations(description)}
    api = [(method, rule) for method, rule in WANTED if rule.startswith("/api/")]
    routes = {(method, re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule)) for method, rule in api}
    assert routes - described_routes == {("GET", "/api/v1/openapi.json")}


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


JAVA = """
import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.UUID;

final class Submit {
    public static void main(String[] given) throws Exception {
        EedClient client = new EedClient(URI.create(given[0]), Path.of(given[1]));
        System.out.println(client.submitAndWait("{}", Path.of(given[1]), UUID.randomUUID(), Duration.ofMinutes(5)));
    }
}
"""
ENDED = {"id": "a", "kind": "submit", "selection": {"name": '"state": "failed"'}, "incomplete_job": None}


@pytest.mark.skipif(shutil.which("javac") is None or shutil.which("java") is None, reason="there is no JDK")
@pytest.mark.parametrize(
    ("answers", "printed"),
    [
        ([(201, {"key": "7", "emails": 1})], "7"),
        ([(202, {"id": "a"}), (503, {}), (200, {**ENDED, "state": "done", "result": {"job": "43"}})], "43"),
        ([(202, {"id": "a"}), (200, {**ENDED, "state": "stopped", "result": {"job": "43"}})], ""),
        ([(422, {"detail": "1 of 2 rows are bad."})], ""),
    ],
)
def test_the_example_in_java_waits_for_the_end_of_an_operation(
    tmp_path: Path, answers: list[tuple[int, Any]], printed: str
) -> None:
    left, paths = iter(answers), []

    class Server(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", "0")))
            paths.append(f"{self.command} {self.path}")
            status, answer = next(left)
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Location", "/api/v1/operations/a")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - its names are those of HTTP

        def log_message(self, *_: object) -> None:
            pass

    (tmp_path / "Submit.java").write_text(JAVA)
    (tmp_path / "token").write_text("eed_x")
    client = ROOT / "docs" / "examples" / "EedClient.java"
    subprocess.run(["javac", "--release", "11", "-d", tmp_path, client, tmp_path / "Submit.java"], check=True)
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        base = f"http://127.0.0.1:{server.server_port}"
        command = ["java", "-cp", tmp_path, "Submit", base, tmp_path / "token"]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        server.shutdown()
    assert run.stdout.strip() == printed, run.stderr
    assert (run.returncode == 0) == bool(printed)
    assert paths == ["POST /api/v1/jobs", *["GET /api/v1/operations/a"] * (len(answers) - 1)]
