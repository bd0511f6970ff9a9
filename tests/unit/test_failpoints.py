"""Failpoints: each one that is named is in the code once, they strike when armed, and nothing else is taken for one."""

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from eed_delivery.errors import ConfigError
from eed_delivery.runtime import failpoints

CODE = Path(failpoints.__file__).parents[1]


def test_every_name_is_a_place_in_the_code() -> None:
    text = "".join(path.read_text() for path in CODE.rglob("*.py"))
    places = Counter(re.findall(r'failpoints\.reach\("([^"]+)"[,)]', text))
    assert places == Counter(failpoints.NAMES)


NONSENSE = ["worker.wired", "worker.wired=explode", "nowhere=kill", "worker.wired=kill@0", "worker.wired=kill#", "x"]


@pytest.mark.parametrize("text", NONSENSE)
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="failpoint"):
        failpoints.arm(text)


def reach_in_a_process(armed: str, *names: str) -> subprocess.CompletedProcess[str]:
    """A process of its own reaches these places one after the other, and says so."""
    code = (
        f"from eed_delivery.runtime import failpoints; failpoints.arm({armed!r})\n"
        f"for name in {names!r}: failpoints.reach(name); print(name, flush=True)"
    )
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)


def test_an_armed_place_kills_the_process_at_the_time_it_is_told() -> None:
    ended = reach_in_a_process("worker.wired=kill@2", "worker.wired", "worker.sent", "worker.wired", "worker.acked")
    assert (ended.returncode, ended.stdout.split()) == (-9, ["worker.wired", "worker.sent"])


def test_a_place_that_is_armed_for_an_email_strikes_each_time_with_it() -> None:
    failpoints.arm("worker.rendered=exhaust#7+9")
    try:
        failpoints.reach("worker.rendered", 8)
        failpoints.reach("worker.rendered")
        for email_id in (7, 9, 7):
            with pytest.raises(MemoryError):
                failpoints.reach("worker.rendered", email_id)
    finally:
        failpoints.hook(None)


def test_a_process_that_helps_another_strikes_at_its_emails_alone() -> None:
    failpoints.arm_for_emails("worker.rendered=exhaust#7,worker.wired=exhaust@1,worker.sent=exhaust")
    try:
        for name in ("worker.rendered", "worker.wired", "worker.sent"):
            failpoints.reach(name, 8)
        with pytest.raises(MemoryError):
            failpoints.reach("worker.rendered", 7)
    finally:
        failpoints.hook(None)


def test_unarmed_places_are_passed_by() -> None:
    ended = reach_in_a_process("", *failpoints.NAMES)
    assert (ended.returncode, ended.stdout.split()) == (0, list(failpoints.NAMES))
