"""The words of `eed_delivery.events`, under the name by which this package's modules know them."""

from eed_delivery.events import DeliveryOutcome, EventKind, TrackingEvent

__all__ = ["DeliveryOutcome", "EventKind", "TrackingEvent"]
