"""Operations on rehearsals."""

import os
from collections.abc import Callable, Mapping
from functools import cached_property, partial
from typing import TYPE_CHECKING

from eed_delivery.app.long_act_operations import LongActOperations
from eed_delivery.operations.actor import Actor

if TYPE_CHECKING:
    from eed_delivery.database.transactions import Database
    from eed_delivery.ledger.long_acts.long_act import LongActKind
    from eed_delivery.ledger.rehearsing import RehearsalLedger
    from eed_delivery.operations.long_acts.runner import SteadyWork
    from eed_delivery.operations.rehearsing.orders import RehearsalOrders
    from eed_delivery.operations.rehearsing.results import RehearsalResults
    from eed_delivery.operations.rehearsing.sample_sending import SampleSending
    from eed_delivery.rehearsal.kept_lookers import KeptLookers
    from eed_delivery.rehearsal.lookers import Lookers
    from eed_delivery.transports import Transport


class RehearsalOperations(LongActOperations):
    """Rehearsals of jobs."""

    @cached_property
    def _rehearsals(self) -> "RehearsalLedger":
        from eed_delivery.ledger.rehearsing import RehearsalLedger

        return RehearsalLedger(self._database, self._pseudonyms)

    @cached_property
    def _reading(self) -> "Database":
        """The source, over sessions that can write nothing."""
        from eed_delivery.app.child_programs import reading
        from eed_delivery.app.database import open_database

        return open_database(reading(self.settings).database, connections=1, read_only=True)

    @cached_property
    def _readers_own(self) -> "Database | None":
        """The same user in plain sessions, whose rights are checked. The server explains no write where none is
        possible. None: it may have such rights, by what is configured."""
        from eed_delivery.app.child_programs import reading
        from eed_delivery.app.database import open_database

        ours = self.settings.rehearsal
        if ours.database_url is None and ours.read_as_service:
            return None
        return open_database(reading(self.settings).database, connections=1)

    @cached_property
    def _kept_lookers(self) -> "KeptLookers":
        """Makes samples for all who look at them."""
        from eed_delivery.app.previews import KEEP_SECONDS
        from eed_delivery.rehearsal.kept_lookers import KeptLookers

        for_many = self._shared is not None and not self._in_function
        return KeptLookers(lambda: self._lookers(1), KEEP_SECONDS if for_many else 0.0)

    def _lookers(self, processes: int | None) -> "Lookers":
        from eed_delivery.app.child_programs import start_looking
        from eed_delivery.rehearsal.lookers import Lookers

        allowed = self.settings.rehearsal.processes or os.cpu_count() or 1
        most = min(processes or allowed, allowed)
        return Lookers(partial(start_looking, self.settings), most, self.settings.service.render_seconds)

    @cached_property
    def rehearsal_orders(self) -> "RehearsalOrders":
        """Have a job rehearsed."""
        from eed_delivery.operations.rehearsing.orders import RehearsalOrders

        by_service = self.settings.rehearsal.database_url is None
        parts = (self.long_act_ledger, self._rehearsals, self._source, self.settings.source, lambda: self._reading)
        return RehearsalOrders(*parts, self._readers_own, self._file_channels, by_service=by_service)

    @cached_property
    def rehearsal_results(self) -> "RehearsalResults":
        """What rehearsals came to."""
        from eed_delivery.operations.rehearsing.results import RehearsalResults

        parts = (self._rehearsals, self._source, lambda: self._reading, lambda: self._kept_lookers, self._audit)
        return RehearsalResults(*parts)

    @cached_property
    def sample_sending(self) -> "SampleSending":
        """Send samples to a tester."""
        from eed_delivery.operations.rehearsing.sample_sending import SampleSending

        allowed = self.settings.rehearsal.sample_recipients
        return SampleSending(self.rehearsal_results, self._sample_transport, self._audit, allowed)

    def _sample_transport(self, job: str) -> "Transport":
        """A transport of this process, for the channel of a job. What renders samples has none."""
        from eed_delivery.ledger.channels.listing import ChannelLedger
        from eed_delivery.operations.refusals import OperationRefused

        name = self._reading.run(lambda c: self._source.channel_of(c, self._source.job(c, 0, job, 0).key))
        channel = self._app.channel_directory(ChannelLedger(self._database)).now().get(name)
        if channel is None:
            raise OperationRefused(f"the channel {name} of job {job} cannot be used here", which=f"job {job}")
        return self._app.transport_factory(channel)()

    def steady_works(self) -> "Mapping[LongActKind, SteadyWork]":
        """How long acts are done whose chunks one process does to the end, in this person's name."""
        from eed_delivery.ledger.long_acts.long_act import LongActKind
        from eed_delivery.operations.rehearsing.work import RehearsalParts, RehearsalWork
        from eed_delivery.rehearsal.verdict import RehearsalRules

        ours = self.settings.rehearsal
        parts = RehearsalParts(
            rehearsals=self._rehearsals,
            source=self._source,
            reading=lambda: self._reading,
            read_by_service=ours.database_url is None,
            lookers=self._lookers,
            rules=RehearsalRules(ours.accepted),
            refuse_writer=self.rehearsal_orders.refuse_writer,
        )
        return {**super().steady_works(), LongActKind.REHEARSE: RehearsalWork(parts)}

    def rehearsal_step(self, operation: str) -> "Callable[[], float]":
        """What rehearses the job of one operation. It returns the seconds until the next step."""
        from eed_delivery.ledger.long_acts.long_act import LongActKind
        from eed_delivery.operations.long_acts.runner import LongActRunner

        def works(actor: Actor) -> "Mapping[LongActKind, SteadyWork]":
            return type(self)(self.settings, actor, self._database).steady_works()

        return LongActRunner(self.long_act_ledger, works, [LongActKind.REHEARSE], only=operation).step

    def clean_long_acts(self) -> None:
        """Delete what long acts have left, and what is not asked for any more."""
        super().clean_long_acts()
        self._rehearsals.clean()
