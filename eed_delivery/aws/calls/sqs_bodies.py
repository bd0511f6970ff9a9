"""Reads the body of an SQS answer, and checks it."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from eed_delivery.aws.calls.errors import NotAws

WANTED: Mapping[str, Mapping[str, Sequence[str]]] = {
    "SendMessageBatch": {"Successful": ("Id",), "Failed": ("Id", "Code")},
    "DeleteMessageBatch": {"Successful": ("Id",), "Failed": ("Id", "Code")},
    "ChangeMessageVisibilityBatch": {"Successful": ("Id",), "Failed": ("Id", "Code")},
    "ReceiveMessage": {"Messages": ("MessageId", "ReceiptHandle", "Body")},
}
"""By action: the lists of an answer, and the texts that each of their entries must have.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_Operations.html
"""
Entry = dict[str, Any]


def parse_body(action: str, body: bytes) -> dict[str, list[Entry]]:
    """The lists of an answer. Those that are missing are empty. Members that are null are left out, as AWS's protocol
    has it. Raises `NotAws`."""
    try:
        said = json.loads(body) if body else {}
    except (ValueError, RecursionError) as error:
        raise NotAws(problem="the answer is not JSON") from error
    if not isinstance(said, dict):
        raise NotAws(problem="the answer is not an object")
    return {name: _entries(name, said.get(name), texts) for name, texts in WANTED[action].items()}


def _entries(name: str, said: object, texts: Sequence[str]) -> list[Entry]:
    if said is None:
        return []
    if not isinstance(said, list):
        raise NotAws(problem=f"{name} is not a list")
    return [_entry(name, entry, texts) for entry in said]


def _entry(name: str, said: object, texts: Sequence[str]) -> Entry:
    if not isinstance(said, dict):
        raise NotAws(problem=f"an entry of {name} is not an object")
    for text in texts:
        if not isinstance(said.get(text), str):
            raise NotAws(problem=f"an entry of {name} has no {text}")
    if not isinstance(said.get("Attributes") or {}, dict):
        raise NotAws(problem=f"the attributes of an entry of {name} are not an object")
    return {key: value for key, value in said.items() if value is not None}
