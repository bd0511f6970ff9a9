"""What a webhook says. It is made of what never changes, so that each try says the same."""

import json
from datetime import datetime

from eed_delivery.ledger.webhooks.ledger import Held

TEST = "webhook.test"


def body_of(held: Held, *, addresses: bool) -> bytes:
    """The JSON of one webhook. `addresses` means with the recipient's."""
    data = {
        "job": held.job_key,
        "email": held.email_key,
        "gen": held.gen,
        "event": held.event_id,
        "address": held.recipient if addresses else None,
    }
    said = {name: value for name, value in data.items() if value is not None}
    return _json(held.kind, held.occurred_at, {**said, **json.loads(held.facts)})


def body_of_test(now: datetime) -> bytes:
    """The JSON of a webhook that an operator sends to see whether it is taken. `now` is in UTC, without a zone."""
    return _json(TEST, now, {})


def _json(kind: str, at: datetime, data: dict[str, object]) -> bytes:
    timestamp = at.isoformat(timespec="microseconds") + "Z"
    return json.dumps({"type": kind, "timestamp": timestamp, "data": data}, separators=(",", ":")).encode("ascii")
