"""What an answer says that is no success, and answers that AWS would not give."""

from typing import Any

from botocore.exceptions import HTTPClientError
from botocore.parsers import create_parser

from eed_delivery.aws.calls.http_answers import Answer


class NotAws(HTTPClientError):
    """An answer of 200 that AWS would not give: it is trouble, as no answer is.

    botocore takes what is not JSON for an answer that says nothing.
    """

    fmt = "What answers is not AWS: {problem}"


def complaint(answer: Answer, protocol: str) -> dict[str, Any]:
    """What an answer that is no success says, as botocore reads it. Its error has a code always."""
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
