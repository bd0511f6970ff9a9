"""A limit on how long boto3's client keeps an idle connection. botocore has no setting for it.

For calls that must not be made twice, such as SES's SendEmail and the PUT of a file. `aws.calls` has the same limit.
"""

from typing import Any

from eed_delivery.runtime.idle_time import IdleTime


def limit_idle_time(client: Any, seconds: float) -> None:
    """Have `client` open a new connection in place of one that was idle for longer.

    It replaces the classes of the client's connection pools, for which botocore has no public way. A botocore that
    keeps them elsewhere ends here with an AttributeError, and so before anything is sent.
    """
    classes: dict[str, Any] = client._endpoint.http_session._pool_classes_by_scheme
    for scheme, pool in classes.items():
        classes[scheme] = type(pool.__name__, (pool,), {"ConnectionCls": _limited(pool.ConnectionCls, seconds)})


def _limited(connection: Any, seconds: float) -> Any:
    class LimitedConnection(connection):  # type: ignore[misc]  # its base is urllib3's, for http or https
        """urllib3 asks `is_connected` before it takes a kept connection, and closes one that is not."""

        def __init__(self, *args: Any, **settings: Any) -> None:
            super().__init__(*args, **settings)
            self._idle = IdleTime()

        @property
        def is_connected(self) -> bool:
            return super().is_connected and not self._idle.exceeds(seconds)

        def getresponse(self) -> Any:
            response = super().getresponse()
            self._idle.used()
            return response

    return LimitedConnection
