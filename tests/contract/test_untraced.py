"""Copies of messages are no loop: within a function no call to SQS carries Lambda's trace header."""

import pytest

from eed_delivery.app.aws_clients import AwsClients
from eed_delivery.aws.untraced import TRACE_HEADER
from eed_delivery.config import load
from eed_delivery.model import Ticket
from eed_delivery.queue import Queue
from tests.servers.scripted_http import ScriptedHttp, ok

TOOK = ok(b'{"Successful": [{"Id": "0", "MessageId": "m", "MD5OfMessageBody": "x"}], "Failed": []}')
NAMES = {"AWS_LAMBDA_FUNCTION_NAME": "send", "_X_AMZN_TRACE_ID": "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1"}


@pytest.mark.parametrize("way", ["quick", "boto3"])
def test_a_copy_carries_no_trace_header(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in NAMES.items():
        monkeypatch.setenv(name, value)
    with ScriptedHttp([TOOK]) as server:
        environ = {
            "EED_DATABASE__URL": "mysql+pymysql://eed@127.0.0.1/eed",
            "EED_AWS__REGION": "us-east-1",
            "EED_AWS__CREDENTIALS": "environment",
            "AWS_ACCESS_KEY_ID": "AKID",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "EED_QUEUE__URL": f"{server.url}/000000000000/eed",
            "EED_QUEUE__ENDPOINT_URL": server.url,
            "EED_RENDERING__MESSAGE_ID_DOMAIN": "mail.example.com",
        }
        clients = AwsClients(load(None, environ))
        queue = Queue(clients.sqs_calls(1) if way == "quick" else clients.sqs(), environ["EED_QUEUE__URL"], tries=1)
        queue.publish([Ticket(17, 1, 0, "1")], 5)
        (request,) = server.requests
    assert request.fields["x-amz-target"] == "AmazonSQS.SendMessageBatch"
    assert TRACE_HEADER.lower() not in request.fields
