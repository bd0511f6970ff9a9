"""A host that is cut off from the database, or from everything, while it holds emails, and that comes back."""

from tests.faults.feed import Feed
from tests.faults.judgement import Told
from tests.faults.load import THREADS
from tests.faults.scenario import Amount, Site, scenario
from tests.servers.network import Host, environ_at
from tests.service_process import ServiceProcess
from tests.stack import BRISK, Stack

DATABASE, OTHERS = "database", "others"
SLOWLY = 0.2
"""Seconds that the mail server takes over a message, so that something is always on the wire."""
IMPATIENT = {"database.connect_timeout_seconds": 2, "database.read_timeout_seconds": 3}


@scenario("partition", short=Amount(150, 2), long=Amount(300, 40))
def partition(site: Site, amount: Amount) -> Told:
    """One of two hosts is cut off, in turn from the database and from everything, for longer than its leases."""
    stack = site.stack({**BRISK, **IMPATIENT})
    stack.mail_up(seconds=SLOWLY)
    hosts = [site.at_the_end.enter_context(Host((DATABASE, OTHERS))) for _ in range(2)]
    services = [stack.start("run", environ=_addresses(site, stack, host), within=host.within) for host in hosts]
    feed = Feed(stack, amount.emails)
    problems: list[str] = []
    for n in range(amount.faults):
        victim = site.random.randrange(len(hosts))
        _wait_sending(stack, feed, services)
        problems += _cut_off(stack, feed, hosts[victim], (DATABASE,) if n % 2 == 0 else (DATABASE, OTHERS))
    _wait_sending(stack, feed, services)
    feed.wait_finished()
    for service in services:
        service.stop_seconds()
    doubts = amount.faults // 2 * THREADS  # who has lost the mail server only; what the others know is late, but true
    return Told(stack, faults=amount.faults, doubt_at_most=doubts, problems=problems)


def _addresses(site: Site, stack: Stack, host: Host) -> dict[str, str]:
    """Where this host finds the servers. None has TLS, which must be allowed for an address that is not loopback."""
    return environ_at(
        stack.environ["EED_DATABASE__URL"],
        database=host.reach(DATABASE, site.database.port),
        queue=host.reach(OTHERS, site.ministack.port),
        mail=host.reach(OTHERS, stack.settings.smtp.port),
    )


def _cut_off(stack: Stack, feed: Feed, host: Host, ways: tuple[str, ...]) -> list[str]:
    """Cut until nothing that was in a hand at that moment is there any more; what was wrong, in words."""
    for way in ways:
        host.cut(way)
    held = _in_hand(stack)
    on_the_wire = [email_id for email_id, _, wired in held if wired]

    def taken_over() -> bool:
        feed.top_up()
        return not {row[:2] for row in held} & {row[:2] for row in _in_hand(stack)}

    stack.wait_until(taken_over, "every lease of that moment has ended")
    for way in ways:
        host.heal(way)
    return [] if on_the_wire else ["nothing was on the wire when the host was cut off"]


def _in_hand(stack: Stack) -> list[tuple[int, int, bool]]:
    """(email, token, whether it is on the wire) of all that are being sent."""
    rows = stack.world.execute("SELECT email_id, token, wire_at IS NOT NULL FROM eed_email WHERE state = 'sending'")
    return [(email_id, token, bool(wired)) for email_id, token, wired in rows]


def _wait_sending(stack: Stack, feed: Feed, services: list[ServiceProcess]) -> None:
    """Until every host has sent something since now: the one that was cut off is back at work."""
    before = [len(service.log_events("sent")) for service in services]

    def all_send() -> bool:
        feed.top_up()
        return all(len(s.log_events("sent")) > n for s, n in zip(services, before, strict=True))

    stack.wait_until(all_send, "all hosts send")
