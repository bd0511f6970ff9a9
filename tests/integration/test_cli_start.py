"""What a command loads: its CPU at the start is that of its imports. No clock here, only what must not be there."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import make_url

from eed_delivery.database.engine import make_engine
from eed_delivery.ledger import migrations
from tests.command_line import CommandLine

CLIENTS = {"boto3", "botocore", "s3transfer", "aiosmtpd"}
RENDERING = {"jinja2", "lxml", "inscriptis", "email_validator"}
MIGRATIONS = {"alembic", "mako"}
EVERYTHING = {"sqlalchemy", "pymysql", "pydantic", "pydantic_settings", "structlog", "rich", "tenacity", "asyncio"}
PROBE = """
import atexit, json, os, sys
atexit.register(lambda: os.write(2, json.dumps(sorted(sys.modules)).encode()))
from eed_delivery.cli import main
main()
"""


def loaded(eed: CommandLine, *words: str) -> set[str]:
    """The modules that a process of its own had loaded when the command ended."""
    environ = {**os.environ, **eed.environ, "EED_CONFIG": str(eed.config)}
    done = subprocess.run([sys.executable, "-c", PROBE, *words], env=environ, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stderr.splitlines()[-1]))


@pytest.fixture
def eed(tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path, f"sqlite:///{tmp_path}/ledger.sqlite3")


def test_the_version_needs_neither_database_nor_settings(eed: CommandLine) -> None:
    found = loaded(eed, "--version")
    assert "eed_delivery.cli" in found
    assert not found & (CLIENTS | RENDERING | MIGRATIONS | EVERYTHING)


@pytest.mark.parametrize("words", [["jobs"], ["processes"], ["jobs", "--json"]])
def test_a_look_into_the_ledger_needs_no_client_no_templates_no_migrations(eed: CommandLine, words: list[str]) -> None:
    engine = make_engine(make_url(eed.environ["EED_DATABASE__URL"]), connections=2)
    migrations.upgrade(engine)
    engine.dispose()
    found = loaded(eed, *words)
    assert "sqlalchemy" in found
    assert not found & (CLIENTS | RENDERING | MIGRATIONS | {"rich.progress", "rich.live", "eed_delivery.app.parts"})


def test_the_process_that_starts_the_others_needs_no_client_no_templates_no_migrations(eed: CommandLine) -> None:
    engine = make_engine(make_url(eed.environ["EED_DATABASE__URL"]), connections=2)
    migrations.upgrade(engine)
    engine.dispose()
    environ = {**os.environ, **eed.environ, "EED_CONFIG": str(eed.config)}
    with subprocess.Popen(
        [sys.executable, "-c", PROBE, "sweeper"], env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as service:
        ready = any(json.loads(line)["event"] == "ready" for line in service.stdout or ())
        service.terminate()
        _, written = service.communicate(timeout=60)
    assert ready, written
    found = set(json.loads(written.splitlines()[-1]))
    assert not found & (CLIENTS | RENDERING | MIGRATIONS | {"eed_delivery.app.parts"})
