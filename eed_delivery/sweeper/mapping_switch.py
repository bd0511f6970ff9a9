"""While a channel's gate stays shut, its function is not even invoked: the tick turns the event source mapping off.

Then the tick probes the way out, and turns the mapping on again when a probe succeeds. The first answer for an email
opens the gate. A probe may fail where a send would not, because the tick has another role and network. So after some of
them an email is tried all the same. What a person has turned off before is left alone.
"""

from collections.abc import Callable

import structlog

from eed_delivery.aws.event_source_mapping import EventSourceMapping, MappingUnknown
from eed_delivery.errors import DeliveryFailure
from eed_delivery.ledger.gates import Gate, SeenGate

log = structlog.get_logger(__name__)

OFF_AFTER_SECONDS = 60.0
"""A gate that is shut for less costs a few invocations, and to turn a mapping off and on takes as long."""
LOOK_SECONDS = 5.0
PROBES = 3
"""After as many probes that have failed, an email is tried."""


class MappingSwitch:
    """One function's mapping and the gate of its channel."""

    def __init__(self, gate: Gate, mapping: EventSourceMapping, probe: Callable[[], None]) -> None:
        """`probe` raises `DeliveryFailure` while the way out does not work."""
        self._gate = gate
        self._mapping = mapping
        self._probe = probe
        self._failed = 0

    def step(self) -> float:
        """One look. Raises `DatabaseGone`."""
        seen = self._gate.look()
        try:
            if seen.mapping_off:
                self._off(seen)
            elif seen.reason is not None and seen.seconds > 0 and seen.since >= OFF_AFTER_SECONDS:
                self._turn_off(seen.reason)
        except MappingUnknown as error:
            log.warning(
                "mapping_unknown", reason=str(error), todo="Check aws_lambda.event_source_mapping and the role."
            )
        return LOOK_SECONDS

    def _turn_off(self, reason: str) -> None:
        """The ledger says it first, so that nothing is off of which it is not known who turned it off."""
        if self._mapping.is_enabled() and self._gate.note_mapping_off():
            self._mapping.switch(enabled=False)
            log.warning("mapping_disabled", mapping=self._mapping.uuid, reason=reason)

    def _off(self, seen: SeenGate) -> None:
        if seen.reason is None:
            self._turn_on()
        elif seen.seconds <= 0:
            self._gate.shut(seen.reason)  # before the probe: it may take long, and end this process
            if self._works():
                self._turn_on(seen)

    def _works(self) -> bool:
        """Whether an email is to be tried."""
        try:
            self._probe()
        except DeliveryFailure as failure:
            log.warning("still_broken", reason=failure.reply)
        except Exception:  # no probe could be made at all
            log.exception("probe_failed")
        else:
            self._failed = 0
            return True
        self._failed += 1
        return self._failed % PROBES == 0

    def _turn_on(self, shut: SeenGate | None = None) -> None:
        """Also let an email be tried, if it is shut."""
        enabled = self._mapping.is_enabled()
        if enabled is None:
            return
        if not enabled:
            self._mapping.switch(enabled=True)
        self._gate.note_mapping_on()
        if shut is not None:
            self._gate.try_now(shut.shut_at)
        log.info("mapping_enabled", mapping=self._mapping.uuid)
