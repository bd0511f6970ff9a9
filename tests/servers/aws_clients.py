"""boto3 clients of the tests, all by one session: another one reads the description of its service again."""

from functools import cache
from threading import Lock
from typing import Any

import boto3

_lock = Lock()  # a session is not for several threads, its clients are


def aws_client(service: str, **settings: Any) -> Any:
    """As `Session.client` makes it."""
    with _lock:
        return _session().client(service, **settings)  # type: ignore[call-overload]


@cache
def _session() -> boto3.session.Session:
    return boto3.session.Session()
