"""One run: a reply, who gets it, how many emails. And what must hold at its end."""

import re
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from eed_delivery.sweeper.answers_alike import is_dead as says_dead
from eed_delivery.transports.replies.kinds import kind_of
from eed_delivery.transports.smtp.answers import Phase
from eed_delivery.worker.deferrals import is_full, is_greylisting, is_own
from tests.faults.replay.clock import VirtualClock
from tests.faults.replay.house import JOB, OPERATOR_SECONDS, House
from tests.faults.replay.relay import SEND_SECONDS, Relay, Spread, is_dead, is_troubled, recipients
from tests.replies import KnownReply

FOR_NOW_SECONDS = 150.0
"""A full mailbox costs attempts, and is emptied before the last of them: 0, 60 and 300 s, each ± a quarter."""
LONG_SECONDS = 900.0
_FULL = re.compile(r"\bfull\b|quota|\bvoll\b|over its limit|exceeded the limit", re.IGNORECASE)
THROUGHPUT = 0.9
TRIES = 2
"""Retries take their time of the one connection there is: so many of each email may come in the others' time."""
GRACE_SECONDS = 0.5
"""For what a run takes besides sending, whatever happens in it."""
AT_MOST_SECONDS = 6 * 3600.0


@dataclass
class Ended:
    """What came of a run. `others`: the part of those without trouble that was sent in the time it takes without it."""

    reply: KnownReply
    spread: Spread
    emails: int
    failed_wrongly: int = 0
    attempts_wrong: int = 0
    others: float = 1.0
    paused: str = ""
    finished_after: float = 0.0
    problems: list[str] = field(default_factory=list)


def replay(reply: KnownReply, spread: Spread, emails: int) -> Ended:
    """Work one job off while the reply is given, then to its end."""
    clock = VirtualClock()
    relay = Relay(clock, reply, spread, _seconds(reply, spread, emails))
    with tempfile.TemporaryDirectory(prefix="eed-replay-") as directory:
        house = House(Path(directory), clock, relay)
        try:
            return _run(house, relay, Ended(reply, spread, emails))
        finally:
            house.close()


def _seconds(reply: KnownReply, spread: Spread, emails: int) -> float:
    """How long it lasts. What is said of one mailbox in ten is theirs; said of all, or of a whole domain, it is not."""
    if spread is Spread.ONE_IN_TEN and reply.letter() == "T" and _FULL.search(reply.reply):
        return FOR_NOW_SECONDS
    return max(FOR_NOW_SECONDS if reply.best == "S" else LONG_SECONDS, 2 * emails * SEND_SECONDS)


def path_of(reply: KnownReply) -> tuple[object, ...]:
    """All that the product's code, or the judgement of a run, decides by. Two replies that agree in it differ in their
    words alone."""
    outcome, wanted = reply.failure().outcome(), set(reply.wanted)
    words = (is_greylisting(outcome), is_own(outcome), is_full(outcome), says_dead(outcome.reply))
    alike = kind_of(outcome.reply) == kind_of(reply.failure(tag="bcdfghjklmnp-42xy").reply)
    judged = (reply.best == "P", reply.best == "S", "P" in wanted, bool(wanted & set("PT")))
    full = _FULL.search(reply.reply) is not None
    return reply.phase, outcome.verdict, outcome.concerns, outcome.for_all, alike, full, *words, *judged


def _run(house: House, relay: Relay, ended: Ended) -> Ended:
    people = recipients(ended.emails)
    house.add_job(people)
    operator_at = relay.ends_at
    while not house.finished and house.clock.now < AT_MOST_SECONDS:
        house.go_on()
        if house.clock.now >= operator_at:
            operator_at = house.clock.now + OPERATOR_SECONDS
            if (reason := house.paused) is not None:
                ended.paused = reason
                house.operating.resume(JOB)
    ended.finished_after = house.clock.now
    _judge(house, relay, ended, people)
    return ended


def _judge(house: House, relay: Relay, ended: Ended, people: list[str]) -> None:
    rows = {row[0]: row[1:] for row in house.read("SELECT recipient, state, attempts, detail FROM eed_email")}
    troubled = {r for r in people if is_troubled(r, ended.spread)}
    failed = {r for r, (state, _, _) in rows.items() if state == "failed"}
    dead = {r for r in people if is_dead(r)}
    wrongly = failed - dead - (troubled if _may_fail(ended) else set())
    ended.failed_wrongly = len(wrongly)
    if wrongly:
        ended.problems.append(f"{len(wrongly)} failed wrongly, as: {rows[min(wrongly)]}")
    if not house.finished:
        ended.problems.append(f"not finished in {AT_MOST_SECONDS:g} s: {house.paused or 'not paused'}")
    open_ = [r for r, (state, _, _) in rows.items() if state not in ("failed", "sent")]
    if open_:
        ended.problems.append(f"{len(open_)} neither sent nor failed, as: {rows[min(open_)]}")
    if relay.twice:
        ended.problems.append(f"{len(relay.twice)} sent twice, as {relay.twice[0]}")
    _judge_attempts(ended, rows, troubled - dead)
    _judge_dead(relay, ended, rows, dead)
    _judge_others(relay, ended, [r for r in people if r not in troubled and r not in dead])


def _may_fail(ended: Ended) -> bool:
    """The recipient's or the content's own. Where all of a kind get it over many domains, or at one, a reply that may
    be either is to be recognised. One in ten cannot be distinguished from ten bad addresses."""
    return ended.reply.best == "P" or ("P" in ended.reply.wanted and ended.spread is Spread.ONE_IN_TEN)


def _judge_attempts(ended: Ended, rows: dict[str, tuple[str, int, str]], troubled: set[str]) -> None:
    if set(ended.reply.wanted) & set("PT"):
        return
    wrong = {r for r in troubled if rows[r][0] == "sent" and rows[r][1] != 1}
    ended.attempts_wrong = len(wrong)
    if wrong:
        ended.problems.append(f"{len(wrong)} lost attempts, as {rows[min(wrong)]}")


def _judge_dead(relay: Relay, ended: Ended, rows: dict[str, tuple[str, int, str]], dead: set[str]) -> None:
    """At once: the first time the server came to hear who it was for."""
    asked = [r for at, r, troubled in relay.asked if is_dead(r) and not troubled]
    late = {r for r in dead if rows[r][0] != "failed" or rows[r][1] != 1 or asked.count(r) != 1}
    if late:
        ended.problems.append(f"{len(late)} dead addresses did not fail at once, as {rows[min(late)]}")


def _judge_others(relay: Relay, ended: Ended, others: list[str]) -> None:
    """Where it may be about some. Before RCPT no recipient is named, and what the provider says for all slows all."""
    if not others or ended.reply.phase is Phase.MAIL or ended.reply.failure().for_all:
        return
    begin = relay.asked[0][0]
    until = begin + ended.emails * SEND_SECONDS + GRACE_SECONDS
    again = [r for at, r, troubled in relay.asked if troubled and at <= until]
    until += min(len(again) - len(set(again)), TRIES * len(set(again))) * SEND_SECONDS
    ended.others = sum(relay.sent.get(r, until + 1) <= until for r in others) / len(others)
    if ended.others < THROUGHPUT:
        ended.problems.append(f"only {ended.others:.0%} of the others were sent in their time")
