"""kill -9: of random processes at random moments, and of each process at each failpoint."""

from tests.faults.crew import Crew
from tests.faults.judgement import Told
from tests.faults.load import THREADS, add_jobs, ended
from tests.faults.scenario import Amount, Site, scenario
from tests.stack import BRISK


@scenario("kill", quick=Amount(300, 5), short=Amount(10_000, 100), long=Amount(100_000, 1_000))
def kill(site: Site, amount: Amount) -> Told:
    """kill -9 of random processes at random moments, each started again at once."""
    stack = site.stack(BRISK)
    stack.mail_up()
    jobs = add_jobs(stack, amount.emails, jobs=5)
    moments = sorted(site.random.randrange(amount.emails) for _ in range(amount.faults))
    with Crew(stack) as crew:
        for moment in moments:
            stack.wait_until(lambda: ended(stack) >= moment, f"{moment} emails have ended", seconds=600)  # noqa: B023
            crew.kill(site.random.choice(crew.members))
            crew.tend()
        stack.wait_finished(*jobs, seconds=3600)
        problems = crew.stop()
    return Told(stack, faults=crew.kills, doubt_at_most=crew.kills * THREADS, problems=problems)
