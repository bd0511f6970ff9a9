"""How a webhook is signed, by the Standard Webhooks specification, so that any of its libraries can verify it.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import hmac
from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256


class WebhookSigner:
    """Signs with each of some keys. The receiver may know the new one already, or still a former one."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys = tuple(keys)

    def headers(self, message_id: str, body: bytes, now: float) -> dict[str, str]:
        """The three headers. `now` is this try's time in seconds since 1970. Old messages are refused as replays."""
        timestamp = str(int(now))
        content = b".".join((message_id.encode("ascii"), timestamp.encode("ascii"), body))
        signatures = (b64encode(hmac.digest(key, content, sha256)).decode("ascii") for key in self._keys)
        return {
            "webhook-id": message_id,
            "webhook-timestamp": timestamp,
            "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
        }
