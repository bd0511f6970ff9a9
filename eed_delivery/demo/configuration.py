"""The demo's configuration, a file as an operator would write it. It stays there for the commands to try."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import URL

from eed_delivery.config import Settings, load, without_settings
from eed_delivery.demo.workspace import Workspace

REGION = "eu-central-1"
LOCAL = "127.0.0.1,localhost"
"""Where no proxy of the machine's has any business."""

_FILE = """\
# Written by `eed-delivery demo`. The database is a file, the queue is ministack, and the mail server is the demo's own;
# both servers run only as long as the demo does. Waits are short, so that there is something to see.

[database]
url = {database}

[aws]
region = {region}
# The demo gives its service dummy keys by the environment. Commands that only read need neither keys nor a queue.

[queue]
url = {queue}
dead_letter_url = {dead_letters}
endpoint_url = {endpoint}
wait_seconds = 1
visibility_timeout_seconds = 60

[publisher]
poll_seconds = 1

[worker]
# SQLite lets one writer in at a time: more threads would only wait for each other. MySQL does not mind.
processes = 2
threads = 3
lease_seconds = 30
retry_delay_seconds = 1
retry_growth = 2.0
heartbeat_seconds = 2

[sweeper]
interval_seconds = 1

[service]
stop_seconds = 20

[smtp]
host = {mail_host}
port = {mail_port}
tls = "none"
command_timeout_seconds = 10
data_timeout_seconds = 30

[rendering]
message_id_domain = "bank.example"
attachments_root = {attachments}
"""


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where the demo's servers listen."""

    queue_endpoint: str
    queue_url: str
    dead_letter_url: str
    mail_host: str
    mail_port: int


def write(workspace: Workspace, endpoints: Endpoints) -> Settings:
    """Write the file, and read it back as the service will. Raises ConfigError if it is no good."""
    values = {
        "database": URL.create("sqlite", database=str(workspace.database)).render_as_string(),
        "region": REGION,
        "queue": endpoints.queue_url,
        "dead_letters": endpoints.dead_letter_url,
        "endpoint": endpoints.queue_endpoint,
        "mail_host": endpoints.mail_host,
        "mail_port": endpoints.mail_port,
        "attachments": str(workspace.statements),
    }
    # A string in JSON is one in TOML too, and so is a whole number.
    text = _FILE.format(**{name: json.dumps(value, ensure_ascii=False) for name, value in values.items()})
    workspace.configuration.write_text(text, encoding="utf-8")
    return load(workspace.configuration, environment())


def environment() -> Mapping[str, str]:
    """The service's environment.

    It is this process's, without any settings of the operator's own, and with dummy keys.
    """
    return {
        **without_settings(),
        "EED_AWS__CREDENTIALS": "environment",
        "AWS_ACCESS_KEY_ID": "demo",
        "AWS_SECRET_ACCESS_KEY": "demo",
        "NO_PROXY": LOCAL,
        "no_proxy": LOCAL,
    }
