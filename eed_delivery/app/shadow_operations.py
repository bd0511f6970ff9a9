"""Operations on comparisons with another server."""

from collections.abc import Callable, Mapping
from functools import cached_property, partial
from typing import TYPE_CHECKING

from eed_delivery.app.rehearsal_operations import RehearsalOperations
from eed_delivery.operations.actor import Actor

if TYPE_CHECKING:
    from eed_delivery.ledger.long_acts.long_act import LongActKind
    from eed_delivery.ledger.shadowing import ShadowLedger
    from eed_delivery.operations.long_acts.runner import SteadyWork
    from eed_delivery.operations.shadowing.accepting import ShadowAcceptances
    from eed_delivery.operations.shadowing.orders import ShadowOrders
    from eed_delivery.operations.shadowing.results import ShadowResults
    from eed_delivery.rehearsal.lookers import PageProcesses
    from eed_delivery.shadow.asked import ComparedEmail, PageToCompare
    from eed_delivery.source.following import SourceFollowing


class ShadowOperations(RehearsalOperations):
    """Shadow mode. It reads as rehearsals do, and with their user."""

    @cached_property
    def _shadows(self) -> "ShadowLedger":
        from eed_delivery.ledger.shadowing import ShadowLedger

        return ShadowLedger(self._database)

    @cached_property
    def _following(self) -> "SourceFollowing":
        from eed_delivery.source.following import SourceFollowing

        return SourceFollowing(self.settings.source)

    def _comparers(self) -> "PageProcesses[PageToCompare, ComparedEmail]":
        from eed_delivery.app.child_programs import SHADOWS, start_looking
        from eed_delivery.rehearsal.lookers import PageProcesses
        from eed_delivery.shadow.asked import broken

        start = partial(start_looking, self.settings, SHADOWS)
        return PageProcesses(start, self.settings.shadow.processes, self.settings.service.render_seconds, broken)

    @cached_property
    def shadow_orders(self) -> "ShadowOrders":
        """Have the old server followed."""
        from eed_delivery.operations.shadowing.orders import ShadowOrders

        parts = (self.long_act_ledger, self._shadows, self._source, self._following, self.settings)
        return ShadowOrders(*parts, lambda: self._reading, self.rehearsal_orders.refuse_writer)

    @cached_property
    def shadow_acceptances(self) -> "ShadowAcceptances":
        """Differences that are accepted."""
        from eed_delivery.operations.shadowing.accepting import ShadowAcceptances

        return ShadowAcceptances(self._database, self._shadows, self.settings.shadow, self._actor)

    @cached_property
    def shadow_results(self) -> "ShadowResults":
        """What comparisons came to."""
        from eed_delivery.operations.shadowing.results import ShadowResults

        parts = (self.long_act_ledger, self._shadows, self.shadow_acceptances, self._source)
        return ShadowResults(*parts, lambda: self._reading, self._comparers, self._audit)

    def steady_works(self) -> "Mapping[LongActKind, SteadyWork]":
        """How long acts are done whose chunks one process does to the end, in this person's name."""
        from eed_delivery.ledger.long_acts.long_act import LongActKind
        from eed_delivery.operations.shadowing.pages import PageSources
        from eed_delivery.operations.shadowing.work import ShadowParts, ShadowWork
        from eed_delivery.shadow.relay_logs import RelayLogs

        ours = self.settings.shadow
        pages = PageSources(
            reading=lambda: self._reading,
            following=self._following,
            shadows=self._shadows,
            logs=RelayLogs(ours.relay_logs, ours.relay_log_zone) if ours.relay_logs else None,
            by_message_id=any(one.key == "message_id" for one in ours.copies),
            by_key=any(one.key != "message_id" for one in ours.copies),
        )
        parts = ShadowParts(
            shadows=self._shadows,
            rehearsals=self._rehearsals,
            source=self._source,
            pages=pages,
            processes=self._comparers,
            settings=ours,
            refuse_writer=self.rehearsal_orders.refuse_writer,
            file_channels=self._file_channels,
        )
        return {**super().steady_works(), LongActKind.SHADOW: ShadowWork(parts)}

    def shadow_step(self, operation: str) -> "Callable[[], float]":
        """What does one comparison. It returns the seconds until the next step."""
        from eed_delivery.ledger.long_acts.long_act import LongActKind
        from eed_delivery.operations.long_acts.runner import LongActRunner

        def works(actor: Actor) -> "Mapping[LongActKind, SteadyWork]":
            return type(self)(self.settings, actor, self._database).steady_works()

        return LongActRunner(self.long_act_ledger, works, [LongActKind.SHADOW], only=operation).step

    def clean_long_acts(self) -> None:
        """Delete what long acts have left, and what is not asked for any more."""
        super().clean_long_acts()
        self._shadows.clean()
