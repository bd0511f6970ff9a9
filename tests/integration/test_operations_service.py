"""What a surface asks of the service around the jobs: alerts, webhooks, the source, reports, checks."""

import io
import json
from pathlib import Path

import pytest

from eed_delivery.app.operations import Operations
from eed_delivery.errors import ConfigError
from eed_delivery.ledger.acts import ActLedger
from eed_delivery.ledger.auditing import AuditLedger
from eed_delivery.operations import refusals
from eed_delivery.operations.bounces import BounceRequest
from eed_delivery.operations.queue_making import QueueMaking
from eed_delivery.operations.reconciling import ReconcileRequest
from eed_delivery.operations.reporting import ReportKind, ReportRequest
from eed_delivery.operations.webhooks import WebhooksRequest
from tests.operating import operations_over
from tests.world import World

ALERTS = """
[alerts]
sender = "eed@example.com"
[alerts.audience.devops]
email = ["oncall@example.com"]
[[alerts.rule]]
name = "breaker"
word = "breaker_open"
audience = ["devops"]
"""


@pytest.fixture
def operations(world: World, tmp_path: Path) -> Operations:
    """A job of three emails, one of them sent."""
    world.add_job(["a@example.com", "b@example.com", "c@example.com"])
    world.enlist()
    world.execute("UPDATE eed_email SET state = 'sent' WHERE email_id = 1000")
    return operations_over(world, tmp_path, ALERTS)


def test_rules_of_alerts_are_listed_and_tried(operations: Operations, tmp_path: Path) -> None:
    found = operations.alerting.rules()
    (view,) = found.rules
    assert (view.rule.name, view.last_alert_at, view.times_since_then, found.problem) == ("breaker", None, 0, None)
    (tried,) = operations.alerting.test("breaker")
    assert (tried.receiver, tried.problem) == ("email oncall@example.com", "")
    assert len(list(tmp_path.rglob("*.eml"))) == 1
    with pytest.raises(refusals.UnknownKey, match=r"there is no rule other\. Rules: breaker\."):
        operations.alerting.test("other")


def test_webhooks_are_looked_at_without_an_endpoint(operations: Operations) -> None:
    view = operations.webhooks.view(WebhooksRequest("failed", 50))
    assert (view.configured, view.endpoint.down, dict(view.counts), view.webhooks) == (False, False, {}, ())
    result = operations.webhooks.retry(("msg_1_ab",))
    assert result.retried == ()
    assert isinstance(result.refusal, refusals.WrongState)
    assert operations.webhooks.retry_all() == 0
    with pytest.raises(ConfigError):
        operations.webhooks.test()
    for terms in (("eaten", 1), ("failed", 0), ("failed", 10_001), ("failed", 1, "msg_1_ab"), ("failed", 1, "2026_")):
        with pytest.raises(refusals.InvalidRequest):
            WebhooksRequest(*terms)  # type: ignore[arg-type]


@pytest.mark.both_databases
def test_webhooks_are_listed_a_page_at_a_time(operations: Operations, world: World) -> None:
    """Two are due at one moment, and neither is left out or shown twice."""
    for number, (state, second) in enumerate([("failed", 3), ("failed", 1), ("waiting", 1), ("failed", 1)], start=1):
        moment = f"2026-01-01 00:00:0{second}.000001"
        world.execute(
            "INSERT INTO eed_webhook (webhook_id, nonce, kind, facts, occurred_at, state, waiting_since, due_at)"
            " VALUES (:id, 'ab', 'job.finished', '{}', :at, :state, :at, :at)",
            id=number,
            at=moment,
            state=state,
        )
    pages, after = [], None
    while not pages or after is not None:
        view = operations.webhooks.view(WebhooksRequest("failed", 1, after))
        pages.append([report.message_id for report in view.webhooks])
        after = view.next_after
    assert pages == [["msg_2_ab"], ["msg_4_ab"], ["msg_1_ab"]]
    everything = operations.webhooks.view(WebhooksRequest("failed", 3))
    assert (len(everything.webhooks), everything.next_after) == (3, None)


def test_a_difference_is_found_and_repaired_by_its_actor(operations: Operations, world: World) -> None:
    world.execute("UPDATE delivery_email SET status = 'sent' WHERE id = 1000")
    reconciling = operations.reconciling
    waits: list[float] = []
    chosen = reconciling.choose(ReconcileRequest(jobs=("1",)))
    assert reconciling.compare(chosen, 10, waits.append).agrees
    world.execute("UPDATE delivery_email SET status = 'pending' WHERE id = 1000")
    result = reconciling.compare(chosen, 0, waits.append)
    assert (result.agrees, result.count, dict(result.counts), result.differences) == (False, 1, {"status": 1}, ())
    (correction,) = reconciling.repair(chosen)
    assert (correction.email, correction.done) == ("1000", True)
    assert world.source_status(1000) == "sent"
    assert {(act.act, act.who) for act in ActLedger(world.database).of_job(1)} == {("repair", "anna")}
    world.add_job(job_id=2)
    every = reconciling.choose(ReconcileRequest(every=True))
    assert reconciling.compare(every, 10, waits.append).count == 1
    assert len(waits) == 1
    for terms in ({}, {"jobs": ("1",), "every": True}):
        with pytest.raises(refusals.InvalidRequest):
            ReconcileRequest(**terms)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["csv", "json", "html"])
def test_a_report_is_written_to_the_stream_that_is_given(operations: Operations, kind: ReportKind) -> None:
    file = io.BytesIO()
    writer = operations.reporting.begin(ReportRequest("1", kind, lambda *words: " ".join(words)))
    writer.write(file)
    text = file.getvalue().decode()
    assert ("a@example.com" in text) is (kind != "html")
    assert json.loads(writer.certificate())["job"] == "1"
    with pytest.raises(refusals.UnknownKey):
        operations.reporting.begin(ReportRequest("77", kind, str))


def test_the_ledger_is_brought_to_this_release_and_checked(operations: Operations) -> None:
    made = operations.preparing.upgrade(with_source=True)
    assert made.source_made
    findings = operations.preparing.findings()
    assert made.revision in next(finding.what for finding in findings if finding.where == "ledger")
    looked_at = {finding.where: finding for finding in operations.checking.findings()}
    assert looked_at["queue"].level == "error"  # nobody answers there, and the other checks run all the same
    assert looked_at["transport eml_folder"].level == "warning"


def test_tables_of_the_tenants_own_are_never_made(world: World, tmp_path: Path) -> None:
    operations = operations_over(world, tmp_path, '[source.job]\ntable = "mine"')
    with pytest.raises(refusals.OperationRefused, match="never be read"):
        operations.preparing.upgrade(with_source=True)


def test_queues_are_not_made_on_aws_unawares(world: World, tmp_path: Path) -> None:
    settings = operations_over(world, tmp_path).settings.queue.model_copy(update={"endpoint_url": None})
    asked: list[str] = []
    audit = AuditLedger(world.database)
    making = QueueMaking(settings, lambda: asked.append("a client"), lambda: audit)  # type: ignore[arg-type, return-value, func-returns-value]
    with pytest.raises(refusals.OperationRefused, match="this is AWS itself"):
        making.make(on_aws=False)
    assert asked == []


def test_a_bounce_is_read_to_its_end(world: World, tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        assert operations_over(world, tmp_path).bounces
    (tmp_path / "on").mkdir()
    secret = {"EED_BOUNCES__SECRET": "0123456789abcdef0123456789abcdef"}
    operations = operations_over(world, tmp_path / "on", '[bounces]\naddress = "returns.example.com"', secret)
    message = io.BytesIO(b"Subject: hello\r\n\r\n" + b"x" * 3_000_000)
    verdict = operations.bounces.take(BounceRequest("nobody@returns.example.com", message))
    assert verdict
    assert message.read() == b""
