"""The ledger's figures for monitoring, as Prometheus scrapes them and as CloudWatch reads them from the log."""

import io
import json
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from prometheus_client.parser import text_string_to_metric_families

from eed_delivery import logs
from eed_delivery.config import LogSettings
from eed_delivery.errors import DatabaseGone, QueueGone
from eed_delivery.ledger.actor import SERVICE
from eed_delivery.ledger.acts import Act, ActKind, note
from eed_delivery.ledger.duties import DutyLedger
from eed_delivery.ledger.figures import MOST_JOBS, FiguresLedger
from eed_delivery.ledger.workers import Process, WorkerLedger
from eed_delivery.model import Depth, EmailState
from eed_delivery.operations.cloudwatch import CloudWatchFigures, MetricData, emf_line, log_line
from eed_delivery.operations.figures import AGE, SHARED_SECONDS, FigureSources, LedgerFigures
from eed_delivery.operations.processes import ProcessQueries
from tests.operators_site import Site
from tests.servers import promtool
from tests.world import World

pytestmark = pytest.mark.both_databases

MOST_SERIES = 2000
HOSTILE = 'anna@customers.example"} 1\n# HELP x\\'
"""A job's key with an address in it, and with what the text format means something by."""


class Clock:
    """A time that the test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def figures_over(
    world: World, clock: Clock, depth: Callable[[], Depth | None] = lambda: Depth(3, 2, 1)
) -> LedgerFigures:
    facts = {"in_doubt": lambda: 7.0, "ses_quota_percent": lambda: 50.0, "silence_seconds": lambda: 0.0}
    processes = ProcessQueries(WorkerLedger(world.database), 5.0, lambda: datetime.now(UTC))
    return LedgerFigures(FigureSources(FiguresLedger(world.database), processes, facts, depth), clock)


def filled(world: World) -> None:
    """Two jobs, one with emails in several states, and some of the rest."""
    emails = world.add_job([f"c{n}@example.com" for n in range(6)])
    world.enlist(1)
    world.add_job(["d@example.com"], 2)
    world.enlist(2)
    for email, state in zip(emails, ("sent", "sent", "in_doubt", "failed", "queued"), strict=False):
        world.execute("UPDATE eed_email SET state = :state WHERE email_id = :id", state=state, id=email)
    world.execute("UPDATE eed_job SET state = 'paused' WHERE job_id = 2")
    for n, source in enumerate(("bounce", "bounce", "operator")):
        world.execute(
            "INSERT INTO eed_suppression (address, category, reason, source, created_at)"
            " VALUES (:a, '', 'r', :s, '2026-01-01 00:00:00.000000')",
            a=f"x{n}@example.com",
            s=source,
        )
    world.workers.beat(Process("a", "h", "worker"), sending=True, detail=None, alive_seconds=15)
    world.workers.beat(Process("b", "h", "web"), sending=False, detail=None, alive_seconds=15)
    world.execute("UPDATE eed_worker SET heartbeat_at = '2001-01-01 00:00:00.000000' WHERE worker_id = 'b'")
    for n, state in enumerate(("running", "waiting", "done")):
        world.execute(
            "INSERT INTO eed_operation (operation_id, kind, state, selection, parameters, who, host, surface, errors,"
            " made_at, moved_at) VALUES (:id, 'requeue', :state, '{}', '{}', 'anna', 'h', 'cli', '[]',"
            " '2026-01-01 00:00:00.000000', '2026-01-01 00:00:00.000000')",
            id=f"o{n}",
            state=state,
        )
    world.database.run(lambda c: note(c, SERVICE, Act(ActKind.PAUSE, 2)))


def test_the_figures_are_what_sql_counts(world: World) -> None:
    filled(world)
    now = figures_over(world, Clock()).now()
    counted = world.execute(
        "SELECT eed_job.source_key, eed_email.state, COUNT(*) FROM eed_email JOIN eed_job USING (job_id) GROUP BY 1, 2"
    )
    assert now["eed_job_emails"] == {(key, state): float(count) for key, state, count in counted}
    assert now["eed_jobs"] == {("active",): 1.0, ("paused",): 1.0}
    assert now["eed_suppressions"] == {("bounce",): 2.0, ("operator",): 1.0}
    assert now["eed_processes"] == {("worker", "true"): 1.0, ("web", "false"): 1.0}
    assert now["eed_queue_messages"] == {("visible",): 3.0, ("in_flight",): 2.0, ("delayed",): 1.0}
    assert now["eed_audit_head_sequence"] == {(): world.scalar("SELECT COUNT(*) FROM eed_audit")}
    assert now["eed_ses_quota_used_ratio"] == {(): 0.5}
    assert now["eed_in_doubt"] == {(): 7.0}
    assert now["eed_operations_running"] == {(): 1.0}
    assert "eed_dead_letters" not in now, "there is no dead-letter queue, and 0 would say that it is empty"


def test_a_finished_job_leaves_no_series(world: World) -> None:
    filled(world)
    world.execute("UPDATE eed_job SET state = 'finished', finished_at = '2026-01-01 00:00:00.000000'")
    now = figures_over(world, Clock()).now()
    assert (now["eed_job_emails"], now["eed_jobs"]) == ({}, {})


def test_all_who_ask_share_one_round(world: World) -> None:
    filled(world)
    clock = Clock()
    figures = figures_over(world, clock)
    first = figures.now()
    world.execute("UPDATE eed_job SET state = 'active'")
    clock.now += SHARED_SECONDS - 1
    assert figures.now() == {**first, AGE: {(): SHARED_SECONDS - 1}}
    clock.now += 1
    assert figures.now()["eed_jobs"] == {("active",): 2.0}
    assert figures.now()[AGE] == {(): 0.0}


def test_what_is_not_known_is_left_out_and_the_age_grows(world: World) -> None:
    filled(world)
    clock = Clock()

    def away() -> Depth:
        raise QueueGone("SQS is away")

    figures = figures_over(world, clock, away)
    first = figures.now()
    assert "eed_queue_messages" not in first
    assert "eed_jobs" in first

    class Away:
        def counts(self) -> Any:
            raise DatabaseGone("the database is away")

    sources = FigureSources(Away(), figures.sources.processes, {}, away)  # type: ignore[arg-type]
    figures.sources = sources
    clock.now += 100
    assert figures.now() == {AGE: {(): 100.0}}
    clock.now += 100
    assert figures.now() == {AGE: {(): 200.0}}
    never = LedgerFigures(sources, clock)
    assert never.now() == {AGE: {(): 0.0}}
    clock.now += 20
    assert never.now() == {AGE: {(): 20.0}}


def test_hostile_data_makes_few_series_and_names_nobody(world: World, tmp_path: Path) -> None:
    for n in range(MOST_JOBS + 20):
        world.execute(
            "INSERT INTO eed_job (job_id, source_key, name, state, total, created_at)"
            " VALUES (:id, :key, 'anna@customers.example', 'active', 8, '2026-01-01 00:00:00.000000')",
            id=n + 1,
            key=f"{HOSTILE}{n}",
        )
        for m, state in enumerate(EmailState):
            world.execute(
                "INSERT INTO eed_email (email_id, job_id, recipient, state, detail)"
                " VALUES (:id, :job, 'anna@customers.example', :state, '550 anna@customers.example')",
                id=100 * (n + 1) + m,
                job=n + 1,
                state=state,
            )
    world.execute(
        "INSERT INTO eed_suppression (address, category, reason, source, created_at) VALUES"
        " ('anna@customers.example', '', 'anna@customers.example', 'bounce', '2026-01-01 00:00:00.000000')"
    )
    for n in range(200):
        process = Process(f"anna@customers.example:{n}", "anna@customers.example", "worker")
        world.workers.beat(process, sending=True, detail="anna@customers.example", alive_seconds=15)
    site = Site(world, tmp_path)
    answer = site.ask("GET", "/metrics/ledger", role="viewer")
    assert (answer.status_code, answer.mimetype) == (200, "text/plain")
    assert "anna" not in answer.text
    series = [sample for family in text_string_to_metric_families(answer.text) for sample in family.samples]
    assert MOST_JOBS * len(EmailState) <= len(series) <= MOST_SERIES
    tool = promtool.find()
    if tool is not None:
        done = subprocess.run([tool, "check", "metrics"], input=answer.data, capture_output=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_metrics_need_the_right_and_a_directory(world: World, tmp_path: Path) -> None:
    site = Site(world, tmp_path)
    assert site.problem("GET", "/metrics/ledger", role=None)[0] == 401
    assert site.problem("GET", "/metrics", role="auditor")[0] == 403
    status, problem = site.problem("GET", "/metrics", role="viewer")
    assert (status, "metrics.directory" in problem["do"]) == (404, True)


def test_one_host_logs_a_line_for_cloudwatch_each_minute(world: World) -> None:
    filled(world)
    duties, at = DutyLedger(world.database), 1796000000.5
    hosts = [CloudWatchFigures(figures_over(world, Clock()), duties, "mail", log_line, lambda: at) for _ in range(3)]
    stream = io.StringIO()
    logs.configure(LogSettings(), role="sweeper", stream=stream)
    for host in hosts:
        host.step()
    (line,) = [json.loads(text) for text in stream.getvalue().splitlines()]
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert line["_aws"]["Timestamp"] == 1796000000500
    assert (directive["Namespace"], directive["Dimensions"]) == ("mail", [[]])
    values = {metric["Name"]: (line[metric["Name"]], metric["Unit"]) for metric in directive["Metrics"]}
    assert values["eed_jobs_paused"] == (1.0, "Count")
    assert values["eed_job_emails_sent"] == (2.0, "Count")
    assert values["eed_processes_web_gone"] == (1.0, "Count")
    assert values["eed_silence_seconds"] == (0.0, "Seconds")
    assert values["eed_ses_quota_used_ratio"] == (0.5, "None")
    assert "eed_suppressions_bounce" not in values
    assert len(values) <= 100


class Refusing:
    """A CloudWatch that takes nothing."""

    def put_metric_data(self, **_: object) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "PutMetricData")


class Taking:
    """A CloudWatch that keeps what it is given."""

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []

    def put_metric_data(self, **given: Any) -> None:
        self.taken.append(given)


def test_the_same_figures_are_put_by_calls_where_the_log_goes_elsewhere(world: World) -> None:
    filled(world)
    cloudwatch = Taking()
    put = MetricData(lambda: cloudwatch)
    figures = figures_over(world, Clock())
    CloudWatchFigures(figures, DutyLedger(world.database), "mail", put, lambda: 1796000000.5).step()
    (given,) = cloudwatch.taken
    assert given["Namespace"] == "mail"
    line = emf_line(figures.now(), "mail", 1796000000.5)
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert {one["MetricName"]: (one["Value"], one["Unit"]) for one in given["MetricData"]} == {
        metric["Name"]: (line[metric["Name"]], metric["Unit"]) for metric in directive["Metrics"]
    }
    assert {one["Timestamp"].timestamp() for one in given["MetricData"]} == {1796000000.5}


def test_figures_that_cloudwatch_refuses_stop_nothing(world: World) -> None:
    filled(world)
    stream = io.StringIO()
    logs.configure(LogSettings(), role="sweeper", stream=stream)
    step = CloudWatchFigures(figures_over(world, Clock()), DutyLedger(world.database), "mail", MetricData(Refusing))
    assert step.step() > 0
    (line,) = [json.loads(text) for text in stream.getvalue().splitlines()]
    assert (line["event"], "AccessDenied" in line["reason"]) == ("figures_not_put", True)
