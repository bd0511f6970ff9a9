"""Who acts. The audit keeps it with each act."""

from eed_delivery.ledger.actor import Actor, Surface

__all__ = ["Actor", "Surface"]
