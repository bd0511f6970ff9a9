"""The functions as Lambda runs them: ministack's event source mapping and HTTP API, with a real MySQL and mail server.

A delivery server's role signs a nudge, the tick publishes, the queue invokes the function that sends.
"""

import io
import json
import os
import threading
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from eed_delivery.app.tick_function import tick_parts
from eed_delivery.aws_lambda.ticking import TickSandbox
from tests.event_source import TimeLeft
from tests.gateway import ROLE
from tests.integration.conftest import NewStack
from tests.operators_site import SECRET
from tests.servers.ministack import REGION, MiniStack
from tests.servers.mysql_binaries import REQUIRED, NotToBeHad, new_data_directory
from tests.stack import Stack

ROOT = Path(__file__).parents[2]
TIMEOUT = 60
SETTINGS = {
    "aws_lambda.timeout_seconds": TIMEOUT,
    "aws_lambda.tick_seconds": 5,
    "queue.visibility_timeout_seconds": 6 * TIMEOUT,
    "worker.coordination": "ledger",
    "smtp.connect_timeout_seconds": 2,
    "smtp.command_timeout_seconds": 2,
    "smtp.data_timeout_seconds": 4,
    "transport.rate_per_second": 200,
}
CODE = "import sys\nsys.path.insert(0, {root!r})\nfrom eed_delivery.aws_lambda.{module} import handler\n"
CALLERS = {ROLE.replace("123456789012", "000000000000"): {"role": "operator", "scopes": ["nudge"]}}


@pytest.fixture
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """On MySQL, and on MariaDB where no MySQL can be had."""
    kind = request.config.getoption("--database") or "mysql"
    if kind == "sqlite":
        pytest.skip("needs a server, and --database is sqlite")
    try:
        new_data_directory()
    except NotToBeHad:
        if os.environ.get(REQUIRED) == "1":
            raise
        kind = "mariadb"
    server = request.getfixturevalue(kind)
    yield server.create_database("eed_in_lambda")
    server.drop_database("eed_in_lambda")


class Account:
    """An account of AWS with the two functions."""

    def __init__(self, aws: MiniStack, stack: Stack) -> None:
        self._aws = aws
        self._stack = stack
        self._lambda = aws.client("lambda")
        self._gateway = aws.client("apigatewayv2")
        self._made: list[str] = []

    def function(self, module: str, **variables: str) -> str:
        """A function of ours; its ARN."""
        code = io.BytesIO()
        with zipfile.ZipFile(code, "w") as archive:
            archive.writestr("index.py", CODE.format(root=str(ROOT), module=module))
        environ = {**self._stack.environ, "EED_CONFIG": str(self._stack.config), **variables}
        made = self._lambda.create_function(
            FunctionName=module,
            Runtime="python3.11",
            Role=f"arn:aws:iam::000000000000:role/{module}",
            Handler="index.handler",
            Code={"ZipFile": code.getvalue()},
            Timeout=TIMEOUT,
            MemorySize=1024,
            Environment={"Variables": environ},
        )
        self._made.append(module)
        return str(made["FunctionArn"])

    def feed(self, function: str) -> None:
        """The queue invokes a function."""
        queue = self._stack.sqs.get_queue_attributes(QueueUrl=self._stack.queue_url, AttributeNames=["QueueArn"])
        mapping = self._lambda.create_event_source_mapping(
            EventSourceArn=queue["Attributes"]["QueueArn"],
            FunctionName=function,
            BatchSize=10,
            FunctionResponseTypes=["ReportBatchItemFailures"],
            ScalingConfig={"MaximumConcurrency": 2},
        )
        self._mapping = mapping["UUID"]

    def http_api(self, function_arn: str, route: str) -> str:
        """An HTTP API with one route, which callers sign by IAM; the name that it answers under."""
        api = self._gateway.create_api(Name="eed", ProtocolType="HTTP")["ApiId"]
        integration = self._gateway.create_integration(
            ApiId=api, IntegrationType="AWS_PROXY", IntegrationUri=function_arn, PayloadFormatVersion="2.0"
        )
        target = f"integrations/{integration['IntegrationId']}"
        self._gateway.create_route(ApiId=api, RouteKey=route, Target=target, AuthorizationType="AWS_IAM")
        self._gateway.create_stage(ApiId=api, StageName="$default", AutoDeploy=True)
        return f"{api}.execute-api.localhost:{self._aws.port}"

    def session_of(self, role: str) -> Credentials:
        """Keys of a role, as a delivery server on EC2 has them."""
        self._aws.client("iam").create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps({"Statement": []}))
        arn = f"arn:aws:iam::000000000000:role/{role}"
        keys = self._aws.client("sts").assume_role(RoleArn=arn, RoleSessionName="i-0123")["Credentials"]
        return Credentials(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])

    def post(self, host: str, path: str, keys: Credentials) -> Any:
        """What a signed POST is answered."""
        signed = AWSRequest("POST", f"http://{host}{path}", headers={"Host": host}, data=b"")
        SigV4Auth(keys, "execute-api", REGION).add_auth(signed)
        request = urllib.request.Request(
            f"{self._aws.endpoint_url}{path}", b"", dict(signed.headers.items()), method="POST"
        )
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            return json.load(answer)

    def close(self) -> None:
        self._lambda.delete_event_source_mapping(UUID=self._mapping)
        for name in self._made:
            self._lambda.delete_function(FunctionName=name)


@pytest.fixture
def stack(new_stack: NewStack) -> Stack:
    stack = new_stack(SETTINGS)
    queue = {"VisibilityTimeout": str(6 * TIMEOUT)}
    stack.sqs.set_queue_attributes(QueueUrl=stack.queue_url, Attributes=queue)
    return stack


@pytest.fixture
def account(stack: Stack, ministack: MiniStack) -> Iterator[Account]:
    account = Account(ministack, stack)
    account.function("sending")
    account.feed("sending")
    yield account
    account.close()


@pytest.fixture
def ticking(stack: Stack) -> Iterator[threading.Event]:
    """The function `tick`, invoked as soon as it has ended, from when the event is set."""
    tick, begin, stop = TickSandbox(tick_parts(stack.settings)), threading.Event(), threading.Event()

    def schedule() -> None:
        begin.wait()
        while not stop.is_set():
            tick.invoke({}, TimeLeft(TIMEOUT))

    thread = threading.Thread(target=schedule, daemon=True)
    thread.start()
    yield begin
    stop.set()
    begin.set()
    thread.join(TIMEOUT)


def test_a_job_is_nudged_and_sent_through_an_outage(stack: Stack, account: Account, ticking: threading.Event) -> None:
    stack.mail_up()
    api = account.function("api", EED_OPERATORS__SECRET=SECRET, EED_OPERATORS__IAM_CALLERS=json.dumps(CALLERS))
    host = account.http_api(api, "POST /api/v1/jobs/{key}/nudge")
    stack.add_job([f"c{n}@example.com" for n in range(30)], 1)
    nudged = account.post(host, "/api/v1/jobs/1/nudge", account.session_of("delivery-server"))
    assert (nudged["key"], nudged["registered"]) == ("1", "now")
    ((who, command),) = stack.world.execute("SELECT who, command FROM eed_audit WHERE act = 'nudge'")
    assert who == "arn:aws:iam::000000000000:role/delivery-server"
    assert command.endswith("(session i-0123)")
    ticking.set()
    stack.wait_finished(1)
    stack.mail_down()
    stack.add_job([f"d{n}@example.com" for n in range(20)], 2)
    stack.wait_until(lambda: bool(stack.world.execute("SELECT 1 FROM eed_gate WHERE reason IS NOT NULL")), "it is shut")
    stack.mail_up()
    stack.wait_finished(2)
    stack.balance()
    assert stack.counts() == {"sent": 50}
    assert stack.world.execute("SELECT status, COUNT(*) FROM delivery_email GROUP BY status") == [("sent", 50)]
    assert stack.world.execute("SELECT DISTINCT status FROM delivery_job") == [("finished",)]
    assert stack.world.execute("SELECT DISTINCT attempts FROM eed_email") == [(1,)], "the outage has cost no try"
    assert stack.depth(dead=True) == 0
    assert stack.world.execute("SELECT reason FROM eed_gate") == [(None,)]
    assert {who.partition(":")[0] for (who,) in stack.world.execute("SELECT worker FROM eed_attempt")} == {"lambda"}
