"""The function that sends: `eed_delivery.aws_lambda.sending.handler`.

What is above the handler runs once in each sandbox, in its INIT phase. It opens no connection. A configuration that
does not suit a function ends it there, with each mistake in the log.
"""

import gc
from typing import Any

from eed_delivery.app.sending_function import start
from eed_delivery.aws_lambda.deadline import InvocationContext
from eed_delivery.aws_lambda.sandbox import SendingSandbox

SANDBOX = SendingSandbox(start())
gc.freeze()  # what is loaded stays, and is never looked through for garbage


def handler(event: Any, context: InvocationContext) -> dict[str, list[dict[str, str]]]:
    """Send the emails of an SQS event. Returns the messages that are to come again (`ReportBatchItemFailures`)."""
    return SANDBOX.invoke(event, context)
