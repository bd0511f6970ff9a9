"""The event source mapping that has Lambda receive from a queue. It is turned off and on.

https://docs.aws.amazon.com/lambda/latest/api/API_UpdateEventSourceMapping.html
"""

from collections.abc import Callable
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from eed_delivery.errors import EedError


class MappingUnknown(EedError):
    """Lambda does not answer for the mapping, or not as we need it."""


class EventSourceMapping:
    """One mapping by its UUID. Each call raises `MappingUnknown`."""

    def __init__(self, client: Callable[[], Any], uuid: str) -> None:
        """`client` makes boto3's client of Lambda, when it is first needed."""
        self._make = client
        self._client: Any = None
        self.uuid = uuid

    def is_enabled(self) -> bool | None:
        """None: it is on its way from one to the other, and cannot be changed now."""
        state = self._call("get_event_source_mapping").get("State")
        return {"Enabled": True, "Disabled": False}.get(str(state))

    def switch(self, *, enabled: bool) -> None:
        """Turn it on or off. That takes up to a minute."""
        self._call("update_event_source_mapping", Enabled=enabled)

    def _call(self, name: str, **values: Any) -> Any:
        try:
            self._client = self._client or self._make()
            return getattr(self._client, name)(UUID=self.uuid, **values)
        except (BotoCoreError, ClientError) as error:
            raise MappingUnknown(f"the event source mapping {self.uuid}: {error}") from error
