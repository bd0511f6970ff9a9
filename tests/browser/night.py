"""A night in a ledger: jobs that run, stand still and have ended, emails of each state, and processes of two hosts.

The rows are written as the service would have left them. Nothing was sent.
"""

import json
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from sqlalchemy import Table, insert

from eed_delivery.events import DeliveryOutcome, EventKind
from eed_delivery.ledger.acts import ActKind, ActObject
from eed_delivery.ledger.schema import (
    eed_api_token,
    eed_attempt,
    eed_audit,
    eed_channel,
    eed_dead_letter,
    eed_email,
    eed_event,
    eed_gate,
    eed_hold,
    eed_job,
    eed_suppression,
    eed_worker,
)
from eed_delivery.model import EmailState, JobState, Verdict
from tests.world import World

NOW = datetime.now(UTC).replace(tzinfo=None)
RUNS, PAUSED, ENDED, HOSTILE, HUGE, EMPTY = 42, 43, 41, 666, 500, 44
HUGE_EMAILS = 500_000
EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)> \u202edrawkcab \u0000\u0007 😀🏴‍☠️ "
LONG = "0123456789" * 25
"""Without a place to break the line. A name has at most 255 characters."""
VERY_LONG = "x" * 5000

_STATES = (
    *[(EmailState.SENT, "250 2.0.0 Ok: queued as 4CXn")] * 120,
    *[(EmailState.FAILED, "550 5.1.1 <anna@example.com>: no such user")] * 7,
    *[(EmailState.IN_DOUBT, "127.0.0.1:25: no answer to the final dot")] * 3,
    *[(EmailState.SUPPRESSED, "hard bounce: 550 5.1.1 no such mailbox here")] * 4,
    (EmailState.SENDING, None),
)
_OPEN = (*[(EmailState.QUEUED, None)] * 30, *[(EmailState.PENDING, None)] * 20)


def fill(world: World) -> None:
    """Put all of it into an empty world."""
    html = "<h1>Your statement</h1><p>Dear {{ name }}</p>"
    world.add_job(("customer0@example.com",), RUNS, name="Quarterly statements", html_template=html)  # to be previewed
    jobs = (
        _job(RUNS, "Quarterly statements", JobState.ACTIVE, len(_STATES) + len(_OPEN)),
        _job(PAUSED, "Newsletter", JobState.PAUSED, len(_OPEN), reason="wrong interest rate in the template"),
        _job(ENDED, "Reminders", JobState.FINISHED, 10, finished_at=NOW, final_counts='{"sent":9,"failed":1}'),
        _job(HOSTILE, f"{EVIL}{LONG}"[:255], JobState.PAUSED, len(_STATES), reason=f"{EVIL}{LONG}{LONG}"[:500]),
        _job(EMPTY, "", JobState.ACTIVE, 0),
        _job(HUGE, "Yearly statements", JobState.ACTIVE, HUGE_EMAILS),
    )
    _put(world, eed_job, *jobs)
    _put(world, eed_email, *_emails(RUNS, (*_STATES, *_OPEN)), *_emails(PAUSED, _OPEN), *_hostile_emails())
    tried = 1000 * RUNS
    _put(world, eed_attempt, *(_try(tried, n) for n in range(3)), _try(1000 * HOSTILE, 1, reply=EVIL + VERY_LONG[:300]))
    _put(world, eed_event, _event(tried), _event(1000 * HOSTILE, detail=f"{EVIL}{LONG}"[:500]))
    acts = (
        _act(PAUSED, ActKind.PAUSE, "anna", "wrong interest rate in the template"),
        _act(RUNS, ActKind.RESUME, "bert", "template mended"),
        _act(HOSTILE, ActKind.PAUSE, EVIL[:200], EVIL),
    )
    _put(world, eed_audit, *acts)
    fill_surroundings(world)
    world.execute(_HUGE, n=HUGE_EMAILS, job=HUGE, day=NOW.date().isoformat())


def fill_surroundings(world: World) -> None:
    """What there is beside jobs: channels, entries of the list, a hold, tokens, and processes of two hosts."""
    _put(world, eed_channel, _channel("letters", "anna", LETTERS), _channel("hostile", EVIL[:200], {"kind": LONG}))
    _put(world, eed_suppression, *(_entry(n, source) for n, source in enumerate(SOURCES)), _entry(9, "bounce", EVIL))
    shut = {"reason": EVIL[:200], "shut_at": NOW, "shut_until": NOW, "pause_seconds": 80.0, "mapping_off_at": NOW}
    _put(world, eed_gate, {"channel": "letters", **shut})
    _put(world, eed_hold, _hold(7, "example.net", "their server moves"))
    _put(world, eed_dead_letter, _letter(7))
    _put(world, eed_api_token, _token("old server"), _token(f"{LONG}"[:180]))
    hosts = ("mail-1.example.com", "mail-2.example.com")
    roles = ("publisher", "sweeper", "worker", "worker")
    _put(world, eed_worker, *(_process(host, role, n) for host in hosts for n, role in enumerate(roles)))


_HUGE = """
INSERT INTO eed_email (email_id, job_id, recipient, address, state, attempts, changed_at)
WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :n)
SELECT 100000000 + n, :job, 'c' || n || '@example.com', 'c' || n || '@' || (n % 7) || '.example.com',
    CASE WHEN n % 3 THEN 'sent' ELSE 'queued' END, 1,
    strftime('%Y-%m-%d %H:%M:%f000', julianday(date(:day)), '+' || (n / 140) || ' seconds')
FROM numbers
"""


def _put(world: World, table: Table, *rows: dict[str, Any]) -> None:
    for row in rows:  # one by one: they have different columns
        world.database.run(lambda c, row=row: c.execute(insert(table).values(**row)))


def _job(job_id: int, name: str, state: JobState, total: int, **more: Any) -> dict[str, Any]:
    began = NOW - timedelta(minutes=40)
    times = {"created_at": began, "enlisted_at": began}
    return {"job_id": job_id, "source_key": str(job_id), "name": name, "state": state, "total": total, **times, **more}


def _emails(job_id: int, states: Any) -> list[dict[str, Any]]:
    return [_email(job_id, n, state, detail) for n, (state, detail) in enumerate(states)]


def _hostile_emails() -> list[dict[str, Any]]:
    rows = _emails(HOSTILE, _STATES)
    for row in rows:
        row |= {"detail": f"{EVIL}{LONG}{LONG}"[:500], "recipient": f"{EVIL}{LONG}{LONG}"[:480] + "@example.com"}
    return rows


def _email(job_id: int, n: int, state: EmailState, detail: str | None) -> dict[str, Any]:
    at = NOW - timedelta(minutes=30) + timedelta(seconds=8 * n)
    address = f"customer{n}@{('example.com', 'example.org', 'example.net')[n % 3]}"
    row = {"email_id": 1000 * job_id + n, "job_id": job_id, "recipient": address, "address": address, "state": state}
    row |= {"detail": detail, "changed_at": at, "queued_at": at, "attempts": 1}
    if state is EmailState.SENT:
        row |= {"wire_at": at, "outcome": DeliveryOutcome.DELIVERED, "outcome_at": at, "message_id": f"4CXn{n}"}
    if state is EmailState.SENDING:
        row |= {"wire_at": at, "lease_until": NOW + timedelta(minutes=20)}
    return row


def _try(email_id: int, n: int, reply: str = "450 4.2.0 greylisted") -> dict[str, Any]:
    facts = {"gen": 0, "attempt": n, "verdict": Verdict.TEMPORARY, "counted": True, "code": 450, "enhanced": "4.2.0"}
    times = {"ended_at": NOW - timedelta(minutes=29), "took_ms": 41, "worker": "mail-1.example.com/17"}
    return {"email_id": email_id, **facts, **times, "reply": reply, "recipient": "customer0@example.com"}


def _event(email_id: int, detail: str = "delivered") -> dict[str, Any]:
    times = {"occurred_at": NOW - timedelta(minutes=28), "received_at": NOW - timedelta(minutes=27)}
    facts = {"kind": EventKind.DELIVERY, "outcome": DeliveryOutcome.DELIVERED, "automatic": False, "detail": detail}
    return {"event_id": f"event-{email_id}", "email_id": email_id, "gen": 0, **facts, **times}


def _act(job_id: int, act: ActKind, who: str, reason: str) -> dict[str, Any]:
    about = {"job_id": job_id, "object_kind": ActObject.JOB, "object_key": str(job_id), "surface": "page"}
    return {**about, "act": act, "who": who, "reason": reason, "at": NOW - timedelta(minutes=12)}


LETTERS: dict[str, Any] = {
    "kind": "smtp", "host": "relay.example.com", "username": "mail", "password": "env:CHANNEL_RELAY",
    "queue": {"url": "https://sqs.us-east-1.amazonaws.com/0/letters", "dead_letter_url": "https://127.0.0.1/0/l-dead"},
}  # fmt: skip


SOURCES = ("bounce", "complaint", "unsubscribe", "operator", "import")


def _entry(n: int, source: str, reason: str = "said so") -> dict[str, Any]:
    address, at = f"{'x' * 60}{n}@example.com", NOW - timedelta(days=9)
    return {"address": address, "category": "", "reason": reason[:200], "source": source, "created_at": at}


def _hold(hold_id: int, domain: str, reason: str) -> dict[str, Any]:
    facts = {"hold_id": hold_id, "scope": "domain", "subject": domain, "reason": reason, "who": "anna"}
    return {**facts, "held_at": NOW, "in_force_at": NOW}


def _letter(letter_id: int) -> dict[str, Any]:
    facts = {"letter_id": letter_id, "sqs_id": "0d6b3b5e", "channel": "default", "receives": 3, "size": 9000}
    body = f"{EVIL}{LONG}".replace("\0", "")
    return {**facts, "problem": body[:500], "body": body, "found_at": NOW, "seen_at": NOW}


def _token(name: str) -> dict[str, Any]:
    times = {"made_at": NOW, "expires_at": NOW + timedelta(days=30)}
    facts = {"name": name, "digest": sha256(name.encode()).digest(), "role": "operator", "scopes": "nudge view"}
    return {**facts, "made_by": "anna", **times}


def _channel(name: str, who: str, settings: dict[str, Any]) -> dict[str, Any]:
    who, at = who.replace("\0", ""), NOW - timedelta(days=2)
    people = {"made_by": who, "made_at": at, "changed_by": who, "changed_at": at}
    return {"name": name, "settings": json.dumps(settings), "version": 1, **people}


def _process(host: str, role: str, n: int) -> dict[str, Any]:
    name = {"worker_id": f"{host}/{n}", "host": host, "role": role, "channel": "default", "threads": 8}
    detail = "the relay does not answer: 421 4.3.2 closing" if (role, n) == ("worker", 3) else None
    beat = NOW + timedelta(days=3650)  # it lives for as long as the tests run
    name |= {"version": "0.1.0", "config": "abcdef012345" if host.startswith("mail-1") else "012345abcdef"}
    return {**name, "sending": role == "worker" and n == 2, "detail": detail, "started_at": NOW, "heartbeat_at": beat}
