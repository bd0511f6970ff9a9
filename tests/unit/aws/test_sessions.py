"""Where the clients of AWS lead: only the settings say it."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
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


class Task(BaseHTTPRequestHandler):
    """What ECS tells a container about its task's role."""

    def do_GET(self) -> None:
        body = {
            "AccessKeyId": "of-the-task",
            "SecretAccessKey": "b",
            "Token": "c",
            "Expiration": "2099-01-01T00:00:00Z",
        }
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *args: object) -> None: ...


def test_a_task_has_the_credentials_of_its_role_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = AwsSettings(region="us-east-2", credentials="container")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "of-somebody-else")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    assert session(settings).get_credentials() is None
    with HTTPServer(("127.0.0.1", 0), Task) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"http://127.0.0.1:{server.server_port}/role")
        found = session(settings).get_credentials()
        thread.join()
    assert found is not None
    assert found.access_key == "of-the-task"
