"""deploy/terraform: it is valid, it makes what it should, and what it makes fits together."""

import base64
import hashlib
import json
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from eed_delivery import __version__
from eed_delivery.cli import COMMANDS
from eed_delivery.config import Settings
from eed_delivery.config.environment import CREDENTIALS
from eed_delivery.config.lambda_checks import lambda_clashes
from eed_delivery.config.load import load
from eed_delivery.operations.figures import FIGURES
from tests.deploy.examples import (
    CALLER,
    CONFIGURATION,
    CRITICAL,
    EXAMPLES,
    KEY,
    PASSWORD,
    RULES,
    SEALING,
    WARNING,
    variables,
)
from tests.deploy.filter_patterns import matches
from tests.deploy.policies import allowed, listed, statements
from tests.deploy.terraform import SOURCES, State, Terraform, program
from tests.integration.test_api_rights import WANTED
from tests.operators_site import SECRET

ROOT = SOURCES.parents[1]
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()
MODULES = sorted(path.parent for path in SOURCES.rglob("main.tf"))
EVERYWHERE = pytest.mark.parametrize("example", EXAMPLES)
OF_FILE = {
    "EED_DATABASE__URL": "mysql+pymysql://eed@db.example.com/delivery",
    "EED_RENDERING__MESSAGE_ID_DOMAIN": "mail.example.com",
    "AWS_ACCESS_KEY_ID": "a",
    "AWS_SECRET_ACCESS_KEY": "b",
}
"""What the file in the image, and Lambda, add to the variables of Terraform."""
SECRETS = {"EED_DATABASE__PASSWORD": "secret", "EED_OPERATORS__SECRET": SECRET}
PLACE = re.compile(r"<(?:path:)?\w+>")
LOGGED = {
    *("requestTime", "identity.userArn", "error.message", "integrationErrorMessage", "responseLatency", "requestId"),
    *("responseLength", "routeKey", "identity.sourceIp", "status"),
}
"""https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-logging-variables.html"""
ON_ALL_RESOURCES = {"cloudwatch:PutMetricData", "ecr:GetAuthorizationToken", "ses:GetAccount"}
"""Actions that IAM cannot limit to a resource."""


def anchors() -> set[str]:
    headings = re.findall(r"^## (.+)$", RUNBOOK, re.MULTILINE)
    return {re.sub(r"[^a-z0-9_ -]", "", one.lower()).replace(" ", "-") for one in headings}


def inner(value: list[dict[str, Any]]) -> dict[str, Any]:
    """The block of which there is one."""
    (one,) = value
    return one


def test_all_files_are_formatted(terraform_here: None) -> None:
    done = subprocess.run([program(), "fmt", "-check", "-recursive"], cwd=SOURCES, capture_output=True, text=True)
    assert done.returncode == 0, f"terraform fmt -recursive would change {done.stdout}"


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(SOURCES)))
def test_each_variable_and_output_says_what_it_is(module: Path) -> None:
    text = "\n".join(path.read_text() for path in module.glob("*.tf"))
    blocks = re.findall(r'^(?:variable|output) "(\w+)" \{\n(.*?)^\}', text, re.MULTILINE | re.DOTALL)
    assert [name for name, body in blocks if not re.search(r'^  description = ".+\."$', body, re.MULTILINE)] == []


@EVERYWHERE
def test_a_queue_loses_nothing_and_is_encrypted(states: dict[str, State], example: str) -> None:
    for queue in states[example].of("aws_sqs_queue").values():
        assert queue["message_retention_seconds"] == 1_209_600
        if example == "both":
            assert (queue["kms_master_key_id"], queue["sqs_managed_sse_enabled"]) == (KEY, None)
        else:
            assert (queue["kms_master_key_id"], queue["sqs_managed_sse_enabled"]) == (None, True)


@EVERYWHERE
def test_each_queue_refuses_clear_text(states: dict[str, State], example: str) -> None:
    policies = states[example].of("aws_sqs_queue_policy").values()
    assert len(policies) == len(states[example].of("aws_sqs_queue"))
    for policy in policies:
        (deny,) = [one for one in statements(policy["policy"]) if one["Effect"] == "Deny"]
        assert (deny["Principal"], deny["Action"]) == ("*", "sqs:*")
        assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


@pytest.mark.parametrize("example", ["lambda_only", "both"])
def test_the_queue_calls_the_function_as_its_code_expects(states: dict[str, State], example: str) -> None:
    state = states[example]
    function = state.one("module.sending_function.module.function.aws_lambda_function.function")
    mapping = state.one("module.sending_function.aws_lambda_event_source_mapping.queue")
    queue = state.one("module.queues.aws_sqs_queue.emails")
    assert mapping["event_source_arn"] == queue["arn"]
    assert mapping["function_response_types"] == ["ReportBatchItemFailures"]
    assert queue["visibility_timeout_seconds"] >= 6 * function["timeout"]
    assert inner(mapping["scaling_config"])["maximum_concurrency"] <= function["reserved_concurrent_executions"]
    loop = state.one("module.sending_function.aws_lambda_function_recursion_config.allow")
    assert (loop["function_name"], loop["recursive_loop"]) == (function["function_name"], "Allow")
    assert json.loads(queue["redrive_policy"])["maxReceiveCount"] >= 10


@pytest.mark.parametrize("example", ["lambda_only", "both"])
def test_each_function_runs_its_handler_with_settings_that_exist(states: dict[str, State], example: str) -> None:
    for function in states[example].of("aws_lambda_function").values():
        (handler,) = inner(function["image_config"])["command"]
        module, _, name = handler.rpartition(".")
        assert (find_spec(module) is not None, name) == (True, "handler")
        assert function["kms_key_arn"] == (KEY if example == "both" else None)
        settings = inner(function["environment"])["variables"]
        assert settings["EED_QUEUE__URL"].endswith("/eed-delivery")
        assert settings["EED_QUEUE__DEAD_LETTER_URL"].endswith("/eed-delivery-dead")
        assert settings["EED_DATABASE__PASSWORD"] == f"aws-secret:{PASSWORD}:password::"
        assert list(lambda_clashes(loaded(settings))) == []
        timeouts = {"sending": str(function["timeout"]), "tick": "300"}
        assert settings.get("EED_AWS_LAMBDA__TIMEOUT_SECONDS") == timeouts.get(module.rpartition(".")[2])


def test_the_tick_comes_once_a_minute_alone_and_may_switch_the_mapping(states: dict[str, State]) -> None:
    state = states["lambda_only"]
    function = state.one("module.tick.module.function.aws_lambda_function.function")
    assert function["reserved_concurrent_executions"] == 1
    schedule = state.one("module.tick.aws_scheduler_schedule.minute")
    assert schedule["schedule_expression"] == "rate(1 minute)"
    assert inner(schedule["flexible_time_window"])["mode"] == "OFF"
    target = inner(schedule["target"])
    assert (target["arn"], target["role_arn"]) == (
        function["arn"],
        state.one("module.tick.aws_iam_role.scheduler")["arn"],
    )
    assert inner(target["retry_policy"])["maximum_retry_attempts"] == 0
    again = state.one("module.tick.aws_lambda_function_event_invoke_config.once")
    assert (again["function_name"], again["maximum_retry_attempts"]) == (function["function_name"], 0)
    policy = state.one("module.tick.aws_iam_role_policy.scheduler")["policy"]
    assert allowed([policy]) == {("lambda:InvokeFunction", function["arn"])}
    mapping = state.one("module.sending_function.aws_lambda_event_source_mapping.queue")
    granted = state.one('module.tick.module.function.aws_iam_role_policy.given["mapping"]')["policy"]
    both = ("lambda:GetEventSourceMapping", "lambda:UpdateEventSourceMapping")
    assert allowed([granted]) == {(action, mapping["arn"]) for action in both}
    settings = loaded({**inner(function["environment"])["variables"]}).aws_lambda
    assert settings.tick_seconds + 70 <= function["timeout"]


def loaded(variables: dict[str, str]) -> Settings:
    """The settings of a function, with what its secrets may be."""
    secrets = dict(SECRETS)
    if "EED_AWS_LAMBDA__EVENT_SOURCE_MAPPING" in variables:  # the stand-in for AWS makes no UUID
        secrets["EED_AWS_LAMBDA__EVENT_SOURCE_MAPPING"] = "0c2bc5a4-6a3e-4f0e-9a57-aaaaaaaaaaaa"
    return load(None, {**variables, **secrets, **OF_FILE})


def test_the_api_has_its_callers_and_no_open_route(states: dict[str, State]) -> None:
    state = states["lambda_only"]
    function = state.one("module.api.module.function.aws_lambda_function.function")
    ours = loaded(inner(function["environment"])["variables"]).operators
    assert {arn: one.scopes for arn, one in ours.iam_callers.items()} == {CALLER: ("nudge", "submit")}
    assert [str(place) for place in ours.submit_s3] == ["s3://bank-files/in/"]
    routes = state.of("aws_apigatewayv2_route").values()
    known = {f"{method} {PLACE.sub('{key}', rule)}" for method, rule in WANTED}
    named = {re.sub(r"\{[^}]*\}", "{key}", one["route_key"]) for one in routes}
    assert named <= known, "each is one of the API"
    assert {one["authorization_type"] for one in routes} == {"AWS_IAM"}
    integration = state.one("module.api.aws_apigatewayv2_integration.function")
    assert (integration["payload_format_version"], integration["integration_uri"]) == ("2.0", function["invoke_arn"])
    assert integration["timeout_milliseconds"] > 1000 * function["timeout"]
    stage = state.one("module.api.aws_apigatewayv2_stage.default")
    assert inner(stage["default_route_settings"])["throttling_rate_limit"] > 0
    permission = state.one("module.api.aws_lambda_permission.api")
    api = state.one("module.api.aws_apigatewayv2_api.api")
    assert permission["principal"] == "apigateway.amazonaws.com"
    assert permission["source_arn"] == f"{api['execution_arn']}/*/*"


def test_the_log_of_requests_has_nothing_of_a_customer(states: dict[str, State]) -> None:
    """A path has keys, and a query may have more."""
    settings = inner(states["lambda_only"].one("module.api.aws_apigatewayv2_stage.default")["access_log_settings"])
    logged = set(json.loads(settings["format"]).values())
    assert logged == {f"$context.{name}" for name in LOGGED}


def test_a_callers_policy_names_the_routes(states: dict[str, State]) -> None:
    state = states["lambda_only"]
    arn = state.one("module.api.aws_apigatewayv2_api.api")["execution_arn"]
    keys = {one["route_key"] for one in state.of("aws_apigatewayv2_route").values()}
    assert "POST /api/v1/jobs/{key}/nudge" in keys
    granted = allowed([state.one("output.api_caller_policy")["value"]])
    assert len(granted) == len(keys)
    assert ("execute-api:Invoke", f"{arn}/*/POST/api/v1/jobs/*/nudge") in granted
    assert ("execute-api:Invoke", f"{arn}/*/POST/api/v1/jobs") in granted


@EVERYWHERE
def test_only_actions_without_a_resource_are_allowed_on_all(states: dict[str, State], example: str) -> None:
    for policy in states[example].of("aws_iam_role_policy").values():
        for action, resource in allowed([policy["policy"]]):
            assert "*" not in action
            assert resource != "*" or action in ON_ALL_RESOURCES, (policy["name"], action)


@EVERYWHERE
def test_a_key_is_used_by_the_service_that_is_named_alone(states: dict[str, State], example: str) -> None:
    for policy in states[example].of("aws_iam_role_policy").values():
        granted = [one for one in statements(policy["policy"]) if "kms:Decrypt" in listed(one["Action"])]
        assert all(one["Condition"]["StringEquals"]["kms:ViaService"] for one in granted)
        actions = {action for action, _ in allowed([policy["policy"]])}
        assert ("kms:GenerateDataKey" in actions) == (
            bool(granted) and bool(actions & {"sqs:SendMessage", "s3:PutObject"})
        )


@EVERYWHERE
def test_each_part_has_a_role_of_its_own_for_one_service(states: dict[str, State], example: str) -> None:
    state = states[example]
    for role in state.of("aws_iam_role").values():
        (trust,) = statements(role["assume_role_policy"])
        assert trust["Action"] == "sts:AssumeRole"
        assert len(listed(trust["Principal"]["Service"])) == 1
    functions = state.of("aws_lambda_function").values()
    assert len({function["role"] for function in functions}) == len(functions)


def test_a_secret_is_read_by_those_that_need_it_and_by_no_other(states: dict[str, State]) -> None:
    state = states["lambda_only"]
    (_, container, *_) = json.loads(state.one("module.fargate.aws_ecs_task_definition.task")["container_definitions"])
    assert {"name": "EED_DATABASE__PASSWORD", "valueFrom": f"{PASSWORD}:password::"} in container["secrets"]

    def readers(secret: str) -> set[str]:
        return {
            where.partition(".aws_iam")[0]
            for where, policy in state.of("aws_iam_role_policy").items()
            if ("secretsmanager:GetSecretValue", secret) in allowed([policy["policy"]])
        }

    api, sending, tick = (f"module.{name}.module.function" for name in ("api", "sending_function", "tick"))
    assert readers(PASSWORD) == {api, sending, tick, "module.fargate"}
    assert readers(SEALING) == {api, "module.fargate"}, "what sends need not read it"


def test_tasks_run_roles_that_are_commands(states: dict[str, State]) -> None:
    task = states["lambda_only"].one("module.fargate.aws_ecs_task_definition.task")
    scratch, *containers = json.loads(task["container_definitions"])
    assert scratch["user"] == "0"
    assert not scratch["essential"]
    assert {one["name"] for one in containers} == {"publisher", "sweeper", "events", "operators"}
    (entry,) = {tuple(one["entryPoint"]) for one in containers}
    said = subprocess.run([sys.executable, *entry[1:], "--version"], cwd=ROOT, capture_output=True, text=True)
    assert __version__ in said.stdout
    for one in containers:
        assert set(one["command"]) <= COMMANDS.keys()
        assert one["readonlyRootFilesystem"]
        assert one["dependsOn"] == [{"containerName": "scratch", "condition": "SUCCESS"}]
        given = {**{v["name"]: v["value"] for v in one["environment"]}, **SECRETS}
        file = {name: value for name, value in OF_FILE.items() if name.startswith("EED_")}
        assert load(None, {**given, **file}).aws.credentials == "container"
        assert one["stopTimeout"] > Settings.model_fields["service"].default.stop_seconds


@EVERYWHERE
def test_every_log_is_kept_for_a_time_and_encrypted(states: dict[str, State], example: str) -> None:
    groups = states[example].of("aws_cloudwatch_log_group").values()
    assert groups
    for group in groups:
        assert group["retention_in_days"] == 90
        assert group["kms_key_id"] == (KEY if example == "both" else None)


@EVERYWHERE
def test_an_alarm_has_a_severity_and_a_section_of_the_runbook(states: dict[str, State], example: str) -> None:
    alarms = states[example].of("aws_cloudwatch_metric_alarm").values()
    topics = {"warning": WARNING, "critical": CRITICAL}
    named = {f"eed_{name}" for name in ("silence_seconds", "oldest_queued_seconds", "in_doubt", "ses_quota_used_ratio")}
    figures = {figure.name for figure in FIGURES if figure.unit}
    assert named <= figures
    for alarm in alarms:
        said, _, section = alarm["alarm_description"].partition(" See docs/runbook.md#")
        assert said.endswith(".") or "-rule-" in alarm["alarm_name"]
        assert section in anchors(), alarm["alarm_name"]
        severity = alarm["alarm_name"].rpartition("-")[2] if "-rule-" not in alarm["alarm_name"] else "warning"
        assert alarm["alarm_actions"] == alarm["ok_actions"] == [topics[severity]]
        if alarm["metric_name"].startswith("eed_"):
            assert any(alarm["metric_name"].startswith(figure) for figure in figures), alarm["metric_name"]
        long = alarm["period"] * alarm["evaluation_periods"] > 86_400
        assert not long, "CloudWatch looks back one day at most"
    names = {alarm["alarm_name"] for alarm in alarms}
    assert len(names) == len(alarms)


@EVERYWHERE
def test_the_dashboard_shows_all_alarms_and_what_is_there(states: dict[str, State], example: str) -> None:
    state = states[example]
    widgets = json.loads(inner(list(state.of("aws_cloudwatch_dashboard").values()))["dashboard_body"])["widgets"]
    assert len(widgets[0]["properties"]["alarms"]) == len(state.of("aws_cloudwatch_metric_alarm"))
    places = [(one["x"], one["y"]) for one in widgets]
    assert len(set(places)) == len(places)
    lambdas = {one["function_name"] for one in state.of("aws_lambda_function").values()}
    shown = json.dumps(widgets)
    assert all(name in shown for name in lambdas)


def test_logins_are_watched(states: dict[str, State]) -> None:
    filters = states["both"].of("aws_cloudwatch_log_metric_filter").values()
    by_group: dict[str, set[str]] = {}
    for one in filters:
        by_group.setdefault(one["log_group_name"], set()).add(one["name"])
    assert by_group.pop("trail") == {"ConsoleLoginFailures", "ConsoleLoginsWithoutMfa", "RootUse"}
    groups = {one["name"] for one in states["both"].of("aws_cloudwatch_log_group").values()}
    assert set(by_group) == groups
    assert all(
        names == {"way-out-broken", "operator-logins-refused", *(rule.name for rule in RULES)}
        for names in by_group.values()
    )


ROOT_LOGIN = {"userIdentity": {"type": "Root"}, "eventType": "AwsConsoleSignIn", "eventName": "ConsoleLogin"}
ANNA = {"type": "IAMUser", "userName": "anna"}
NO_MFA = {
    "userIdentity": ANNA,
    "eventName": "ConsoleLogin",
    "additionalEventData": {"MFAUsed": "No"},
    "responseElements": {"ConsoleLogin": "Success"},
}
COUNTED: list[tuple[dict[str, Any], set[str]]] = [
    ({"event": "breaker_open", "level": "error"}, {"way-out-broken"}),
    ({"event": "gate_shut", "level": "error"}, {"way-out-broken"}),
    ({"event": "breaker_closed", "level": "info"}, set()),
    ({"event": "login_refused", "level": "warning"}, {"operator-logins-refused"}),
    (ROOT_LOGIN, {"RootUse"}),
    ({**ROOT_LOGIN, "eventType": "AwsServiceEvent"}, set()),
    ({**ROOT_LOGIN, "userIdentity": {"type": "Root", "invokedBy": "support.amazonaws.com"}}, set()),
    (
        {"eventName": "ConsoleLogin", "errorMessage": "Failed authentication", "userIdentity": ANNA},
        {"ConsoleLoginFailures"},
    ),
    (NO_MFA, {"ConsoleLoginsWithoutMfa"}),
    ({**NO_MFA, "additionalEventData": {"MFAUsed": "Yes"}}, set()),
]
"""Lines of the log and records of CloudTrail, and which filters count them.
https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-aws-console-sign-in-events.html"""


@pytest.mark.parametrize(("line", "names"), COUNTED)
def test_the_filters_count_what_they_should(states: dict[str, State], line: dict[str, Any], names: set[str]) -> None:
    filters = states["both"].of("aws_cloudwatch_log_metric_filter").values()
    ours = {one["name"]: one["pattern"] for one in filters if one["name"] not in {rule.name for rule in RULES}}
    assert {name for name, pattern in ours.items() if matches(pattern, json.dumps(line))} == names


def test_the_state_is_kept_with_all_its_versions(states: dict[str, State]) -> None:
    state = states["state"]
    assert inner(state.one("aws_s3_bucket_versioning.state")["versioning_configuration"])["status"] == "Enabled"
    blocked = state.one("aws_s3_bucket_public_access_block.state")
    assert all(
        blocked[f"{what}_public_{of}"] for what, of in (("block", "acls"), ("block", "policy"), ("ignore", "acls"))
    )
    (deny,) = statements(state.one("aws_s3_bucket_policy.state")["policy"])
    assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    for example in EXAMPLES:
        backend = (SOURCES / "examples" / example / "backend.tf").read_text()
        assert all(line in backend for line in ("encrypt      = true", "use_lockfile = true"))


def test_a_host_has_imdsv2_an_encrypted_disk_and_no_secret_in_its_user_data(states: dict[str, State]) -> None:
    template = states["both"].one("module.hosts.aws_launch_template.hosts")
    metadata = inner(template["metadata_options"])
    assert (metadata["http_tokens"], metadata["http_put_response_hop_limit"]) == ("required", 1)
    disk = inner(inner(template["block_device_mappings"])["ebs"])
    assert (str(disk["encrypted"]).lower(), disk["kms_key_id"]) == ("true", KEY)
    assert inner(states["both"].one("module.hosts.aws_autoscaling_group.hosts")["instance_refresh"])


def test_the_user_data_installs_the_service_as_the_document_says(states: dict[str, State], tmp_path: Path) -> None:
    script = base64.b64decode(states["both"].one("module.hosts.aws_launch_template.hosts")["user_data"]).decode()
    assert subprocess.run(["bash", "-n"], input=script, text=True).returncode == 0
    drain = (SOURCES / "hosts" / "drain.sh").read_text()
    filled_in = re.sub(r"\$\{work\}", "", script.replace(drain, ""))
    assert "${" not in filled_in, "Terraform has filled in all"
    assert len(script) < 16_384, "EC2 takes no more"
    assert f'--secret-id "{PASSWORD}"' in script
    assert "> /etc/credstore/eed-delivery.database_password" in script
    file = states["both"].one("module.hosts.aws_s3_object.configuration")
    assert file["content"] == CONFIGURATION
    assert f'aws s3 cp --only-show-errors "s3://{file["bucket"]}/{file["key"]}"' in script
    assert f'echo "{hashlib.sha256(CONFIGURATION.encode()).hexdigest()}  ' in script
    hook = inner(states["both"].one("module.hosts.aws_autoscaling_group.hosts")["initial_lifecycle_hook"])
    assert hook["default_result"] == "ABANDON"
    assert script.index("enable --now eed-delivery-drain.service eed-delivery.service") < script.index(
        f"--lifecycle-hook-name {hook['name']}"
    )
    for file in re.findall(r"^ +-r (requirements/\S+)|systemd/\S+\.service", script, re.MULTILINE):
        assert not file or (ROOT / file).exists()
    document = (ROOT / "docs" / "installing.md").read_text()
    (user,) = re.findall(r"useradd .*", document)[:1]
    assert user.strip("` ") in script


def test_the_secrets_of_the_example_are_credentials_of_the_unit() -> None:
    assert variables("hosts_only")["secrets"].keys() <= CREDENTIALS.keys()


def test_no_queue_is_without_prevent_destroy() -> None:
    text = "\n".join(path.read_text() for path in SOURCES.rglob("*.tf"))
    queues = re.findall(r'^resource "aws_sqs_queue" "\w+" \{\n(.*?)^\}', text, re.MULTILINE | re.DOTALL)
    assert len(queues) == 4
    assert all("prevent_destroy = true" in queue for queue in queues)


def test_the_queues_cannot_be_destroyed(terraform: Terraform) -> None:
    """By Terraform: a plan that would is refused."""
    folder = "queues"
    terraform.init(folder)
    terraform.apply(folder, {})
    done = terraform.run(folder, "plan", "-destroy", "-no-color", check=False)
    assert done.returncode == 1
    assert "Instance cannot be destroyed" in done.stderr
    (terraform.root / folder / "test.auto.tfvars.json").write_text('{"visibility_timeout_seconds": 1800}')
    assert terraform.run(folder, "plan", "-no-color", "-detailed-exitcode", check=False).returncode == 2, (
        "a change is no end"
    )


@pytest.mark.parametrize("module", ["sending_function", "api", "observability", "hosts", "fargate", "tick"])
def test_what_a_module_refuses(terraform: Terraform, module: str) -> None:
    terraform.init(module)
    done = terraform.run(module, "test", "-no-color", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 failed" in done.stdout


def test_the_bundle_has_what_a_host_installs(states: dict[str, State]) -> None:
    """Each file and folder that the script puts in is there, and the user data takes no other."""
    script = (ROOT / "deploy" / "bundle.sh").read_text()
    assert subprocess.run(["sh", "-n"], input=script, text=True).returncode == 0
    (packed,) = re.findall(r"^git archive HEAD (.*?) \|", script, re.MULTILINE)
    assert [name for name in packed.split() if not (ROOT / name).exists()] == []
    template = states["hosts_only"].one("module.hosts.aws_launch_template.hosts")
    installed = base64.b64decode(template["user_data"]).decode()
    locks = re.findall(r"-r (requirements/\w+\.txt)", script)
    assert locks == re.findall(r"-r (requirements/\w+\.txt)", installed)
