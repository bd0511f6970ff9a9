"""Channels: one that is in trouble, while another goes on at its rate."""

from tests.faults.judgement import Told
from tests.faults.load import people
from tests.faults.scenario import Amount, Site, scenario
from tests.servers import free_port
from tests.sink import Sink
from tests.stack import Stack

PATIENCE_SECONDS = 3600
A_MESSAGE_SECONDS = 0.05
"""What the healthy server takes over each, so that its rate is its own, and not the machine's."""
TARPIT_SECONDS = 20.0
LEAST_SHARE = 0.9
ROUNDS = 3
STATEMENTS = "statements"


@scenario("channel-tarpit", short=Amount(1_500), long=Amount(15_000))
def tarpit(site: Site, amount: Amount) -> Told:
    """The default channel's mail server takes 20 s a message, and another channel keeps 90 % of its rate at least."""
    port = free_port()
    url, dead = site.ministack.make_queue(f"statements-{site.directory.name}", max_receive_count=10)
    stack = site.stack(
        {
            "source.job.channel": "channel",
            "channel.statements.kind": "smtp",
            "channel.statements.queue": {"url": url, "dead_letter_url": dead},
            "channel.statements.threads": 4,
            "channel.statements.host": "127.0.0.1",
            "channel.statements.port": port,
            "channel.statements.tls": "none",
            "smtp.data_timeout_seconds": 6 * TARPIT_SECONDS,
        }
    )
    each = amount.emails // (2 * ROUNDS)
    alone: list[float] = []
    beside: list[float] = []
    with Sink(stack.sink_ledger, port, keep=False, seconds=A_MESSAGE_SECONDS):
        service = stack.start("run")
        alone += [_rate(stack, 10 + n, each) for n in range(ROUNDS)]
        tarred = stack.mail_up(seconds=TARPIT_SECONDS)
        stack.add_job(people(each, "tarred.example.com"), 1)
        stack.wait_until(lambda: stack.counts(1)["sending"] > 0, "the tarpit has them", seconds=PATIENCE_SECONDS)
        beside += [_rate(stack, 20 + n, each) for n in range(ROUNDS)]
        through = stack.counts(1)["sent"]
        tarred.release()
        stack.wait_finished(1, seconds=PATIENCE_SECONDS)
    problems = [] if service.terminate() == 0 else ["the service did not stop as it should"]
    share = max(beside) / max(alone)
    if share < LEAST_SHARE:
        rates = f"{max(beside):.1f} emails a second in place of {max(alone):.1f}"
        problems.append(f"beside the tarpit it kept {share:.0%} of its rate: {rates}")
    if through == each:
        problems.append("the tarpit was over before the others were sent: it shows nothing")
    return Told(stack, faults=each, problems=problems)


def _rate(stack: Stack, job_id: int, emails: int) -> float:
    """Emails a second of one job of the healthy channel, from its first acceptance to its last."""
    ids = set(stack.add_job(people(emails, f"job{job_id}.example.com"), job_id, channel=STATEMENTS))
    stack.wait_finished(job_id, seconds=PATIENCE_SECONDS)
    taken = [one.at for one in stack.sink_ledger.read() if one.email_id in ids]
    return (len(taken) - 1) / (max(taken) - min(taken))
