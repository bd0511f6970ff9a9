"""The examples of deploy/terraform, and what an operator would give them."""

import re
import tomllib
from dataclasses import asdict
from typing import Any

from eed_delivery.alerts.metric_filters import metric_filter
from eed_delivery.config import AlertRule
from tests.deploy.account import ACCOUNT, REGION
from tests.deploy.terraform import SOURCES
from tests.unit.alerts.test_document import SET

EXAMPLES = ("hosts_only", "lambda_only", "both")
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/0"
WARNING, CRITICAL = f"arn:aws:sns:{REGION}:{ACCOUNT}:warning", f"arn:aws:sns:{REGION}:{ACCOUNT}:critical"
PASSWORD = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:database"
SEALING = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:sealing"
CALLER = f"arn:aws:iam::{ACCOUNT}:role/delivery-server"
IDENTITY = f"arn:aws:ses:{REGION}:{ACCOUNT}:identity/example.com"
CONFIGURATION = '[source]\nsingle_table = false\n# "$HOME" and `date` and ${x} stay as they are\n'

RULES = [AlertRule(**rule) for rule in tomllib.loads(SET)["alerts"]["rule"]]
"""Those to begin with, of docs/alerts.md."""

_GIVEN: dict[str, Any] = {
    "region": REGION,
    "tasks": True,
    "vpc_id": "vpc-1",
    "subnet_ids": ["subnet-1", "subnet-2"],
    "route_table_ids": ["rtb-1"],
    "database_security_group_id": "sg-database",
    "ses_identity_arn": IDENTITY,
    "configuration_set_name": "statements",
    "attachments": {"bank-statements": "2026/"},
    "warning_topic_arns": [WARNING],
    "critical_topic_arns": [CRITICAL],
    "cloudtrail_log_group": "trail",
    "image_id": "ami-1",
    "bundle": {"bucket": "releases", "key": "eed-delivery.tar.gz", "sha256": "0" * 64},
    "configuration": CONFIGURATION,
    "secrets": {"database_password": PASSWORD},
    "image_uri": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/eed@sha256:{'0' * 64}",
    "repository_arn": f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/eed",
    "secret_variables": {"EED_DATABASE__PASSWORD": f"{PASSWORD}:password::"},
    "api_secret_variables": {"EED_OPERATORS__SECRET": SEALING},
    "api_callers": {CALLER: {"role": "operator", "scopes": ["nudge", "submit"]}},
    "submissions": {"bank-files": "in/"},
    "alert_rules": {rule.name: asdict(metric_filter(rule)) for rule in RULES},
}


def variables(example: str) -> dict[str, Any]:
    """What an operator gives. Only `both` has a key of the customer."""
    text = (SOURCES / "examples" / example / "variables.tf").read_text()
    wanted = re.findall(r'^variable "(\w+)"', text, re.MULTILINE)
    given = {name: value for name, value in _GIVEN.items() if name in wanted}
    return {**given, "kms_key_arn": KEY} if example == "both" else given
