"""Auto Scaling of hosts: by the ledger's backlog, and with a drain before the end."""

import base64
import re
from typing import Any

from eed_delivery.operations.figures import FIGURES
from tests.deploy.policies import allowed
from tests.deploy.terraform import SOURCES, State
from tests.deploy.test_terraform import inner

HOSTS = "module.hosts"


def metrics(policy: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Of its target, by their ids."""
    specification = inner(inner(policy["target_tracking_configuration"])["customized_metric_specification"])
    return {one["id"]: one for one in specification["metrics"]}


def test_hosts_follow_the_backlog_and_not_the_queue(states: dict[str, State]) -> None:
    policy = states["hosts_only"].one(f"{HOSTS}.aws_autoscaling_policy.backlog[0]")
    group = states["hosts_only"].one(f"{HOSTS}.aws_autoscaling_group.hosts")
    found = metrics(policy)
    assert [name for name, one in found.items() if one["return_data"]] == ["each"]
    assert set(re.findall(r"[a-z]+", found["each"]["expression"])) == found.keys() - {"each"}
    backlog = inner(inner(found["backlog"]["metric_stat"])["metric"])
    assert backlog["metric_name"] in {figure.name for figure in FIGURES if figure.unit}
    assert not backlog["dimensions"], "figures have none"
    hosts = inner(inner(found["hosts"]["metric_stat"])["metric"])
    assert hosts["metric_name"] in group["enabled_metrics"]
    assert {one["name"]: one["value"] for one in hosts["dimensions"]} == {"AutoScalingGroupName": group["name"]}


def test_a_host_drains_before_it_ends(states: dict[str, State]) -> None:
    state = states["hosts_only"]
    hook = state.one(f"{HOSTS}.aws_autoscaling_lifecycle_hook.drained")
    assert (hook["lifecycle_transition"], hook["default_result"]) == (
        "autoscaling:EC2_INSTANCE_TERMINATING",
        "CONTINUE",
    )
    unit = (SOURCES.parents[1] / "systemd" / "eed-delivery.service").read_text()
    (stops_within,) = re.findall(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)
    assert hook["heartbeat_timeout"] >= 30 + int(stops_within)
    script = base64.b64decode(state.one(f"{HOSTS}.aws_launch_template.hosts")["user_data"]).decode()
    assert (SOURCES / "hosts" / "drain.sh").read_text() in script
    assert f"eed-delivery-drain {hook['autoscaling_group_name']} {hook['name']}\n" in script
    policy = state.one(f"{HOSTS}.aws_iam_role_policy.host[0]")["policy"]
    assert "autoscaling:CompleteLifecycleAction" in {action for action, _ in allowed([policy])}
