"""Calls to AWS that got no whole answer: whether anything of the request can have arrived."""

import traceback
from collections.abc import Iterator

from botocore.exceptions import (
    BotoCoreError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    ProxyConnectionError,
)
from botocore.exceptions import ConnectionError as BotoConnectionError


def may_have_arrived(error: BotoCoreError) -> bool:
    """Whether the request may have been written. Not so for credentials, region, endpoint, no connection and no TLS."""
    return isinstance(error, HTTPClientError | BotoConnectionError) and not _while_connecting(error)


def _while_connecting(error: BotoCoreError) -> bool:
    """Whether the failure came while connecting, before a byte of the request was written.

    For some errors the type says it, and for all of our own calls. The others (reset, read timeout, SSLError)
    botocore raises alike for the TLS handshake and for the answer. There the traceback says whether urllib3 was still
    connecting.
    Should a future urllib3 name it otherwise, the answer is "in doubt", and never a second send.
    """
    if isinstance(error, EndpointConnectionError | ConnectTimeoutError | ProxyConnectionError):
        return True
    return any(
        frame.f_code.co_name == "connect" and frame.f_globals.get("__name__") == "urllib3.connection"
        for cause in _chain(error)
        for frame, _ in traceback.walk_tb(cause.__traceback__)
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__
