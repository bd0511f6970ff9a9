"""drain.sh: a host that is to end stops its service first, and says so then."""

from pathlib import Path

import pytest

from tests.drained_host import DrainedHost
from tests.waiting import until

COMPLETE = (
    "aws autoscaling complete-lifecycle-action --lifecycle-action-result CONTINUE --lifecycle-hook-name drained"
    " --auto-scaling-group-name hosts --instance-id i-0123456789abcdef0"
)
STOP = "systemctl stop eed-delivery.service eed-delivery@*.service"


def test_the_service_has_stopped_before_auto_scaling_is_told(tmp_path: Path) -> None:
    with DrainedHost(tmp_path) as host:
        until(lambda: host.looks >= 2)
        assert host.calls == [], "it is in service"
        host.is_to_end()
        host.wait_stop_asked()
        assert host.calls == [STOP], "systemctl waits for what is in hand"
        host.stopped()
        assert host.wait_completed() == 0
        assert host.calls == [STOP, COMPLETE]


def test_auto_scaling_is_told_again_if_it_does_not_listen(tmp_path: Path) -> None:
    with DrainedHost(tmp_path) as host:
        host.refuse_once()
        host.stopped()
        host.is_to_end()
        assert host.wait_completed() == 0
        assert host.calls == [STOP, COMPLETE, COMPLETE]


@pytest.mark.parametrize("state", [None, "InService", "Standby", "Detached"])
def test_a_host_that_goes_on_stops_nothing(tmp_path: Path, state: str | None) -> None:
    """Metadata that do not answer say nothing. A host on standby is stopped by whoever wants it so."""
    with DrainedHost(tmp_path) as host:
        host.state = state
        seen = host.looks
        until(lambda: host.looks >= seen + 2)
        assert host.calls == []
