"""The demo's configuration, a file as an operator would write it. It stays there for the commands to try."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import URL

from eed_delivery.config import Settings, load, without_settings
from eed_delivery.demo.workspace import Workspace
from eed_delivery.model import DEFAULT_CHANNEL

REGION: Final = "eu-central-1"
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

[source.job]
channel = "channel"

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

# The channels of the second act. Each has a queue and a worker of its own.
[channel.{copies}]
kind = "s3"
queue = {{ url = {copies_queue}, dead_letter_url = {copies_dead_letters} }}
threads = 2
bucket = {bucket}
region = {region}
endpoint_url = {endpoint}
path = "{{{{ job }}}}/{{{{ email }}}}/{{{{ filename }}}}"

[channel.{partner}]
kind = "sftp"
queue = {{ url = {partner_queue}, dead_letter_url = {partner_dead_letters} }}
threads = 2
host = {partner_host}
port = {partner_port}
host_key = {partner_key}
username = {partner_user}
password = "env:{partner_variable}"
path = "{{{{ job }}}}/{{{{ customer_number }}}}.pdf"
"""
COPIES, PARTNER = "copies", "partner"
BUCKET = "bank-copies"
PASSWORD_VARIABLE = "DEMO_PARTNER_PASSWORD"  # noqa: S105 - its name
PASSWORD = "for this demo only"  # noqa: S105 - of a server that ends with the demo


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where the demo's servers listen. `queues`: by channel, each with its dead-letter queue."""

    queue_endpoint: str
    queues: Mapping[str, tuple[str, str]]
    mail_host: str
    mail_port: int
    partner_host: str
    partner_port: int
    partner_key: str
    partner_user: str


def write(workspace: Workspace, endpoints: Endpoints) -> Settings:
    """Write the file, and read it back as the service will. Raises ConfigError if it is no good."""
    values = {
        "database": URL.create("sqlite", database=str(workspace.database)).render_as_string(),
        "region": REGION,
        "bucket": BUCKET,
        "partner_host": endpoints.partner_host,
        "partner_port": endpoints.partner_port,
        "partner_key": endpoints.partner_key,
        "partner_user": endpoints.partner_user,
        "endpoint": endpoints.queue_endpoint,
        "mail_host": endpoints.mail_host,
        "mail_port": endpoints.mail_port,
        "attachments": str(workspace.statements),
    }
    for channel, before in ((DEFAULT_CHANNEL, ""), (COPIES, "copies_"), (PARTNER, "partner_")):
        values[f"{before}queue"], values[f"{before}dead_letters"] = endpoints.queues[channel]
    # A string in JSON is one in TOML too, and so is a whole number.
    quoted = {name: json.dumps(value, ensure_ascii=False) for name, value in values.items()}
    names = {"copies": COPIES, "partner": PARTNER, "partner_variable": PASSWORD_VARIABLE}
    text = _FILE.format(**quoted, **names)
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
        PASSWORD_VARIABLE: PASSWORD,
        "NO_PROXY": LOCAL,
        "no_proxy": LOCAL,
    }
