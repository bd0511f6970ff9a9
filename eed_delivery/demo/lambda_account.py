"""What Lambda, API Gateway and IAM are in the demo of functions: ministack's, and a poller of the queue.

The functions themselves run under AWS's own runtime client and emulator (`lambda_emulator`). ministack hands them the
requests of its HTTP API.
"""

import io
import json
import sys
import threading
import urllib.request
import zipfile
from collections.abc import Sequence
from typing import Any

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from eed_delivery.demo.configuration import REGION
from eed_delivery.demo.lambda_configuration import ACCOUNT, ROLE, TIMEOUT_SECONDS
from eed_delivery.demo.lambda_emulator import InvocationFailed, LambdaEmulator
from eed_delivery.demo.processes import LOCAL

BATCH = 10
WAIT_SECONDS = 1
_FORWARD = """\
import json, urllib.request
OPEN = urllib.request.build_opener(urllib.request.ProxyHandler({{}})).open
def handler(event, context):
    return json.load(OPEN(urllib.request.Request({url!r}, json.dumps(event).encode()), timeout={seconds}))
"""


class LambdaAccount:
    """An account of AWS, at an address."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint

    def client(self, service: str) -> Any:
        """A client of boto3."""
        session: Any = boto3.Session("demo", "demo", region_name=REGION)
        return session.client(service, endpoint_url=self._endpoint, config=Config(proxies={}))

    def http_api(self, function: LambdaEmulator, route: str) -> str:
        """An HTTP API with a route to a function, which callers sign by IAM. Returns the name that it answers under."""
        code = io.BytesIO()
        with zipfile.ZipFile(code, "w") as archive:
            archive.writestr("index.py", _FORWARD.format(url=function.address, seconds=TIMEOUT_SECONDS))
        made = self.client("lambda").create_function(
            FunctionName="api",
            Runtime=f"python{sys.version_info.major}.{sys.version_info.minor}",
            Role=f"arn:aws:iam::{ACCOUNT}:role/api",
            Handler="index.handler",
            Code={"ZipFile": code.getvalue()},
            Timeout=TIMEOUT_SECONDS,
        )
        gateway = self.client("apigatewayv2")
        api = gateway.create_api(Name="demo", ProtocolType="HTTP")["ApiId"]
        integration = gateway.create_integration(
            ApiId=api, IntegrationType="AWS_PROXY", IntegrationUri=made["FunctionArn"], PayloadFormatVersion="2.0"
        )
        target = f"integrations/{integration['IntegrationId']}"
        gateway.create_route(ApiId=api, RouteKey=route, Target=target, AuthorizationType="AWS_IAM")
        gateway.create_stage(ApiId=api, StageName="$default", AutoDeploy=True)
        return f"{api}.execute-api.localhost:{self._endpoint.rpartition(':')[2]}"

    def post(self, host: str, path: str) -> Any:
        """What the delivery server's role is answered to a POST that it has signed."""
        self.client("iam").create_role(RoleName=ROLE, AssumeRolePolicyDocument=json.dumps({"Statement": []}))
        arn = f"arn:aws:iam::{ACCOUNT}:role/{ROLE}"
        keys = self.client("sts").assume_role(RoleArn=arn, RoleSessionName="demo")["Credentials"]
        signed = AWSRequest("POST", f"http://{host}{path}", headers={"Host": host}, data=b"")
        credentials = Credentials(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
        SigV4Auth(credentials, "execute-api", REGION).add_auth(signed)
        headers = dict(signed.headers.items())
        request = urllib.request.Request(f"{self._endpoint}{path}", b"", headers, method="POST")  # noqa: S310 - our own
        with LOCAL.open(request, timeout=TIMEOUT_SECONDS) as answer:
            return json.load(answer)


class QueueMapping:
    """An event source mapping: a thread for each sandbox receives, invokes, and deletes what did not fail."""

    def __init__(self, sqs: Any, queue_url: str, sandboxes: Sequence[LambdaEmulator]) -> None:
        self._sqs = sqs
        self._url = queue_url
        facts = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])
        self._arn = str(facts["Attributes"]["QueueArn"])
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._poll, args=(one,), daemon=True) for one in sandboxes]

    def __enter__(self) -> "QueueMapping":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(TIMEOUT_SECONDS)

    def _poll(self, function: LambdaEmulator) -> None:
        while not self._stop.is_set():
            answer = self._sqs.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=BATCH,
                WaitTimeSeconds=WAIT_SECONDS,
                MessageSystemAttributeNames=["All"],
            )
            if messages := answer.get("Messages", []):
                self._settle(messages, function)

    def _settle(self, messages: Sequence[dict[str, Any]], function: LambdaEmulator) -> None:
        """Messages of an invocation that has failed come again, when their visibility timeout is over. The function's
        log says why."""
        try:
            result = function.invoke({"Records": [self._record(one) for one in messages]})
        except InvocationFailed:
            return
        again = {failure["itemIdentifier"] for failure in result["batchItemFailures"]}
        gone = [one for one in messages if one["MessageId"] not in again]
        if gone and "" not in again:
            entries = [{"Id": str(n), "ReceiptHandle": one["ReceiptHandle"]} for n, one in enumerate(gone)]
            self._sqs.delete_message_batch(QueueUrl=self._url, Entries=entries)

    def _record(self, message: dict[str, Any]) -> dict[str, Any]:
        """https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html"""
        return {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": message["Attributes"],
            "messageAttributes": {},
            "eventSource": "aws:sqs",
            "eventSourceARN": self._arn,
            "awsRegion": REGION,
        }


class TickSchedule:
    """EventBridge Scheduler, in haste: it invokes a function again as soon as it has ended."""

    def __init__(self, function: LambdaEmulator) -> None:
        self._function = function
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "TickSchedule":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(TIMEOUT_SECONDS)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._function.invoke({})
            except InvocationFailed:  # its log says why
                self._stop.wait(WAIT_SECONDS)
