"""Answers to API Gateway: what it and Lambda can carry, and problems that come before the application."""

import json
from typing import Any

from eed_delivery.operators.problems import MEDIA_TYPE, HttpProblem

LARGEST_ANSWER = 6 * 2**20
"""Bytes of an invocation's answer, as JSON. A larger one is lost, and the client gets 502 without a reason.

https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
"""
Answer = dict[str, Any]


def problem_answer(problem: HttpProblem, request_id: str) -> Answer:
    """A problem in the form that both formats have in common."""
    headers = {
        "content-type": MEDIA_TYPE,
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
        "x-request-id": request_id,
        **problem.headers,
    }
    body = json.dumps(problem.body(request_id))
    return {"statusCode": problem.status, "headers": headers, "body": body, "isBase64Encoded": False}


def within_limits(answer: Answer, request_id: str) -> Answer:
    """The answer, or a problem where it is too large to reach the caller."""
    size = len(json.dumps(answer))  # with escapes, as the runtime may write it
    if size <= LARGEST_ANSWER:
        return answer
    what = f"The answer has {size:,} bytes, and Lambda carries {LARGEST_ANSWER:,}. What was asked for is done."
    do = "Ask for less at once, or ask the API of a host."
    return problem_answer(HttpProblem(501, "answer_too_large", what, do), request_id)
