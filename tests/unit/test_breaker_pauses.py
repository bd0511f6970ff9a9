"""How long the breaker keeps mail back after an outage, with the settings as they come."""

import pytest

from eed_delivery.config import SmtpSettings, WorkerSettings
from eed_delivery.errors import InfrastructureFailure
from eed_delivery.worker.breaker import IDLE_SECONDS, Breaker
from eed_delivery.worker.process import SHUT_SECONDS

PROMISED_SECONDS = 60.0
RECEIVE_AND_CLAIM_SECONDS = 5.0
HOUR = 3600.0


class Outage:
    """A mail server that refuses connections until a moment, and a clock that only this test moves."""

    def __init__(self, back_at: float, probe_takes: float) -> None:
        self.now = 0.0
        self.probes = 0
        self._back_at = back_at
        self._probe_takes = probe_takes

    def probe(self) -> None:
        """Raises InfrastructureFailure if the server was away when it began."""
        self.probes += 1
        away = self.now < self._back_at
        if away:
            self.now += self._probe_takes
            raise InfrastructureFailure("connection refused")


def seconds_until_trial(outage: Outage, back_at: float) -> float:
    """From the server's return to the moment when a thread may receive again."""
    breaker = Breaker(outage.probe, WorkerSettings().probe_seconds, clock=lambda: outage.now)
    breaker.trip("connection refused")
    while breaker.open:
        outage.now += breaker.step()
    return outage.now - back_at


@pytest.mark.parametrize("moment", range(12))
@pytest.mark.parametrize("probe_takes", [0.0, SmtpSettings().connect_timeout_seconds])
def test_after_an_hour_the_first_mail_follows_within_a_minute(moment: int, probe_takes: float) -> None:
    back_at = HOUR + moment
    waited = seconds_until_trial(Outage(back_at, probe_takes), back_at)
    assert waited <= WorkerSettings().probe_seconds + probe_takes + IDLE_SECONDS
    assert waited + SHUT_SECONDS + RECEIVE_AND_CLAIM_SECONDS <= PROMISED_SECONDS


def test_an_hour_of_refusals_is_probed_every_ten_seconds_and_no_oftener() -> None:
    outage = Outage(HOUR, 0.0)
    seconds_until_trial(outage, HOUR)
    assert outage.probes == pytest.approx(HOUR / WorkerSettings().probe_seconds, abs=5)
