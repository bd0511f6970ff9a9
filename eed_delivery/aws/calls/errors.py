"""Errors from an answer that is no success, or that AWS would not give."""

from typing import Any

from botocore.exceptions import HTTPClientError
from botocore.parsers import create_parser

from eed_delivery.aws.calls.http_answers import HttpAnswer


class NotAws(HTTPClientError):
    """An answer of 200 that AWS would not give. It is an error, as a missing answer is.

    botocore takes an answer that is not JSON for an empty one.
    """

    fmt = "What answers is not AWS: {problem}"


def error_of(answer: HttpAnswer, protocol: str) -> dict[str, Any]:
    """The error in an answer that is no success, as botocore reads it. It always has a code."""
    response = {"status_code": answer.status, "headers": answer.fields, "body": answer.body}
    try:
        parser: Any = create_parser(protocol)
        said = dict(parser.parse(response, None))
        if isinstance(said["Error"]["Code"], str):
            return said
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):  # what is JSON and no error of AWS's
        pass
    metadata = {"HTTPStatusCode": answer.status, "HTTPHeaders": answer.fields}
    return {"Error": {"Code": str(answer.status), "Message": ""}, "ResponseMetadata": metadata}
