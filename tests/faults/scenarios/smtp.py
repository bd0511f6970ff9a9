"""The mail server: away, dropping connections, silent, refusing, slow."""

import time
from collections import Counter
from collections.abc import Sequence

from eed_delivery.config import SmtpSettings, SweeperSettings, WorkerSettings
from tests.faults.crew import Crew
from tests.faults.judgement import Told
from tests.faults.load import people
from tests.faults.mail_faults import (
    CLOSING,
    DROPS,
    LOST_ANSWERS,
    MailFaults,
    attempts_other_than,
    counted_tries_without_answer,
    deal,
    differences,
    in_state,
)
from tests.faults.scenario import Amount, Site, scenario
from tests.servers.smtp_server import Accept, Hang, Reset, Say
from tests.stack import Stack

PATIENCE_SECONDS = 3600

# --- away --------------------------------------------------------------------------------------------------------

HOUR_SECONDS = 20.0
"""What an hour of these runs lasts. Everything that waits for the mail server waits so much shorter, too."""
SCALE = HOUR_SECONDS / 3600
PROBES_IN_AN_HOUR = round(3600 / WorkerSettings().probe_seconds)
ON_THE_SCALED_CLOCK = {
    "worker.probe_seconds": WorkerSettings().probe_seconds * SCALE,
    "worker.retry_delay_seconds": WorkerSettings().retry_delay_seconds * SCALE,
    "worker.retry_max_delay_seconds": WorkerSettings().retry_max_delay_seconds * SCALE,
    "sweeper.queued_patience_seconds": SweeperSettings().queued_patience_seconds * SCALE,
    "publisher.queue_ahead": 1_000_000,  # the whole backlog is to wait in the queue
}
FIRST_MAIL_SECONDS = WorkerSettings().probe_seconds * SCALE + 5
"""From the mail server's return to its first mail: the next probe, and what does not scale: half a second until a
thread asks the breaker again, a receive, a claim. With the defaults it is the probe's ten seconds and the same rest:
tests/unit/test_breaker_pauses.py."""


@scenario(
    "smtp-outage",
    quick=Amount(200, 40),
    short=Amount(5_000, 2 * PROBES_IN_AN_HOUR),
    long=Amount(100_000, 2 * PROBES_IN_AN_HOUR),
)
def outage(site: Site, amount: Amount) -> Told:
    """Connections refused for an hour (20 s here, everything else scaled with it) while a backlog waits."""
    # A message may be received once. Whatever an outage burns shows as a dead letter, and so as failed.
    stack = site.stack(ON_THE_SCALED_CLOCK, max_receive_count=1)
    stack.mail_up()
    with Crew(stack) as crew:
        stack.add_job(people(20, "before.example.com"), job_id=1)
        stack.wait_finished(1)  # so that every worker keeps connections, and nobody is on the wire
        stack.mail_down()
        stack.add_job(people(amount.emails), job_id=2)
        stack.wait_until(
            lambda: stack.counts(2)["queued"] == amount.emails, "the backlog is queued", seconds=PATIENCE_SECONDS
        )
        refused = _wait_for_refusals(stack, crew, amount.faults)
        before, back_at = stack.counts(2), time.monotonic()
        stack.mail_up()
        stack.wait_finished(2, seconds=PATIENCE_SECONDS)
        problems = crew.stop()
    first = min(taken.at for taken in stack.sink_ledger.read() if taken.at >= back_at) - back_at
    if first > FIRST_MAIL_SECONDS:
        problems.append(f"the first mail came {first:.1f} s after the server's return, later than {FIRST_MAIL_SECONDS}")
    if before["failed"] or before["in_doubt"] or before["sent"]:
        problems.append(f"emails ended while nothing could be sent: {dict(before)}")
    problems += attempts_other_than(stack, {}) + counted_tries_without_answer(stack)
    return Told(stack, faults=refused, problems=problems)


def _wait_for_refusals(stack: Stack, crew: Crew, so_many: int) -> int:
    def refused() -> int:
        return len(crew.log_events("breaker_open")) + len(crew.log_events("still_broken"))

    stack.wait_until(lambda: refused() >= so_many, f"{so_many} connections are refused", seconds=10 * HOUR_SECONDS)
    return refused()


# --- dropping connections ----------------------------------------------------------------------------------------

IMPATIENT = {"smtp.command_timeout_seconds": 5, "smtp.max_messages_per_connection": 10, "queue.wait_seconds": 1}
REFUSED_AT_LEAST = 8
BIG_BYTES = 8_000_000
"""More than the buffers of a connection hold, so that the drop finds the sender still at its content."""


@scenario("smtp-drops", quick=Amount(100, 11), short=Amount(300, 22), long=Amount(20_000, 1_100))
def drops(site: Site, amount: Amount) -> Told:
    """The connection dropped, reset or answered 421 at each command and phase, before and after the dot."""
    stack = site.stack(IMPATIENT)
    faults = MailFaults(stack.mail_up(), site.random)
    share = amount.faults // 11
    everybody = people(amount.emails)
    *groups, refused = deal(site.random, everybody, [share] * 11 + [max(REFUSED_AT_LEAST, share * 2)])
    for phase, action, group in zip(["RCPT"] * 3 + ["DATA"] * 3, DROPS * 2, groups[:6], strict=True):
        faults.for_each(group, phase, action)
    for action, group in zip((*LOST_ANSWERS, CLOSING), groups[6:], strict=True):
        faults.for_each(group, "dot", action)
    faults.for_each(refused, "RCPT", Say("451 4.2.0 come back later"))  # an RSET comes next, or a QUIT
    for phase, every in {"connect": 25, "EHLO": 25, "MAIL": 60, "RSET": 2, "QUIT": 3}.items():
        for action in DROPS:
            faults.now_and_then(phase, action, every)
    _add_big_emails(site, stack, faults, share)
    stack.add_job(everybody)
    problems = _see_through(stack, 1, 2)
    lost = faults.struck("dot", LOST_ANSWERS)
    problems += differences("in doubt", in_state(stack, "in_doubt"), lost)
    problems += attempts_other_than(stack, Counter(refused))  # that the server closes is not the recipient's fault
    problems += [*faults.missing(), *counted_tries_without_answer(stack)]
    return Told(stack, faults=faults.count - len(refused), doubt_at_most=len(lost), problems=problems)


def _add_big_emails(site: Site, stack: Stack, faults: MailFaults, share: int) -> None:
    """Job 2: emails that are large, each dropped once in the middle of its content."""
    recipients = people(min(share, 6), "big.example.com")
    (stack.attachments / "big.pdf").write_bytes(site.random.randbytes(BIG_BYTES * 3 // 4))
    for action in DROPS:
        of_its_kind = recipients[DROPS.index(action) :: len(DROPS)]
        faults.inside_the_content(of_its_kind, action, site.random.randrange(BIG_BYTES // 8))
    stack.add_job(recipients, job_id=2, attachments=[{"location": "big.pdf", "filename": "big.pdf"}])


@scenario("smtp-resend", short=Amount(400, 40), long=Amount(10_000, 1_000))
def resend(site: Site, amount: Amount) -> Told:
    """The same drops after the dot under the policy `resend`: twice only where the first time is on record."""
    stack = site.stack({**IMPATIENT, "worker.doubt": "resend"})
    faults = MailFaults(stack.mail_up(), site.random)
    share = amount.faults // 6
    *once, twice, always = deal(site.random, people(amount.emails), [share] * 6)
    for action, group in zip(LOST_ANSWERS, once, strict=True):
        faults.for_each(group, "dot", action)
    faults.for_each(twice, "dot", Accept(then=Reset()), times=2)
    faults.for_each(always, "dot", Accept(then=Reset()), times=3)
    stack.add_job(people(amount.emails))
    problems = _see_through(stack, 1)
    problems += differences("in doubt", in_state(stack, "in_doubt"), always)
    problems += attempts_other_than(stack, faults.struck("dot"))
    accepted = faults.struck("dot", LOST_ANSWERS[:2])
    expected = {r: accepted[r] + (r not in always) for r in people(amount.emails)}
    arrived = Counter(taken.recipient for taken in stack.sink_ledger.read())
    wrong = sorted(r for r in expected if arrived[r] != expected[r])
    if wrong:
        problems.append(f"arrived more or less often than the drops explain: {len(wrong)}, as {wrong[:5]}")
    return Told(stack, faults.count, doubt_at_most=len(always), problems=problems, policy="resend")


@scenario("smtp-250-then-reset", short=Amount(500), long=Amount(20_000))
def yes_and_gone(site: Site, amount: Amount) -> Told:
    """A server that answers 250 and resets the connection at once, every time: the yes counts."""
    stack = site.stack()
    faults = MailFaults(stack.mail_up(), site.random)
    faults.now_and_then("dot", Say("250 2.0.0 taken, and goodbye", then=Reset()), every=1)
    stack.add_job(people(amount.emails))
    problems = _see_through(stack, 1) + attempts_other_than(stack, {})
    return Told(stack, faults.count, problems=problems)


# --- silent, and slow --------------------------------------------------------------------------------------------


@scenario("smtp-timeouts", short=Amount(300, 14), long=Amount(5_000, 210))
def timeouts(site: Site, amount: Amount) -> Told:
    """A server that falls silent at any phase: before the dot it costs nothing, after it there is doubt."""
    stack = site.stack(
        {
            "smtp.connect_timeout_seconds": 2,
            "smtp.command_timeout_seconds": 3,
            "smtp.data_timeout_seconds": 6,
            "smtp.max_messages_per_connection": 10,
        }
    )
    faults = MailFaults(stack.mail_up(), site.random)
    share = amount.faults // 7
    at_rcpt, at_data, taken, not_taken = deal(site.random, people(amount.emails), [share] * 4)
    faults.for_each(at_rcpt, "RCPT", Hang())
    faults.for_each(at_data, "DATA", Hang())
    faults.for_each(taken, "dot", Accept(then=Hang()))
    faults.for_each(not_taken, "dot", Hang())
    for phase, every in {"connect": 8, "EHLO": 8, "MAIL": 50}.items():
        faults.now_and_then(phase, Hang(), every)
    stack.add_job(people(amount.emails))
    problems = _see_through(stack, 1)
    problems += differences("in doubt", in_state(stack, "in_doubt"), faults.struck("dot"))
    problems += [*attempts_other_than(stack, {}), *counted_tries_without_answer(stack), *faults.missing()]
    return Told(stack, faults.count, doubt_at_most=len(faults.struck("dot")), problems=problems)


SLOW_SCALE = 1 / 15
SLOW_SECONDS = 30 * SLOW_SCALE


@scenario("smtp-tarpit", short=Amount(300), long=Amount(3_000))
def tarpit(site: Site, amount: Amount) -> Told:
    """30 s a message (2 s here), so that a batch takes far longer than its lease and its visibility: both are kept."""
    stack = site.stack(
        {
            "worker.threads": 24,
            "worker.lease_seconds": WorkerSettings().lease_seconds * SLOW_SCALE,
            "queue.visibility_timeout_seconds": round(120 * SLOW_SCALE),
            "smtp.data_timeout_seconds": SmtpSettings().data_timeout_seconds * SLOW_SCALE,
        },
        max_receive_count=2,
    )
    stack.mail_up(seconds=SLOW_SECONDS)
    ids = stack.add_job(people(amount.emails))
    problems = _see_through(stack, 1) + attempts_other_than(stack, {})
    tries = stack.world.scalar("SELECT COUNT(*) FROM eed_attempt")
    if tries != len(ids):
        problems.append(f"{tries} tries for {len(ids)} emails: somebody's lease was not kept")
    return Told(stack, faults=len(stack.sink_ledger.read()), problems=problems)


# --- refusing ----------------------------------------------------------------------------------------------------

FOR_GOOD = {
    "RCPT": ("550 5.1.1 no such user", "552 5.2.2 mailbox full", "553 5.1.3 bad address", "599 5.0.0 unheard of"),
    "DATA": ("554 5.5.1 no valid recipients",),
    "dot": ("554 5.7.1 refused as spam", "552 5.3.4 too large", "550 5.6.0 bad content"),
}
OFTEN_ENOUGH = 3
"""worker.max_attempts."""
# Phase, reply, whether it is counted, and how often it comes. What concerns the server is not counted, and what says no
# more than "not now" fails nobody within hours: both are waited for.
NOT_NOW = (
    ("RCPT", "450 4.2.1 mailbox busy", True, (1, 2)),
    ("RCPT", "452 4.2.2 over quota", True, (1, 2, OFTEN_ENOUGH)),
    ("RCPT", "451 4.7.1 greylisted, come back", True, (1, 2)),
    ("DATA", "451 4.3.0 try again", False, (1, 2)),
    ("dot", "451 4.3.0 queue write failed", False, (1, 2)),
    ("dot", "421 4.3.2 shutting down", False, (1, 2)),
    ("dot", "499 4.0.0 unheard of", False, (1, 2)),
)


@scenario("smtp-answers", short=Amount(1_000, 116), long=Amount(50_000, 5_500))
def answers(site: Site, amount: Amount) -> Told:
    """4xx and 5xx for the recipient and after the dot: exactly the refused fail, each with its reply."""
    stack = site.stack()
    faults = MailFaults(stack.mail_up(), site.random)
    refusals = [(phase, text) for phase, texts in FOR_GOOD.items() for text in texts]
    delays = [(phase, text, counted, n) for phase, text, counted, often in NOT_NOW for n in often]
    share = max(1, amount.faults // (len(refusals) + len(delays)))
    groups = deal(site.random, people(amount.emails), [share] * (len(refusals) + len(delays)))
    replies: dict[str, str] = {}
    noes: Counter[str] = Counter()
    for (phase, text), group in zip(refusals, groups[: len(refusals)], strict=True):
        faults.for_each(group, phase, Say(text), times=100)
        replies.update(dict.fromkeys(group, text))
    for (phase, text, counted, times), group in zip(delays, groups[len(refusals) :], strict=True):
        faults.for_each(group, phase, Say(text), times=100 if times == OFTEN_ENOUGH else times)
        noes.update(dict.fromkeys(group, times if counted else 0))
        if times == OFTEN_ENOUGH:
            replies.update(dict.fromkeys(group, text))
    stack.add_job(people(amount.emails))
    problems = _see_through(stack, 1)
    problems += differences("failed", in_state(stack, "failed"), replies) + _replies_lost(stack, replies)
    problems += attempts_other_than(stack, noes)
    ids = stack.world.execute("SELECT email_id, recipient FROM eed_email")
    may_fail = [email_id for email_id, recipient in ids if recipient in replies]
    return Told(stack, faults.count, may_fail=may_fail, problems=problems)


def _replies_lost(stack: Stack, replies: dict[str, str]) -> list[str]:
    """Failed emails whose row, in ledger or source, does not say what the mail server said."""
    rows: Sequence[tuple[str, str, str]] = stack.world.execute(
        "SELECT e.recipient, e.detail, s.status_detail FROM eed_email e JOIN delivery_email s ON s.id = e.email_id"
        " WHERE e.state = 'failed'"
    )
    wrong = [row for row in rows if not row[1] == row[2] == replies.get(row[0])]
    return [f"the reply was not kept: {len(wrong)}, as {wrong[:3]}"] if wrong else []


@scenario("smtp-535", short=Amount(500, 20), long=Amount(20_000, 200))
def wrong_credentials(site: Site, amount: Amount) -> Told:
    """The password is changed in mid-run, and mended later. No email's attempt is touched."""
    stack = site.stack({"smtp.max_messages_per_connection": 10, "worker.probe_seconds": 0.3}, max_receive_count=1)
    stack.environ.update({"EED_SMTP__USERNAME": "statements", "EED_SMTP__PASSWORD": "right"})
    mail = stack.mail_up()
    mail.login = ("statements", "right")
    stack.add_job(people(amount.emails))
    with Crew(stack) as crew:
        stack.wait_until(lambda: stack.counts()["sent"] >= amount.emails // 10, "it is under way")
        mail.login = ("statements", "changed")
        refused = _wait_for_refusals(stack, crew, amount.faults)
        counts = stack.counts()
        mail.login = ("statements", "right")
        stack.wait_finished(1, seconds=PATIENCE_SECONDS)
        problems = crew.stop()
    if counts["sent"] == amount.emails:
        problems.append("everything had gone out before the password was changed")
    reasons = {event["reason"] for event in crew.log_events("breaker_open")}
    if not all("535" in reason for reason in reasons):
        problems.append(f"the breaker opened for other reasons: {reasons}")
    problems += attempts_other_than(stack, {}) + counted_tries_without_answer(stack)
    return Told(stack, faults=refused, problems=problems)


def _see_through(stack: Stack, *jobs: int) -> list[str]:
    """Let a crew work these jobs to their end; returns, in words, who did not stop well."""
    with Crew(stack) as crew:
        stack.wait_finished(*jobs, seconds=PATIENCE_SECONDS)
        return crew.stop()
