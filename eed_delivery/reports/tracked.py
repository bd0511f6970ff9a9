"""What can be known of sent emails. A 0 beside "delivered" would be false where deliveries are not reported."""

from collections.abc import Mapping
from dataclasses import dataclass

from eed_delivery.config import Settings
from eed_delivery.events import DeliveryOutcome

NOT_TRACKED = "not tracked"
_CAME_BACK = (DeliveryOutcome.SOFT_BOUNCED, DeliveryOutcome.HARD_BOUNCED, DeliveryOutcome.COMPLAINED)


@dataclass(frozen=True, slots=True)
class Tracked:
    """`deliveries` is whether arrivals are reported to us. `bounces` is whether bounces and complaints are."""

    deliveries: bool
    bounces: bool

    def knows(self, outcome: str) -> bool:
        """Whether a count of this outcome says anything. How many have none can always be said."""
        if outcome == DeliveryOutcome.DELIVERED:
            return self.deliveries
        return self.bounces if outcome in _CAME_BACK else True


def tracked(settings: Settings, outcomes: Mapping[str, int]) -> Tracked:
    """By the configuration, and by the job's events, because it may have been sent under another one."""
    events = settings.tracking.events_queue_url is not None
    came_back = any(outcomes[outcome] for outcome in _CAME_BACK)
    return Tracked(
        deliveries=events or bool(outcomes[DeliveryOutcome.DELIVERED]),
        bounces=events or bool(settings.bounces.address) or came_back,
    )
