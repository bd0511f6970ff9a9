"""The operations. Each is put together when a surface first asks for it, so that a command loads only what it needs.

A part imports its modules where it is made. A look into the ledger needs neither queue nor templates nor clients.
"""

from eed_delivery.app.shadow_operations import ShadowOperations
from eed_delivery.operations.actor import Actor


class Operations(ShadowOperations):
    """What `actor` can ask and decide. It holds connections, so it belongs to the process that made it.

    `database` may be shared by many. Without one it opens its own, when it is first needed.
    """

    def by(self, actor: Actor, *, approved: bool = False) -> "Operations":
        """The same for another person, over the same connections."""
        other = Operations(self.settings, actor, self._database, approved=approved, in_function=self._in_function)
        names = ["_app", "_source", "_outbox", "_pseudonyms", "_message_ids", "_shared_figures", "processes", "tonight"]
        names += ["_channel_checks", "_previews", "forecasts", "_reading", "_readers_own", "_kept_lookers"]
        names += ["_shadows", "_following"]
        other.__dict__.update({name: getattr(self, name) for name in names})
        return other
