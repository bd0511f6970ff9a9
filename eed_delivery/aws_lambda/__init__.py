"""The service as functions of AWS Lambda (docs/aws.md).

An event source mapping of the queue invokes the function that sends, and EventBridge Scheduler invokes the tick. API
Gateway invokes the API.

- `sending`     the handler that sends. What is above it runs once in each sandbox
- `sandbox`     what a sandbox keeps, and one invocation of it
- `records`     the records of an event as messages
- `event_queue` what a batch does with messages that Lambda has received
- `gate`        the breaker, which lasts between invocations
- `deadline`    the time that an invocation has
- `tick`        the handler that publishes, sweeps and finishes
- `ticking`     one tick
- `api`         the handler of the function behind API Gateway. What is above it runs once in each sandbox
- `api_sandbox`     what a sandbox of the API keeps, and one request
- `gateway_events`  an event of API Gateway as a request that can be trusted, and `gateway_values` its values
- `gateway_answers` answers within the limits of API Gateway and Lambda

Nothing here runs in a thread of its own: a thread that is frozen between the grant and its send would send late.
"""

import eed_delivery.runtime.light_start  # noqa: F401 - before what a handler needs
