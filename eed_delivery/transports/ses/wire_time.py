"""How long one send by SES takes at the longest."""

from eed_delivery.config import SesSettings

SENDING_SECONDS = 120  # what we allow for the upload itself: the SDK has a timeout for each write, not for all


def wire_seconds(settings: SesSettings) -> float:
    """Connecting, the upload, and the wait for its answer."""
    return float(settings.connect_timeout_seconds + settings.read_timeout_seconds + SENDING_SECONDS)
