"""Messages without Lambda's trace header.

Within a function botocore adds it to each call. Lambda then counts how often a message has led to a further message in
the same queue, and ends that after about 16 rounds. A copy of a message for an email that has to wait is no loop.
https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html
"""

from typing import Any

TRACE_HEADER = "X-Amzn-Trace-Id"


def send_no_trace(client: Any) -> None:
    """Have a client of boto3's leave the header out. It is not signed."""
    service = client.meta.service_model.service_id.hyphenize()
    client.meta.events.register_first(f"before-send.{service}", _remove)


def _remove(request: Any, **_: Any) -> None:
    if TRACE_HEADER in request.headers:
        del request.headers[TRACE_HEADER]
