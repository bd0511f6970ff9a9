"""What a function of AWS Lambda loads before its first email: its start costs the CPU of that. No clock here."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

import eed_delivery.transports.smtp.kind  # noqa: F401 - a kind of channel has sections, too
from eed_delivery.config import Settings
from eed_delivery.config.digest import tables
from eed_delivery.config.load import load
from eed_delivery.config.section import Section

PROBE = """
import json, sys
import eed_delivery.aws_lambda.sending
from eed_delivery.config.section import Section
compiled = [one.__name__ for one in Section.__subclasses__() if one.__pydantic_complete__]
print(json.dumps([sorted(sys.modules), compiled]))
"""
FUNCTION = {
    "AWS_ACCESS_KEY_ID": "AKIA",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "EED_DATABASE__URL": "mysql+pymysql://u:p@127.0.0.1:9/x",
    "EED_AWS__REGION": "us-east-1",
    "EED_AWS__CREDENTIALS": "environment",
    "EED_QUEUE__URL": "http://127.0.0.1:9/0/q",
    "EED_QUEUE__VISIBILITY_TIMEOUT_SECONDS": "1800",
    "EED_RENDERING__MESSAGE_ID_DOMAIN": "example.com",
    "EED_AWS_LAMBDA__TIMEOUT_SECONDS": "300",
    "EED_WORKER__COORDINATION": "ledger",
    "EED_SMTP__COMMAND_TIMEOUT_SECONDS": "20",
    "EED_SMTP__DATA_TIMEOUT_SECONDS": "90",
}
GIVEN = {
    "AwsLambdaSettings", "AwsSettings", "DatabaseSettings", "QueueSettings", "RenderingSettings", "SmtpServer",
    "TransportSettings", "WorkerSettings",
}  # fmt: skip
NEVER = {
    "aiosmtpd", "alembic", "boto3", "flask", "multiprocessing.connection", "paramiko", "prometheus_client", "pygments",
    "rich", "s3transfer", "eed_delivery.alerts", "eed_delivery.api", "eed_delivery.app.operations",
    "eed_delivery.app.parts",
    "eed_delivery.cli", "eed_delivery.ledger.reconciling", "eed_delivery.ledger.publishing", "eed_delivery.links",
    "eed_delivery.operations", "eed_delivery.publisher", "eed_delivery.rendering.manifests", "eed_delivery.reports",
    "eed_delivery.sweeper", "eed_delivery.transports.file_stores", "eed_delivery.transports.sftp",
    "eed_delivery.webhooks",
}  # fmt: skip
CLIENTS = {"botocore.client", "botocore.session", "urllib3", "eed_delivery.aws", "eed_delivery.transports.ses"}


def started(**variables: str) -> tuple[set[str], set[str]]:
    """The modules that a sandbox has loaded at the end of its INIT phase, and the sections that it has compiled."""
    environ = {**os.environ, **FUNCTION, **variables}
    done = subprocess.run([sys.executable, "-c", PROBE], env=environ, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    modules, compiled = json.loads(done.stdout)
    return set(modules), set(compiled)


def test_a_function_that_sends_by_smtp_loads_nothing_of_the_other_parts_and_no_client_of_aws() -> None:
    modules, compiled = started(EED_TRANSPORT__KIND="smtp")
    assert modules & (NEVER | CLIENTS) == set()
    assert "eed_delivery.transports.smtp.transport" in modules
    assert compiled - GIVEN == set()


def test_a_function_that_sends_by_ses_loads_its_client_only() -> None:
    modules, _ = started(EED_TRANSPORT__KIND="ses")
    assert modules & (NEVER | {"eed_delivery.transports.smtp"}) == set()
    assert modules >= CLIENTS


def sections(of: type[Section] = Section) -> Iterator[type[Section]]:
    for one in of.__subclasses__():
        yield one
        yield from sections(one)


@pytest.mark.parametrize("section", list(sections()), ids=lambda one: one.__name__)
def test_a_section_that_is_left_out_is_an_empty_one(section: type[Section]) -> None:
    try:
        empty = section()
    except ValidationError:
        return  # one that cannot be left out
    assert section.left_out() == empty
    assert section.left_out().model_fields_set == empty.model_fields_set


def test_the_digest_covers_what_pydantic_shows(tmp_path: Path) -> None:
    table = '[channel.files]\nkind = "s3"\nqueue.url = "http://localhost/q"\nbucket = "b"\n'
    (tmp_path / "eed.toml").write_text(table + '[alerts.audience.ops]\nwebhook = ["https://example.com/x"]\n')
    settings: Settings = load(tmp_path / "eed.toml", FUNCTION)
    assert json.dumps(tables(settings), default=repr) == json.dumps(settings.model_dump(), default=repr)
