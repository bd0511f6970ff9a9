"""Send windows that close under load, while hosts die and their clocks are wrong."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta

from tests.faults.feed import Feed
from tests.faults.judgement import Told
from tests.faults.load import THREADS, attempts_beyond_one
from tests.faults.scenario import Amount, Site, Skipped, scenario
from tests.servers.fake_clock import FakeClock, library
from tests.stack import BRISK, Stack

SLOWLY = 0.02
"""Seconds that the mail server takes over a message, so that something is always on the wire."""
WRONG_BY = 180
RULES = 50
"""Minutes with a window of their own, every other one. It is the limit of a list."""
ENDS_WITHIN = 2.0
"""Seconds before a closing in which a worker is killed."""


@scenario("window-closes", short=Amount(100, 2), long=Amount(200, 20))
def window_closes(site: Site, amount: Amount) -> Told:
    """Windows of a minute close under load. Two hosts are 3 minutes ahead and behind, and one dies at each closing."""
    preload = library()
    if preload is None:
        raise Skipped("libfaketime is not here and cannot be installed; as root: apt-get install libfaketime")
    begin = time.time()
    windows = [_minute(begin + 120 * n) for n in range(RULES)]
    stack = site.stack({**BRISK, "send_windows.open": windows})
    stack.mail_up(seconds=SLOWLY)
    clocks = [FakeClock(preload, site.directory / f"clock{n}") for n in (1, 2)]
    for clock, offset in zip(clocks, (WRONG_BY, -WRONG_BY), strict=True):
        clock.jump(offset)
    feed = Feed(stack, amount.emails)
    feed.top_up()
    hosts = [stack.start("run", environ=clock.environ) for clock in clocks]
    parity = int(begin // 60) % 2
    for n in range(amount.faults):
        _wait(stack, feed, lambda: _left(stack, parity) <= ENDS_WITHIN, "the window is about to close")
        hosts[n % 2].kill()
        _wait(stack, feed, lambda: not _is_open(stack, parity), "the window is shut")
        hosts[n % 2] = stack.start("run", environ=clocks[n % 2].environ)
        _wait(stack, feed, lambda: _is_open(stack, parity), "the window is open")
    feed.wait_finished(seconds=1200)
    for host in hosts:
        host.stop_seconds()
    problems = [*_outside(stack, parity), *_burnt(stack), *_died(stack)]
    return Told(stack, faults=amount.faults, doubt_at_most=amount.faults * THREADS * 2, problems=problems)


def _minute(timestamp: float) -> dict[str, str]:
    """A window of the minute of this moment, in UTC."""
    start = time.gmtime(timestamp // 60 * 60)
    end = time.gmtime(timestamp // 60 * 60 + 60)
    return {"from": time.strftime("%H:%M", start), "to": time.strftime("%H:%M", end), "zone": "UTC"}


def _wait(stack: Stack, feed: Feed, condition: Callable[[], bool], what: str) -> None:
    """There is always something to send."""

    def met() -> bool:
        feed.top_up()
        return condition()

    stack.wait_until(met, what, seconds=180)


def _now(stack: Stack) -> datetime:
    now = stack.world.scalar("SELECT UTC_TIMESTAMP(6)")
    assert isinstance(now, datetime)
    return now


def _is_open(stack: Stack, parity: int) -> bool:
    return _minutes(_now(stack)) % 2 == parity


def _left(stack: Stack, parity: int) -> float:
    """Seconds until the window closes that is open, or a long time."""
    now = _now(stack)
    if _minutes(now) % 2 != parity:
        return float("inf")
    return 60 - now.second - now.microsecond / 1e6


def _minutes(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1)) // timedelta(minutes=1)  # noqa: DTZ001 - as the ledger keeps times


def _outside(stack: Stack, parity: int) -> list[str]:
    """Emails that were let go outside of a window, by the database's clock."""
    rows = stack.world.execute("SELECT email_id, wire_at FROM eed_email WHERE wire_at IS NOT NULL")
    return [f"email {one} was let go at {at}, outside of a window" for one, at in rows if _minutes(at) % 2 != parity]


def _burnt(stack: Stack) -> list[str]:
    """Tries that a closing has cost."""
    return [f"email {email_id} has {n} attempts" for email_id, n in attempts_beyond_one(stack)]


def _died(stack: Stack) -> list[str]:
    """Messages that were received too often, because they came while the window was shut."""
    dead = stack.world.execute("SELECT email_id, detail FROM eed_email WHERE state = 'failed'")
    return [f"email {email_id} failed: {detail}" for email_id, detail in dead]
