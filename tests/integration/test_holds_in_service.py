"""Holds and paces as a running service on two hosts heeds them."""

import json
from functools import partial

from tests.integration.conftest import NewStack

HELD_BY_A_KILLED_PROCESS = (
    "INSERT INTO eed_hold (scope, subject, reason, who, held_at)"
    " VALUES ('domain', 'example.net', 'they ask us to wait', 'anna', UTC_TIMESTAMP(6))"
)
OF_DOMAIN = "FROM eed_email WHERE address LIKE '%@example.net'"


def test_a_hold_under_load_lets_nothing_go_after_its_moment(new_stack: NewStack) -> None:
    """The process that held it died before any job had its copy: the publishers make up for it."""
    stack = new_stack({})
    stack.mail_up(seconds=0.02)
    recipients = [f"a{n}@example.{'net' if n % 2 else 'com'}" for n in range(500)]
    stack.add_job(recipients)
    first, second = stack.start("run"), stack.start("run")
    stack.wait_until(lambda: stack.counts()["sent"] > 40, "the job is under way")
    stack.world.execute(HELD_BY_A_KILLED_PROCESS)
    stack.wait_until(lambda: stack.world.scalar("SELECT in_force_at FROM eed_hold") is not None, "it is in force")
    stack.wait_until(lambda: stack.counts()["pending"] + stack.counts()["sent"] == 500, "the others are sent")
    (held,) = json.loads(stack.command("hold", "list", "--json").stdout)
    last, sent = stack.world.execute(f"SELECT MAX(wire_at), COUNT(wire_at) {OF_DOMAIN}")[0]
    assert last < stack.world.scalar("SELECT in_force_at FROM eed_hold")
    assert 0 < sent < 250
    assert (held["scope"], held["subject"], held["who"]) == ("domain", "example.net", "anna")
    second.kill()
    stack.command("hold", "release", str(held["hold_id"]))
    stack.wait_finished(1)
    assert first.terminate() == 0
    assert stack.counts() == {"sent": 500}
    assert stack.depth(dead=True) == 0
    assert stack.world.scalar("SELECT MAX(attempts) FROM eed_email") == 1
    stack.balance()


def test_a_pace_is_heeded_on_all_hosts_without_a_restart(new_stack: NewStack) -> None:
    stack = new_stack({"worker.heartbeat_seconds": 1.0})
    stack.mail_up()
    hosts = [stack.start("run"), stack.start("run")]
    shown = partial(stack.command, "pace", "show", "--json")

    def used() -> list[float | None]:
        return [process["per_second"] for process in json.loads(shown().stdout)["processes"]]

    workers = stack.settings.worker.processes * len(hosts)
    stack.wait_until(lambda: used() == [None] * workers, "all workers are there")
    stack.command("pace", "set", "20", "--reason", "the relay complains")
    stack.wait_until(lambda: used() == [20 / workers] * workers, "each has its share")
    stack.add_job([f"a{n}@example.com" for n in range(40)])
    stack.wait_finished(1)
    times = [at for (at,) in stack.world.execute("SELECT wire_at FROM eed_email ORDER BY wire_at")]
    assert (times[-1] - times[0]).total_seconds() > 38 / 20 - 0.5
    stack.command("pace", "clear", "--reason", "it is well again")
    stack.wait_until(lambda: used() == [None] * workers, "no limit is left")
    assert [host.terminate() for host in hosts] == [0, 0]
