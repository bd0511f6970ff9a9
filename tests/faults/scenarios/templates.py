"""Templates as bombs, beside an honest job."""

from collections import Counter

from tests.faults.judgement import Told
from tests.faults.load import THREADS, people
from tests.faults.scenario import Amount, Site, scenario
from tests.stack import Stack

GROWN = "{% set ns = namespace(a='x') %}{% for i in range(40) %}{% set ns.a = STEP %}{% endfor %}"
LINK = "http://x.example/" + "y" * 5000
BOMBS = [
    {"text_template": "{{ [1]|tojson(indent=10**9) }}"},
    {"text_template": GROWN.replace("STEP", "namespace(p=ns.a, q=ns.a)") + "{{ ns.a ~ '' }}"},
    {"text_template": GROWN.replace("STEP", "{'p': {'k': ns.a}.items(), 'q': [ns.a]}") + "{{ '%s' % ns.a }}"},
    {"text_template": "{% for i in range(10000) %}{% for j in range(10000) %}{% endfor %}{% endfor %}"},
    {"text_template": "{% set l = range(10000)|list %}{% for i in l %}" + "{{ -1 in l }}" * 900 + "{% endfor %}"},
    {"text_template": "{{ name|truncate(2) }}"},
    {"html_template": f"<p><a href='{LINK}'>x" + "<p>y" * 5000},
    {"html_template": "<p>" + "".join(f"<b id=i{n}>" for n in range(1000)) + "<p>y" * 5000 + "{{ 1 // 0 }}"},
]
"""Each of them once kept a worker busy, took its memory, or counted as a defect that was tried again."""
OF_EACH = 3
HONEST = 1
FATAL_JOB = HONEST + len(BOMBS) + 1
FATAL = 2
"""So many emails of one job kill the process that renders them; the third would pause it."""


@scenario("template-bomb", short=Amount(1000), long=Amount(20_000))
def template_bomb(site: Site, amount: Amount) -> Told:
    """Jobs whose templates are bombs beside an honest one, which loses nothing and is not kept waiting for a worker."""
    stack = site.stack()
    stack.mail_up()
    bombs: list[int] = []
    for job_id, templates in enumerate(BOMBS, start=HONEST + 1):
        bombs += stack.add_job(people(OF_EACH, f"job{job_id}.example.com"), job_id=job_id, **templates)
    fatal = stack.add_job(people(FATAL, "fatal.example.com"), job_id=FATAL_JOB)
    stack.add_job(people(amount.emails, "honest.example.com"), job_id=HONEST)
    killed = "worker.rendered=kill#" + "+".join(map(str, fatal))
    host = stack.start("run", environ={"EED_FAILPOINTS": killed})
    stack.wait_finished(*range(HONEST, FATAL_JOB + 1), seconds=1800)
    bombs += fatal
    problems = [*_restarts(stack), *_of_honest(stack, amount.emails), *_tried_again(stack)]
    if host.terminate() != 0:
        problems.append("the service did not end well")
    return Told(stack, faults=len(bombs), doubt_at_most=THREADS, may_fail=bombs, problems=problems)


def _restarts(stack: Stack) -> list[str]:
    lives = Counter(line["role"] for line in stack.log_events("role_started"))
    return [f"{role} was started {count} times" for role, count in lives.items() if count > 2]


def _of_honest(stack: Stack, emails: int) -> list[str]:
    states = dict(stack.counts(HONEST))
    doubts = states.pop("in_doubt", 0)  # what the one worker that died had on the wire
    if states == {"sent": emails - doubts}:
        return []
    return [f"of the honest job's emails, all of which should be sent: {states}"]


def _tried_again(stack: Stack) -> list[str]:
    again = stack.world.scalar("SELECT COUNT(*) FROM eed_attempt WHERE attempt > 1")
    defects = len(stack.log_events("defect"))
    return [f"{again} tries after the first, {defects} defects"] if again or defects else []
