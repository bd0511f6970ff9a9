"""SendMessageBatch answers in two lists, and an entry may be in neither (JasperFx/wolverine#3503)."""

from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.stub import ANY, Stubber

from eed_delivery.model import Ticket
from eed_delivery.queue import Queue, Received

URL = "https://sqs.us-east-1.amazonaws.com/000000000000/q"


@pytest.fixture
def client() -> Any:
    return boto3.client(
        "sqs",
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}),
    )


def ok(entry: str) -> dict[str, str]:
    return {"Id": entry, "MessageId": f"m{entry}", "MD5OfMessageBody": "0" * 32}


def test_only_what_successful_names_is_taken(client: Any) -> None:
    tickets = [Ticket(n, 0, 0) for n in range(1, 5)]
    answer = {
        "Successful": [ok("0"), ok("3")],
        "Failed": [{"Id": "1", "SenderFault": False, "Code": "InternalError", "Message": "try again"}],
    }
    with Stubber(client) as stub:
        stub.add_response("send_message_batch", answer, {"QueueUrl": URL, "Entries": ANY})
        published = Queue(client, URL).publish(tickets)
    assert [ticket.email_id for ticket in published.accepted] == [1, 4]
    assert published.refused == ("InternalError: try again", "named in neither list")


def test_an_entry_in_both_lists_is_not_taken(client: Any) -> None:
    failed = [{"Id": "0", "SenderFault": False, "Code": "InternalError"}]
    with Stubber(client) as stub:
        stub.add_response("send_message_batch", {"Successful": [ok("0")], "Failed": failed})
        assert Queue(client, URL).publish([Ticket(1, 0, 0)]).accepted == ()


def test_an_expired_receipt_is_no_error(client: Any) -> None:
    """celery/kombu#1198: it must not end the worker."""
    failed = [{"Id": "0", "SenderFault": True, "Code": "ReceiptHandleIsInvalid"}]
    message = Received("m", "r", 1, Ticket(1, 0, 0))
    with Stubber(client) as stub:
        stub.add_response("delete_message_batch", {"Successful": [], "Failed": failed})
        stub.add_response("change_message_visibility_batch", {"Successful": [], "Failed": failed})
        queue = Queue(client, URL)
        queue.ack([message])
        queue.later([message], 5)
        stub.assert_no_pending_responses()


def test_trouble_is_tried_again(client: Any) -> None:
    with Stubber(client) as stub:
        stub.add_client_error("send_message_batch", "ServiceUnavailable", http_status_code=503)
        stub.add_response("send_message_batch", {"Successful": [ok("0")], "Failed": []})
        assert len(Queue(client, URL).publish([Ticket(1, 0, 0)]).accepted) == 1
