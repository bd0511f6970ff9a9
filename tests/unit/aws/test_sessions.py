"""Where the clients of AWS lead: only the settings say it."""

from pathlib import Path

import pytest

from eed_delivery.aws.sessions import session
from eed_delivery.config import AwsSettings

KEYS = {"access_key_id": "key", "secret_access_key": "secret"}
SETTINGS = AwsSettings.model_validate({"region": "us-east-2", "credentials": "environment", **KEYS})
SHARED = """[default]
endpoint_url = http://elsewhere.example
services = all
[services all]
sqs =
  endpoint_url = http://elsewhere.example
"""


@pytest.mark.parametrize("service", ["sqs", "sesv2", "s3", "sns"])
def test_neither_environment_nor_a_shared_file_leads_elsewhere(
    service: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").write_text(SHARED)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    for name in ("", "_SQS", "_SESV2", "_S3", "_SNS"):
        monkeypatch.setenv(f"AWS_ENDPOINT_URL{name}", "http://elsewhere.example")
    endpoint = session(SETTINGS).client(service).meta.endpoint_url
    assert endpoint.startswith("https://") and endpoint.endswith(".amazonaws.com")


def test_a_setting_does() -> None:
    endpoint = "https://test.example"
    assert session(SETTINGS).client("sqs", endpoint_url=endpoint).meta.endpoint_url == endpoint
