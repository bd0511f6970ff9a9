"""The function that publishes, sweeps and finishes: `eed_delivery.aws_lambda.tick.handler`, invoked once a minute.

It does what the roles publisher, sweeper, events and webhooks do on a host. What is above the handler runs once in
each sandbox, in its INIT phase. It opens no connection.
"""

import gc
from typing import Any

from eed_delivery.app.tick_function import start
from eed_delivery.aws_lambda.deadline import InvocationContext
from eed_delivery.aws_lambda.ticking import TickSandbox

SANDBOX = TickSandbox(start())
gc.freeze()  # what is loaded stays, and is never looked through for garbage


def handler(event: Any, context: InvocationContext) -> dict[str, Any]:
    """Work for `aws_lambda.tick_seconds`. Returns what was done."""
    return SANDBOX.invoke(event, context)
