"""The configuration file of the demo of functions, and what Lambda adds to it by variables."""

import json
import secrets
from collections.abc import Mapping

from sqlalchemy import URL

from eed_delivery.config import Settings, load, same_modules
from eed_delivery.demo.configuration import REGION, environment
from eed_delivery.demo.workspace import Workspace

TIMEOUT_SECONDS = 60
VISIBILITY_SECONDS = 6 * TIMEOUT_SECONDS
TICK_SECONDS = 5
ROLE = "delivery-server"
ACCOUNT = "000000000000"
"""ministack's own."""

_FILE = """\
# Written by `eed-delivery demo --lambda`. The database is a file, the queue and the HTTP API are ministack, and the
# mail server is the demo's own. They run only as long as the demo does.

[database]
url = {database}

[aws]
region = {region}
# Lambda gives functions their keys in the environment. Commands that only read need neither keys nor a queue.

[queue]
url = {queue}
dead_letter_url = {dead_letters}
endpoint_url = {endpoint}
visibility_timeout_seconds = {visibility}

[aws_lambda]
timeout_seconds = {timeout}
tick_seconds = {tick}

[publisher]
poll_seconds = 1

[worker]
coordination = "ledger"
retry_delay_seconds = 1
retry_growth = 2.0

[sweeper]
interval_seconds = 1

[smtp]
host = {mail_host}
port = {mail_port}
tls = "none"
command_timeout_seconds = 4
data_timeout_seconds = 8

[rendering]
message_id_domain = "bank.example"
attachments_root = {attachments}
"""


def write(workspace: Workspace, endpoint: str, queues: tuple[str, str], mail: tuple[str, int]) -> Settings:
    """Write the file, and read it back as a function will. `queues`: the queue and its dead-letter queue."""
    values = {
        "database": URL.create("sqlite", database=str(workspace.database)).render_as_string(),
        "region": REGION,
        "queue": queues[0],
        "dead_letters": queues[1],
        "endpoint": endpoint,
        "visibility": VISIBILITY_SECONDS,
        "timeout": TIMEOUT_SECONDS,
        "tick": TICK_SECONDS,
        "mail_host": mail[0],
        "mail_port": mail[1],
        "attachments": str(workspace.statements),
    }
    # A string in JSON is one in TOML too, and so is a whole number.
    text = _FILE.format(**{name: json.dumps(value, ensure_ascii=False) for name, value in values.items()})
    workspace.configuration.write_text(text, encoding="utf-8")
    return load(workspace.configuration, environment())


def of_functions(workspace: Workspace) -> Mapping[str, str]:
    """The variables of each function."""
    return {**same_modules(environment()), "EED_CONFIG": str(workspace.configuration)}


def of_the_api(workspace: Workspace) -> Mapping[str, str]:
    """Those of the API's function: who may ask it."""
    callers = {f"arn:aws:iam::{ACCOUNT}:role/{ROLE}": {"role": "operator", "scopes": ["nudge"]}}
    given = {"EED_OPERATORS__SECRET": secrets.token_hex(32), "EED_OPERATORS__IAM_CALLERS": json.dumps(callers)}
    return {**of_functions(workspace), **given}
