"""Amazon SES: lost answers, throttling, a used-up quota, an account that is paused. One POST for each grant, always."""

from collections import Counter
from collections.abc import Callable, Sequence

from tests.faults.crew import Crew
from tests.faults.judgement import Told
from tests.faults.load import people
from tests.faults.mail_faults import attempts_other_than, deal, differences, in_state
from tests.faults.scenario import Amount, Site, scenario
from tests.oracle import Books, open_books
from tests.servers.ses_stub import Answer, Cut, Lost, Raw, Refuse, Rule, SesStub, Silence
from tests.sink import Taken
from tests.stack import Stack

PATIENCE_SECONDS = 3600
SES = {
    "transport.kind": "ses",
    "transport.rate_per_second": "ses",
    "ses.connect_timeout_seconds": 10,
    "ses.read_timeout_seconds": 5,
    "worker.probe_seconds": 0.3,
}
DOUBTFUL: tuple[Answer, ...] = (
    Lost(),
    Lost(reset=True),
    Cut(),
    Silence(),
    Raw(200, b"{}"),
    Refuse(500, "InternalFailure", "something went wrong"),
    Refuse(503, "ServiceUnavailable", "come back later"),
    Refuse(502, "", "Bad Gateway"),
)
"""An answer that says neither yes nor no. The stub has taken the message in the first five."""
TOO_FAST = (
    Refuse(429, "TooManyRequestsException", "Maximum sending rate exceeded."),
    Refuse(400, "ThrottlingException", "Rate exceeded"),
)
USED_UP = (
    Refuse(429, "TooManyRequestsException", "Daily message quota exceeded."),
    Refuse(400, "LimitExceededException", "Daily message quota exceeded."),
)
PAUSED = (
    Refuse(400, "AccountSuspendedException", "The account is suspended."),
    Refuse(400, "SendingPausedException", "Email sending is paused for your account."),
    Refuse(400, "AccountSendingPausedException", "Email sending is currently paused."),
)


@scenario("ses-lost-answers", quick=Amount(150, 8), short=Amount(300, 20), long=Amount(10_000, 800))
def lost_answers(site: Site, amount: Amount) -> Told:
    """Answers lost, cut, too late, or 5xx: each such email is in doubt, no other, and none is posted twice."""
    ses = _ses(site)
    stack = site.stack({**SES, "ses.endpoint_url": ses.endpoint_url})
    groups = deal(site.random, people(amount.emails), [amount.faults // len(DOUBTFUL)] * len(DOUBTFUL))
    for answer, group in zip(DOUBTFUL, groups, strict=True):
        for recipient in group:
            ses.on_send(answer, times=1, recipient=recipient)
    stack.add_job(people(amount.emails))
    with Crew(stack) as crew:
        stack.wait_finished(1, seconds=PATIENCE_SECONDS)
        problems = crew.stop()
    hit = [recipient for group in groups for recipient in group]
    problems += differences("in doubt", in_state(stack, "in_doubt"), hit)
    problems += attempts_other_than(stack, {}) + _posts_without_grant(stack, ses)
    return Told(stack, faults=len(hit), doubt_at_most=len(hit), problems=problems, books=_books(stack, ses))


@scenario("ses-throttled", short=Amount(300, 15), long=Amount(10_000, 300))
def throttled(site: Site, amount: Amount) -> Told:
    """Throttled now and again, one or two times an email: everything slows down, and no attempt is touched."""
    ses = _ses(site)
    stack = site.stack({**SES, "ses.endpoint_url": ses.endpoint_url}, max_receive_count=2)
    once, twice = deal(site.random, people(amount.emails), [amount.faults // 3] * 2)
    rules = [ses.on_send(site.random.choice(TOO_FAST), times=1, recipient=recipient) for recipient in once]
    rules += [ses.on_send(site.random.choice(TOO_FAST), times=2, recipient=recipient) for recipient in twice]
    stack.add_job(people(amount.emails))
    with Crew(stack) as crew:
        stack.wait_finished(1, seconds=PATIENCE_SECONDS)
        problems = crew.stop()
    problems += attempts_other_than(stack, {}) + _posts_without_grant(stack, ses)
    return Told(stack, faults=sum(len(r.struck) for r in rules), problems=problems, books=_books(stack, ses))


@scenario("ses-quota", short=Amount(300, 30), long=Amount(10_000, 400))
def quota(site: Site, amount: Amount) -> Told:
    """The daily quota is used up in mid-run, and GetAccount says so late: no attempt is touched, all is sent later."""
    ses = _ses(site)
    account = ses.account["SendQuota"]

    def use_up() -> None:
        account["SentLast24Hours"] = account["Max24HourSend"]

    def give_room() -> None:
        account["SentLast24Hours"] = 0.0

    return _stopped_in_mid_run(site, amount, ses, USED_UP, use_up, give_room)


@scenario("ses-paused", short=Amount(300, 30), long=Amount(10_000, 400))
def paused(site: Site, amount: Amount) -> Told:
    """AWS pauses sending for the account in mid-run, and allows it again: no attempt is touched, all is sent later."""
    ses = _ses(site)

    def pause() -> None:
        ses.account["SendingEnabled"] = False

    def resume() -> None:
        ses.account["SendingEnabled"] = True

    return _stopped_in_mid_run(site, amount, ses, PAUSED, pause, resume)


def _stopped_in_mid_run(
    site: Site,
    amount: Amount,
    ses: SesStub,
    refusals: Sequence[Answer],
    stop: Callable[[], None],
    go_on: Callable[[], None],
) -> Told:
    """SES refuses everything for a while. At first only the sends tell, as GetAccount is behind; then it tells too."""
    stack = site.stack({**SES, "ses.endpoint_url": ses.endpoint_url}, max_receive_count=2)
    stack.add_job(people(amount.emails))
    with Crew(stack) as crew:
        stack.wait_until(lambda: len(ses.taken) >= amount.emails // 10, "it is under way")
        rules = [ses.on_send(refusal, times=2) for refusal in refusals[:-1]] + [ses.on_send(refusals[-1])]
        stack.wait_until(lambda: _refused(rules) >= 2 * len(refusals), "the sends are refused")
        stop()
        stack.wait_until(
            lambda: len(crew.log_events("still_broken")) >= amount.faults, f"{amount.faults} probes are refused"
        )
        counts = stack.counts()
        ses.forget()
        go_on()
        stack.wait_finished(1, seconds=PATIENCE_SECONDS)
        problems = crew.stop()
    if counts["sent"] == amount.emails:
        problems.append("everything had gone out before it was stopped")
    problems += attempts_other_than(stack, {}) + _posts_without_grant(stack, ses)
    faults = _refused(rules) + len(crew.log_events("still_broken"))
    return Told(stack, faults=faults, problems=problems, books=_books(stack, ses))


def _refused(rules: Sequence[Rule]) -> int:
    return sum(len(rule.struck) for rule in rules)


def _ses(site: Site) -> SesStub:
    ses = site.at_the_end.enter_context(SesStub())
    ses.account["SendQuota"]["MaxSendRate"] = 500.0
    return ses


def _books(stack: Stack, ses: SesStub) -> Books:
    """The books, with what SES took as the mail server's."""
    taken = [Taken(int(t.tags["eed_email"]), int(t.tags["eed_gen"]), "".join(t.recipients), t.at) for t in ses.taken]
    return open_books(stack.world, stack.source, taken)


def _posts_without_grant(stack: Stack, ses: SesStub) -> list[str]:
    """Emails that SES was asked to send more or less often than the ledger has tries on record, in words."""
    tries = Counter(
        dict(
            stack.world.execute(
                "SELECT e.recipient, COUNT(*) FROM eed_attempt a JOIN eed_email e ON e.email_id = a.email_id"
                " GROUP BY e.recipient"
            )
        )
    )
    wrong = sorted(r for r in tries | ses.posts_to if tries[r] != ses.posts_to[r])
    return [f"posts and grants differ for {len(wrong)} emails, as {wrong[:5]}"] if wrong else []
