"""What an email costs while ten people look at the pages, and while nobody does: CPU, in turns of one service.

    python -m benchmarks.viewers                  8 pairs of jobs of 20,000 emails
    python -m benchmarks.viewers --pairs 20 --emails 2000

One service with the role `operators` sends a job in each turn. In every other turn each of the viewers asks for the
figures of a page every two seconds, as its script does. The pages are Tonight, the jobs, the job that runs, and the
processes. Each ratio is the median over the pairs of turns, so what else goes on at the machine meets both alike.

A slow machine sends fewer emails between two answers, which raises the ratio. So the CPU of one answer is printed, too.
"""

import argparse
import itertools
import json
import statistics
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.cookies import SimpleCookie
from urllib.parse import urlencode

from benchmarks.arena import Arena, Ground
from benchmarks.ours import Ours
from benchmarks.pages import answers
from benchmarks.race import Meter, await_so, await_taken
from benchmarks.work import Work, unsent
from eed_delivery.access.rights import OperatorRole
from eed_delivery.app.operations import Operations
from eed_delivery.operations.access import NewUserRequest
from eed_delivery.operations.actor import Actor
from tests.operators_site import PASSWORD, SECRET
from tests.servers import free_port
from tests.servers.databases import KINDS

VIEWERS = 10
POLL_SECONDS = 2.0
Costs = dict[str, float]
"""Milliseconds of CPU for one email, by whose they are."""


class Viewers:
    """Ten people, each with a session of its own. A job's page is that of the job that runs."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._cookies = [self._log_in() for _ in range(VIEWERS)]
        self.answers = self.refused = 0
        self._lock = threading.Lock()

    @contextmanager
    def looking(self, job_id: int) -> Iterator[None]:
        """They begin one after the other, within two seconds."""
        stop = threading.Event()
        paths = itertools.cycle(("/", "/jobs", f"/jobs/{job_id}", "/processes"))
        threads = [
            threading.Thread(target=self._look, args=(cookie, path, n * POLL_SECONDS / VIEWERS, stop))
            for n, (cookie, path) in enumerate(zip(self._cookies, paths, strict=False))
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join()

    def _look(self, cookie: str, path: str, after: float, stop: threading.Event) -> None:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=60)
        headers = {"Cookie": cookie, "HX-Request": "true", "Sec-Fetch-Site": "same-origin"}
        pause = after
        while not stop.wait(pause):
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            answer.read()
            with self._lock:
                self.answers += answer.status == 200
                self.refused += answer.status != 200
            pause = POLL_SECONDS

    def _log_in(self) -> str:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=60)
        headers = {"Sec-Fetch-Site": "same-origin", "Content-Type": "application/x-www-form-urlencoded"}
        connection.request("POST", "/login", urlencode({"name": "anna", "password": PASSWORD}), headers)
        given = SimpleCookie(connection.getresponse().headers["Set-Cookie"])
        return "; ".join(f"{key}={morsel.value}" for key, morsel in given.items())


def main() -> None:
    """Print what an email costs without and with viewers, by whose CPU it is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=8)
    parser.add_argument("--emails", type=int, default=20_000, help="in each turn")
    parser.add_argument("--attachment-bytes", type=int, default=0)
    parser.add_argument("--database", choices=KINDS, default="mariadb")
    options = parser.parse_args()
    work, port = Work(options.emails, options.attachment_bytes), free_port()
    pairs: list[tuple[Costs, Costs]] = []
    extra: list[Costs] = []
    with Arena(options.database) as arena:
        ground = arena.ground([work] * (2 * options.pairs + 1))
        settings = {"operators.listen": f"127.0.0.1:{port}"}
        with Ours(ground, settings, environ={"EED_OPERATORS__SECRET": SECRET}) as system:
            operations = Operations(system.stack.settings, Actor("root", "cli"), system.stack.world.database)
            operations.users.add(NewUserRequest("anna", PASSWORD, OperatorRole.VIEWER))
            system.stack.wait_until(lambda: answers(port), "the role operators answers")
            viewers = Viewers(port)
            _job(system, ground, work, 1)  # connections are made, and templates compiled
            for n in range(options.pairs):
                costs: dict[bool, Costs] = {}
                for turn, looked in enumerate((False, True) if n % 2 else (True, False)):
                    job_id = 2 + 2 * n + turn
                    if looked:
                        with viewers.looking(job_id):
                            costs[looked] = _job(system, ground, work, job_id)
                    else:
                        costs[looked] = _job(system, ground, work, job_id)
                pairs.append((costs[False], costs[True]))
                extra.append({name: (costs[True][name] - costs[False][name]) * work.emails for name in costs[True]})
                print(f"pair {n + 1}: {json.dumps(pairs[-1])}", file=sys.stderr, flush=True)
            _print(pairs)
            for name in ("service", "database"):
                of_one = sum(one[name] for one in extra) / max(1, viewers.answers)
                print(f"{name}: {of_one:.2f} ms of CPU for each of {viewers.answers:,} answers")
            print(f"{viewers.refused} answers were no figures")


def _job(system: Ours, ground: Ground, work: Work, job_id: int) -> Costs:
    """Send one job, to its last status."""
    taken_before = ground.sink.taken
    meter = Meter(system, ground)
    system.begin(job_id)
    await_taken(system, ground, taken_before + work.emails)
    await_so(lambda: not unsent(ground.url, job_id), system)
    run = meter.run("viewers", work, "smtp", work.emails)
    return {"service": run.cpu_ms_per_email or 0.0, **run.servers_cpu_ms_per_email}


def _print(pairs: list[tuple[Costs, Costs]]) -> None:
    print(f"{'CPU ms an email':<16}{'nobody':>10}{'viewers':>10}{'ratio':>10}   of the pairs' ratios, the middle half")
    for name in pairs[0][0]:
        without, watched = ([pair[side][name] for pair in pairs] for side in (0, 1))
        ratios = [b / a for a, b in zip(without, watched, strict=True) if a]
        low, middle, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else [float("nan")] * 3
        figures = f"{statistics.median(without):>10.3f}{statistics.median(watched):>10.3f}{middle:>10.3f}"
        print(f"{name:<16}{figures}   {low:.3f} to {high:.3f}")


if __name__ == "__main__":
    main()
