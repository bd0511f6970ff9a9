"""Emails in doubt of all jobs: listed by worker and minute, matched with a relay's log, settled in one act."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from eed_delivery.ledger.delivering.recording import Decision
from eed_delivery.ledger.doubts import PAGE
from eed_delivery.ledger.workers import Process
from eed_delivery.model import Email, EmailState, Outcome, Verdict
from tests.operators_site import Site
from tests.world import World

DOMAIN = "mail.example.com"
WHY = {"reason": "the relay restarted"}


@pytest.fixture
def site(world: World, tmp_path: Path) -> Site:
    """With two jobs of three emails each. All were handed over, and half an hour later all are in doubt but one."""
    for job_id in (1, 2):
        ids = world.add_job([f"{name}{job_id}@example.com" for name in "abc"], job_id=job_id)
        world.enlist(job_id)
        for email_id in ids:
            assert world.delivering.wire(world.claimed(email_id), 60) is None
            world.lapse(email_id, 1800)
    world.sweeping.settle_the_wire(resend_below=0)
    world.execute("UPDATE eed_email SET state = 'sent' WHERE email_id = 2002")
    return Site(world, tmp_path)


def handed_over(world: World) -> datetime:
    """When."""
    at = world.scalar("SELECT MAX(wire_at) FROM eed_email")
    return at if isinstance(at, datetime) else datetime.fromisoformat(at)


def line(at: datetime, queue: str, rest: str, zone: str = "+00:00") -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S}{zone} relay postfix/x[1]: {queue}: {rest}\n"


def log_of(
    world: World, fates: dict[int, str], around: Sequence[int] = (-20, 20), shift: int = 0, zone: str = ""
) -> str:
    """A log in which these emails have these fates, with a line each five minutes around it. `shift`: its clock."""
    at = handed_over(world) + timedelta(minutes=shift)
    lines = []
    for email_id, fate in fates.items():
        queue = f"{email_id:011X}"
        lines.append(line(at, queue, f"message-id=<{email_id}.0@{DOMAIN}>", zone))
        lines.append(line(at, queue, "from=<b@example.com>, size=344, nrcpt=1 (queue active)", zone))
        reply = f"to=<anna.{email_id}@example.com>, relay=mx[192.0.2.1]:25, dsn=2.0.0, status={fate} (said the server)"
        lines.append(line(at, queue, reply, zone))
    before = [line(at + timedelta(minutes=n), "AAAAAAA", "removed", zone) for n in range(around[0], 0, 5)]
    behind = [line(at + timedelta(minutes=n), "AAAAAAA", "removed", zone) for n in range(0, around[1] + 1, 5)]
    return "".join([*before, *lines, *behind])


def file_of(site: Site, log: str) -> str:
    path = site.cli.config.parent / "mail.log"
    path.write_text(log)
    return str(path)


def verdicts(site: Site, log: str, *words: str) -> dict[str, str]:
    """By the command line. The API says the same."""
    found = site.cli.json("doubts", "match", file_of(site, log), *words)
    return {one["email"]: one["verdict"] for one in found["doubts"]}


def match(site: Site, log: str | bytes, query: str = "", **more: Any) -> Any:
    return site.ask("POST", f"/api/v1/doubts/match{query}", log, media="text/plain", **more)


def states(world: World) -> dict[int, str]:
    return dict(world.execute("SELECT email_id, state FROM eed_email ORDER BY email_id"))


# --- the list --------------------------------------------------------------------------------------------------------


def test_doubts_of_all_jobs_are_listed_by_the_worker_that_fell_silent(site: Site) -> None:
    world = site.world
    world.workers.beat(Process("mail1:7:aa", "mail1", "worker", 2), sending=True, detail=None, alive_seconds=15)
    world.workers.beat(Process("mail2:8:bb", "mail2", "worker", 2), sending=True, detail=None, alive_seconds=15)
    last = world.earlier(world.now, 1800)
    world.execute(f"UPDATE eed_worker SET heartbeat_at = {last} WHERE worker_id = 'mail1:7:aa'")
    world.execute("UPDATE eed_attempt SET worker = 'mail2:8:bb' WHERE email_id = 1002")
    found = site.json("GET", "/api/v1/doubts", role="viewer")
    assert found["count"] == 5
    here, there = (
        [group for group in found["groups"] if group["workers"] == [worker]] for worker in ("mail1:7:aa", "mail2:8:bb")
    )  # of a worker there is a group for each minute, and the minute may have changed between the doubts
    assert sorted(one["key"] for group in here for one in group["doubts"]) == ["1000", "1001", "2000", "2001"]
    assert sorted({job for group in here for job in group["jobs"]}) == ["1", "2"]
    assert [group["count"] for group in there] == [1]
    assert there[0]["doubts"][0]["message_id"] == f"1002.0@{DOMAIN}"
    ids = site.cli.good("doubts", "list", "--message-ids").splitlines()
    assert sorted(ids) == [f"{key}.0@{DOMAIN}" for key in (1000, 1001, 1002, 2000, 2001)]
    told = site.cli.good("doubts", "list")
    assert "mail1:7:aa" in told
    assert site.cli.json("doubts", "list")["count"] == 5


def test_a_page_of_doubts_is_full_to_the_last_one_of_each_job(site: Site) -> None:
    """One job has more doubts than a page, and others share one."""
    for job_id, emails in ((3, PAGE - 1), (4, 2 * PAGE), (5, 1)):
        site.world.add_job([f"c{n}@example.com" for n in range(emails)], job_id=job_id)
        site.world.enlist(job_id)
    site.world.execute("UPDATE eed_email SET state = 'in_doubt' WHERE job_id > 2")
    ids = site.cli.good("doubts", "list", "--message-ids").splitlines()
    assert len(set(ids)) == len(ids) == 5 + 3 * PAGE
    page = site.ask("GET", "/doubts")
    assert page.text.count('id="doubt-') == 200
    assert f"The latest 200 of {len(ids):,} are listed." in page.text


def test_what_may_become_a_doubt_is_listed_with_its_time(site: Site) -> None:
    world = site.world
    (late,) = world.add_job(["d@example.com"], job_id=3)
    world.enlist(3)
    assert world.delivering.wire(world.claimed(late), 600) is None
    assert site.json("GET", "/api/v1/doubts")["on_the_wire"] == []
    world.lapse(late, 90)
    (one,) = site.json("GET", "/api/v1/doubts")["on_the_wire"]
    assert (one["key"], one["job"]) == ("3000", "3")
    assert one["becomes_doubt_at"] > one["handed_over_at"]
    assert "email 3000 is on the wire since" in site.cli.good("doubts", "list")


# --- what a log proves -----------------------------------------------------------------------------------------------


def test_each_doubt_gets_what_the_log_proves_of_it(site: Site) -> None:
    log = log_of(site.world, {1000: "sent", 1001: "bounced", 1002: "deferred", 2002: "sent"})
    wanted = {"1000": "accepted", "1001": "bounced", "1002": "deferred", "2000": "not_there", "2001": "not_there"}
    assert verdicts(site, log) == wanted
    answer = match(site, log).json
    assert {one["key"]: one["verdict"] for one in answer["items"]} == wanted
    assert answer["counts"]["not_there"] == 2
    assert (answer["servers"], answer["clock_minutes"], answer["problem"]) == (["Postfix"], 0, "")
    assert answer["selection_etag"] == site.cli.json("doubts", "match", file_of(site, log))["selection"]
    assert set(states(site.world).values()) == {"in_doubt", "sent"}
    assert site.world.scalar("SELECT COUNT(*) FROM eed_audit WHERE act = 'settle'") == 0


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"fates": {9999: "sent"}}, "no email of channel default is in the log"),  # of another relay
        ({"fates": {2002: "sent"}, "around": (5, 60)}, ""),  # begins too late
        ({"fates": {2002: "sent"}, "around": (-20, 10)}, ""),  # ends too early
        ({"fates": {2002: "sent"}, "shift": -60}, "the log's clock is -60 minutes from the database's"),
    ],
)
def test_an_email_that_is_not_there_is_proven_by_our_own_relays_log_of_that_time_alone(
    site: Site, given: dict[str, Any], problem: str
) -> None:
    log = log_of(site.world, **given)
    assert set(verdicts(site, log).values()) == {"not_covered"}
    assert problem in match(site, log).json["problem"]


def test_the_log_of_one_channels_relay_proves_no_absence_of_another_channels_emails(site: Site) -> None:
    site.world.execute("UPDATE eed_job SET channel = 'statements' WHERE job_id = 2")
    log = log_of(site.world, {1000: "sent"})
    wanted = {
        "1000": "accepted",
        "1001": "not_there",
        "1002": "not_there",
        "2000": "not_covered",
        "2001": "not_covered",
    }
    assert verdicts(site, log) == wanted
    answer = match(site, log).json
    assert {one["key"]: one["verdict"] for one in answer["items"]} == wanted
    assert (
        "no email of channel statements is in the log"
        in {one["key"]: one["evidence"] for one in answer["items"]}["2000"]
    )
    assert (answer["problem"], answer["clock_minutes"]) == ("", 0)
    both = log_of(site.world, {1000: "sent", 2002: "sent"})  # two channels of one relay
    assert verdicts(site, both)["2000"] == "not_there"


def test_a_zone_puts_the_times_of_a_log_right(site: Site) -> None:
    log = log_of(site.world, {2002: "sent"}, shift=540)
    assert set(verdicts(site, log).values()) == {"not_covered"}
    assert set(verdicts(site, log, "--zone", "Asia/Tokyo").values()) == {"not_there"}
    assert match(site, log, "?zone=Asia/Tokyo").json["counts"]["not_there"] == 5
    assert site.problem("POST", "/api/v1/doubts/match?zone=Mars", log, media="text/plain")[0] in (415, 422)
    assert match(site, log, "?zone=../../etc/passwd").status_code == 422
    assert "there is no time zone Mars" in site.cli.refused("doubts", "match", file_of(site, log), "--zone", "Mars")


def test_what_is_no_log_is_refused(site: Site) -> None:
    assert "no log of Postfix" in site.cli.refused("doubts", "match", file_of(site, "hello\n"))
    assert "mail.lost" in site.cli.refused("doubts", "match", "mail.lost")
    assert match(site, "hello").status_code == 422
    assert match(site, b"\xff\x00\x1b[2J").status_code == 422
    assert match(site, b"x" * (8 * 1024 * 1024 + 1)).status_code == 413
    assert site.ask("POST", "/api/v1/doubts/match", {"log": "x"}).status_code == 415


def test_a_mail_servers_words_move_no_cursor_and_name_nobody(site: Site) -> None:
    log = log_of(site.world, {1000: "sent"}).replace("said the server", "\x1b[2J\u202eanna.1000@example.com")
    evidence = match(site, log).json["items"][0]["evidence"]
    assert "status=sent" in evidence
    assert "***@example.com" in evidence
    assert "anna.1000" not in evidence
    token = site.token("operator", "operate", "see_recipients")
    assert "anna.1000@example.com" in match(site, log, token=token).json["items"][0]["evidence"]
    told = site.cli.good("doubts", "match", file_of(site, log))
    assert "\x1b" not in told
    assert "\u202e" not in told


@pytest.mark.parametrize("before", [" ", "<", '"', "("])
def test_an_address_that_was_cut_at_the_end_of_the_evidence_names_nobody(site: Site, before: str) -> None:
    log = log_of(site.world, {1000: "sent"})
    start = next(one for one in log.splitlines() if "status=sent" in one).index("said the server")
    said = "x" * (490 - start) + f"{before}anna.1000@example.com"
    (evidence, *_) = (one["evidence"] for one in match(site, log.replace("said the server", said)).json["items"])
    assert evidence.rstrip().endswith(f"xx{before}".rstrip())
    token = site.token("operator", "operate", "see_recipients")
    (whole, *_) = (
        one["evidence"] for one in match(site, log.replace("said the server", said), token=token).json["items"]
    )
    assert whole.count("anna") == 1  # the recipient of the line


# --- settling --------------------------------------------------------------------------------------------------------


def by_cli(site: Site, log: str, *verdicts: str) -> tuple[int, int, int]:
    path = file_of(site, log)
    selection = site.cli.json("doubts", "match", path)["selection"]
    which = [word for verdict in verdicts for word in ("--verdict", verdict)]
    done = site.cli.json("doubts", "settle", path, "--selection", selection, "--reason", WHY["reason"], *which)
    return done["sent"], done["failed"], done["left"]


def by_api(site: Site, log: str, *verdicts: str) -> tuple[int, int, int]:
    found = match(site, log).json
    body = {"plan": found["plan"], "selection_etag": found["selection_etag"], **WHY}
    done = site.json("POST", "/api/v1/doubts/settle", {**body, "verdicts": verdicts} if verdicts else body)
    return done["sent"], done["failed"], done["left"]


@pytest.mark.parametrize("settle", [by_cli, by_api])
def test_doubts_are_settled_with_their_evidence_in_one_act(site: Site, settle: Any) -> None:
    world = site.world
    log = log_of(world, {1000: "sent", 1001: "bounced", 1002: "deferred", 2002: "sent"})
    assert settle(site, log) == (1, 3, 0)
    assert states(world) == {
        1000: "sent", 1001: "failed", 1002: "in_doubt", 2000: "failed", 2001: "failed", 2002: "sent",
    }  # fmt: skip
    assert [world.source_status(i) for i in (1000, 1001, 1002)] == ["sent", "failed", "in_doubt"]
    evidence = dict(world.execute("SELECT email_id, reply FROM eed_attempt WHERE worker = 'operator'"))
    assert "status=sent (said the server)" in evidence[1000]
    assert "status=bounced (said the server)" in evidence[1001]
    assert evidence[2000].startswith("relay's log: not in the log from ")
    assert world.row(1000)["detail"] == "settled by an operator from the relay's log: the relay restarted"
    acts = world.execute(
        "SELECT job_id, count, state_after, operation FROM eed_audit WHERE act = 'settle' ORDER BY act_id"
    )
    assert [(job, count, "sent" in after) for job, count, after, _ in acts] == [
        (1, 1, True), (1, 1, False), (2, 2, False),
    ]  # fmt: skip
    assert len({operation for *_, operation in acts}) == 1
    assert settle(site, log, "deferred") == (1, 0, 0)
    assert world.state(1002) == "sent"


def test_doubts_that_changed_since_the_log_was_read_are_not_settled_by_it(site: Site) -> None:
    world = site.world
    log = log_of(world, {1000: "sent", 1001: "sent", 1002: "sent"})
    found = match(site, log).json
    path, selection = file_of(site, log), found["selection_etag"]
    world.execute("UPDATE eed_email SET gen = 1 WHERE email_id = 1000")  # requeued, and in doubt again
    site.cli.good("settle", "1001", "--as", "failed")
    words = ("doubts", "settle", path, "--selection", selection, "--reason", "x")
    assert "the doubts have changed" in site.cli.refused(*words)
    body = {"plan": found["plan"], "selection_etag": selection, **WHY}
    assert site.json("POST", "/api/v1/doubts/settle", body) == {"sent": 1, "failed": 3, "left": 1}
    assert [world.state(i) for i in (1000, 1001, 1002)] == ["in_doubt", "failed", "sent"]
    status, problem = site.problem("POST", "/api/v1/doubts/settle", {**body, "selection_etag": "0"})
    assert (status, problem["type"]) == (412, "urn:eed-delivery:problem:changed")


def test_a_doubt_that_was_handed_over_again_is_not_settled_by_what_the_log_proved_before(site: Site) -> None:
    world, later = site.world, Decision(EmailState.QUEUED, Outcome(Verdict.TEMPORARY, "later", 451), counted=True)
    (again,) = world.add_job(["d@example.com"], job_id=3)
    world.enlist(3)
    email = world.claimed(again)
    in_doubt(world, email, 1800)
    log = log_of(world, {2002: "sent"})
    found = match(site, log).json
    assert world.delivering.record(email, later, 1)
    in_doubt(world, world.claimed(again), 900)
    assert world.state(again) == "in_doubt"
    body = {"plan": found["plan"], "selection_etag": found["selection_etag"], **WHY}
    assert site.json("POST", "/api/v1/doubts/settle", body) == {"sent": 0, "failed": 5, "left": 1}
    assert world.state(again) == "in_doubt"


def in_doubt(world: World, email: Email, seconds: float) -> None:
    assert world.delivering.wire(email, 60) is None
    world.lapse(email.email_id, seconds)
    world.sweeping.settle_the_wire(resend_below=0)


@pytest.mark.parametrize("changed", ["", "x", "gAAAAA", "\ud800"])
def test_a_plan_that_is_not_ours_is_refused(site: Site, changed: str) -> None:
    body = {"plan": changed, "selection_etag": "x", **WHY}
    assert site.problem("POST", "/api/v1/doubts/settle", body)[0] in (400, 422)


def test_a_plan_is_of_the_person_who_got_it(site: Site) -> None:
    found = match(site, log_of(site.world, {1000: "sent", 2002: "sent"})).json
    body = {"plan": found["plan"], "selection_etag": found["selection_etag"], **WHY}
    status, problem = site.problem("POST", "/api/v1/doubts/settle", body, role="operator")
    assert (status, problem["errors"][0]["pointer"]) == (422, "/plan")
    assert site.ask("POST", "/api/v1/doubts/settle", body).status_code == 200


def test_a_large_settlement_is_one_long_text_and_not_many_values(site: Site) -> None:
    body = {"plan": "x" * 2**21, "selection_etag": "0", **WHY}
    assert site.problem("POST", "/api/v1/doubts/settle", body)[0] == 422
    many = {**body, "verdicts": [0] * 20_000}
    status, problem = site.problem("POST", "/api/v1/doubts/settle", many)
    assert (status, problem["type"]) == (413, "urn:eed-delivery:problem:too_large")


def test_what_proves_nothing_settles_nothing(site: Site) -> None:
    log = log_of(site.world, {2002: "sent"}, around=(-20, 0))
    found = match(site, log).json
    body = {"plan": found["plan"], "selection_etag": found["selection_etag"], **WHY}
    assert site.problem("POST", "/api/v1/doubts/settle", body)[0] == 409
    for verdict in ("ambiguous", "not_covered", "lost"):
        assert site.problem("POST", "/api/v1/doubts/settle", {**body, "verdicts": [verdict]})[0] == 422
    path = file_of(site, log)
    assert "no doubt that is accepted" in site.cli.refused(
        "doubts", "settle", path, "--selection", found["selection_etag"], "--reason", "x"
    )
    assert "in_doubt" in states(site.world).values()


def test_a_repeated_settlement_gets_the_first_ones_answer(site: Site) -> None:
    found = match(site, log_of(site.world, {1000: "sent", 2002: "sent"})).json
    body = {"plan": found["plan"], "selection_etag": found["selection_etag"], **WHY}
    answers = [site.ask("POST", "/api/v1/doubts/settle", body, Idempotency_Key="k") for _ in range(2)]
    assert [answer.json for answer in answers] == [{"sent": 1, "failed": 4, "left": 0}] * 2
    assert answers[1].headers["Idempotent-Replayed"] == "true"
    assert site.world.scalar("SELECT COUNT(*) FROM eed_attempt WHERE worker = 'operator'") == 5
