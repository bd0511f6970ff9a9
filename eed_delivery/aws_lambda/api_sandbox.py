"""What a sandbox of the API keeps between requests, and one request.

The adapter is apig-wsgi. It is kept up (releases since 2018, each new Python), has types and no dependencies, and knows
both formats. Those that were looked at beside it:

- serverless-wsgi: no types, sends headers that repeat in different spellings, last release in 2025-06
- aws-wsgi: archived in 2024
- mangum with a2wsgi: two adapters and an event loop, which runs WSGI in threads

It trusts X-Forwarded-For and its like in format 1.0, and fails for events that are malformed. So it gets events that
`gateway_events` has made, and the environment's facts of the connection are ours.
"""

from collections.abc import Iterable
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

import structlog
from apig_wsgi import make_lambda_handler

from eed_delivery.app.api_function import ApiParts
from eed_delivery.aws_lambda.deadline import InvocationContext
from eed_delivery.aws_lambda.gateway_answers import Answer, problem_answer, within_limits
from eed_delivery.aws_lambda.gateway_events import GatewayRequest, read_request
from eed_delivery.aws_lambda.gateway_values import NoRequest, OtherRoute
from eed_delivery.operators.problems import HttpProblem
from eed_delivery.operators.shell import IAM_ARN
from eed_delivery.runtime.idle_time import IdleTime

log = structlog.get_logger(__name__)

FREEZE_SECONDS = 3.0
"""After longer without a request no connection is trusted: the sandbox may have been frozen."""
GATEWAY = "127.0.0.1"
"""Who connects, for the application: the gateway is its proxy, and no one else can invoke the function."""
DO = "The log has more about it under this request's id."


class ApiSandbox:
    """One thread, which belongs to the request. Between requests nothing runs."""

    def __init__(self, parts: ApiParts, idle: IdleTime | None = None) -> None:
        """`idle`: since the last request."""
        self._parts = parts
        self._idle = idle or IdleTime()

    def answer(self, event: Any, context: InvocationContext) -> Answer:
        """Answer a request of API Gateway. Never raises."""
        request_id = context.aws_request_id
        try:
            request = read_request(event)
        except OtherRoute:
            return problem_answer(HttpProblem(404, "unknown", "There is no such page."), request_id)
        except NoRequest as error:
            log.warning("gateway_event_refused", reason=str(error), request_id=request_id)
            do = "Have API Gateway invoke this function as a proxy integration."
            return problem_answer(HttpProblem(400, "malformed", f"This is no request: {error}.", do), request_id)
        try:
            return self._answer(request, context)
        except Exception:
            log.exception("operators_request_failed", route="", request_id=request_id)
            return problem_answer(HttpProblem(500, "defect", "This is a defect of the service.", DO), request_id)
        finally:
            self._idle.used()

    def _answer(self, request: GatewayRequest, context: InvocationContext) -> Answer:
        if self._idle.exceeds(FREEZE_SECONDS):
            self._parts.database.close()

        def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            environ.update(_of_the_gateway(request))
            environ.setdefault("HTTP_X_REQUEST_ID", context.aws_request_id)
            return self._parts.application(environ, start_response)

        answer = make_lambda_handler(application, binary_support=True)(dict(request.event), context)
        return within_limits(answer, context.aws_request_id)


def _of_the_gateway(request: GatewayRequest) -> dict[str, Any]:
    """What the gateway knows, in place of what a client may claim."""
    whole = {
        "REMOTE_ADDR": GATEWAY,
        "HTTP_X_FORWARDED_FOR": request.source_ip,
        "HTTP_HOST": request.host,
        "SCRIPT_NAME": request.prefix,
        "SERVER_NAME": request.host,
        "SERVER_PORT": "443",
        "CONTENT_TYPE": request.content_type,
        "wsgi.url_scheme": "https",
    }
    return whole if request.iam_arn is None else {**whole, IAM_ARN: request.iam_arn}
