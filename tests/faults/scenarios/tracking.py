"""What is heard of emails after they left: who takes it in is killed, and no word is lost or counted twice."""

import json
import smtplib
import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.faults.crew import Crew
from tests.faults.judgement import Told
from tests.faults.load import people
from tests.faults.scenario import Amount, Site, scenario
from tests.servers import free_port
from tests.stack import BRISK, Stack
from tests.unit.tracking import ses_examples as ses
from tests.unit.tracking.bounce_samples import dsn, group

DOMAIN = "returns.bank.example"
HARD = dsn(group("5.1.1", "smtp; 550 5.1.1 no such user")).replace(b"\n", b"\r\n")
THREADS = 4
TWICE = 2
"""So many hard bounces suppress an address: each has one, and whoever were counted twice would be found there."""
SHARED = 10
"""So many addresses have a second email, and so two bounces in truth."""
RECENT = timedelta(hours=1)
# What was in hand comes again soon.
SOON = {**BRISK, "queue.visibility_timeout_seconds": 4, "worker.lease_seconds": 3}


class MailServer:
    """Hands bounces over by LMTP, several at a time, and again until each is accepted: like a mail server's queue."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._waiting: deque[tuple[str, bytes]] = deque()
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._deliver, daemon=True) for _ in range(THREADS)]
        self.accepted: Counter[str] = Counter()
        self.repeated = 0
        for thread in self._threads:
            thread.start()

    def queue(self, sent_to: str, message: bytes) -> None:
        self._waiting.append((sent_to, message))

    def stop(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(60)

    def _deliver(self) -> None:
        while not self._over.is_set():
            try:
                with smtplib.LMTP("127.0.0.1", self._port, timeout=10) as client:
                    self._hand_over(client)
            except (OSError, smtplib.SMTPException):
                self._over.wait(0.05)  # nobody is there, or no more

    def _hand_over(self, client: smtplib.LMTP) -> None:
        while not self._over.is_set():
            try:
                sent_to, message = self._waiting.popleft()
            except IndexError:
                self._over.wait(0.05)
                continue
            try:
                client.sendmail("<>", [sent_to], message)
            except BaseException:
                self.repeated += 1
                self._waiting.append((sent_to, message))
                raise
            self.accepted[sent_to] += 1


@scenario("bounces-kill", short=Amount(150, 5), long=Amount(5_000, 200))
def bounces_kill(site: Site, amount: Amount) -> Told:
    """kill -9 of the listener for bounces while a mail server hands them over, and repeats what was not accepted."""
    port = free_port()
    settings = {
        "bounces.address": DOMAIN,
        "bounces.listen": f"127.0.0.1:{port}",
        "tracking.suppress_hard_bounces": TWICE,
    }
    stack = site.stack(settings, keep_mail=True, environ={"EED_BOUNCES__SECRET": "a secret of the tests, 32 bytes!"})
    sink = stack.mail_up()
    addresses = people(amount.emails)
    stack.add_job(addresses)
    stack.add_job(addresses[:SHARED], job_id=2)
    with Crew(stack, ("publisher", "worker", "sweeper", "bounces")) as crew:
        stack.wait_finished(1, 2)
        mail_server = MailServer(port)
        for n, message in enumerate(list(sink.received)):
            mail_server.queue(message.sender, HARD.replace(b"4CX1@", f"4CX{n}@".encode()))
        _kill(crew, "bounces", _moments(site, amount, amount.emails), lambda: mail_server.accepted.total())
        stack.wait_until(lambda: len(mail_server.accepted) == len(sink.received), "every bounce is accepted")
        mail_server.stop()
        problems = crew.stop()
    stored = Counter(dict(stack.world.execute("SELECT email_id, COUNT(*) FROM eed_event GROUP BY email_id")))
    problems += _differences("hard bounces", stored, dict.fromkeys(_ids(stack), 1))
    problems += _differences("outcomes", _outcomes(stack), dict.fromkeys(_ids(stack), "hard_bounced"))
    suppressed = {row[0] for row in stack.world.execute("SELECT address FROM eed_suppression")}
    if suppressed != set(addresses[:SHARED]):
        problems.append(f"{len(suppressed)} addresses are suppressed, and {SHARED} have bounced twice")
    if not mail_server.repeated:
        problems.append("nothing had to be repeated: no kill has met a bounce")
    return Told(stack, faults=crew.kills, problems=problems)


@scenario("events-kill", short=Amount(200, 3), long=Amount(20_000, 100))
def events_kill(site: Site, amount: Amount) -> Told:
    """kill -9 of what takes SES's events in, while each comes twice and in any order."""
    url, _ = site.ministack.make_queue(f"events-{site.directory.name}", max_receive_count=1000)
    stack = site.stack({**SOON, "tracking.events_queue_url": url, "tracking.threads": 2})
    stack.mail_up()
    stack.add_job(people(amount.emails))
    with Crew(stack, ("publisher", "worker", "sweeper")) as crew:
        stack.wait_finished(1)
        ids = _ids(stack)
        told = [_told(email_id, n) for n, email_id in enumerate(ids)]
        coming = [body for bodies, _ in told for body in bodies] * 2
        site.random.shuffle(coming)
        _publish(stack, url, coming)
        crew.add("events")
        crew.tend()
        _kill(crew, "events", _moments(site, amount, 2 * amount.emails), lambda: _stored(stack))
        stack.wait_until(lambda: _is_empty(stack, url), "every event is taken")
        problems = crew.stop()
    expected = {email_id: outcome for email_id, (_, outcome) in zip(ids, told, strict=True)}
    problems += _differences("outcomes", _outcomes(stack), expected)
    if _stored(stack) != len(coming) // 2:
        problems.append(f"{_stored(stack)} events are stored, and {len(coming) // 2} have happened")
    return Told(stack, faults=crew.kills, problems=problems)


def _moments(site: Site, amount: Amount, most: int) -> list[int]:
    return sorted(site.random.sample(range(1, most), amount.faults))


def _kill(crew: Crew, role: str, moments: Sequence[int], done: Callable[[], int]) -> None:
    """Kill this role each time when this many are done."""
    (member,) = crew.of(role)
    for moment in moments:
        crew.stack.wait_until(lambda: done() >= moment, f"{moment} are done")  # noqa: B023
        crew.kill(member)
        crew.tend()


def _stored(stack: Stack) -> int:
    return int(stack.world.scalar("SELECT COUNT(*) FROM eed_event"))


def _told(email_id: int, number: int) -> tuple[list[str], str]:
    """What SES says of an email, and what is to become of it: every third bounces after it was delivered."""
    bounces = number % 3 == 0
    made = [ses.send(), ses.delivery(), *([ses.bounce()] if bounces else [])]
    return [_about(email_id, minute, event) for minute, event in enumerate(made)], (
        "hard_bounced" if bounces else "delivered"
    )


def _about(email_id: int, minute: int, event: dict[str, Any]) -> str:
    at = (datetime.now(UTC) - RECENT + timedelta(minutes=minute)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    text = json.dumps(event).replace(ses.SENT_AT, at).replace(ses.TOLD_AT, at)
    made: dict[str, Any] = json.loads(text.replace(ses.MESSAGE_ID, f"ses-{email_id}"))
    made["mail"]["tags"] |= {"eed_email": [str(email_id)], "eed_gen": ["0"]}
    return ses.notification(json.dumps(made)) if email_id % 2 else json.dumps(made)


def _publish(stack: Stack, url: str, bodies: list[str]) -> None:
    for start in range(0, len(bodies), 10):
        some = [{"Id": str(n), "MessageBody": body} for n, body in enumerate(bodies[start : start + 10])]
        stack.sqs.send_message_batch(QueueUrl=url, Entries=some)  # type: ignore[arg-type]


def _is_empty(stack: Stack, url: str) -> bool:
    facts = stack.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return not any(int(facts[f"ApproximateNumberOfMessages{which}"]) for which in ("", "NotVisible"))


def _ids(stack: Stack) -> list[int]:
    return [row[0] for row in stack.world.execute("SELECT email_id FROM eed_email ORDER BY email_id")]


def _outcomes(stack: Stack) -> dict[int, str | None]:
    return dict(stack.world.execute("SELECT email_id, outcome FROM eed_email"))


def _differences(what: str, found: dict[int, Any], expected: dict[int, Any]) -> list[str]:
    wrong = [i for i in {*found, *expected} if found.get(i) != expected.get(i)]
    return [f"{what}: {len(wrong)} are not as they were, as {wrong[0]}: {found.get(wrong[0])!r}"] if wrong else []
