"""The function behind API Gateway: `eed_delivery.aws_lambda.api.handler`.

What is above the handler runs once in each sandbox, in its INIT phase. It opens no connection. A configuration that
does not suit a function ends it there, with each mistake in the log.
"""

import gc
from typing import Any

from eed_delivery.app.api_function import start
from eed_delivery.aws_lambda.api_sandbox import ApiSandbox
from eed_delivery.aws_lambda.deadline import InvocationContext

SANDBOX = ApiSandbox(start())
gc.freeze()  # what is loaded stays, and is never looked through for garbage


def handler(event: Any, context: InvocationContext) -> dict[str, Any]:
    """Answer a request: an event of API Gateway in either format. Returns the answer in the same one."""
    return SANDBOX.answer(event, context)
