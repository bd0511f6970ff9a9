"""The policies of the module `rights` allow what each role calls, and nothing that none of them calls."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from eed_delivery.access.rights import OperatorRole
from eed_delivery.app.api_function import api_parts
from eed_delivery.app.operations import Operations
from eed_delivery.app.sending_function import sending_parts
from eed_delivery.aws_lambda.api_sandbox import ApiSandbox
from eed_delivery.aws_lambda.sandbox import SendingSandbox
from eed_delivery.cli import cli
from eed_delivery.config.archive import NO_ARCHIVE
from eed_delivery.config.load import load
from eed_delivery.operations.access import NewTokenRequest
from eed_delivery.operations.actor import Actor
from tests.deploy.account import ACCOUNT, REGION
from tests.deploy.aws_recorder import AwsRecorder
from tests.deploy.policies import allowed
from tests.deploy.terraform import Terraform
from tests.event_source import EventSource, TimeLeft
from tests.gateway import version_2
from tests.integration.conftest import NewStack
from tests.operators_site import SECRET
from tests.servers.ministack import MiniStack
from tests.servers.ses_stub import Refuse, SesStub
from tests.stack import Stack
from tests.unit.tracking.ses_examples import Json, delivery

SERVICES = ("publisher", "worker", "sweeper", "events")
NOT_BY_A_CALL = {
    "kms:Decrypt": "SQS, S3 and Secrets Manager call KMS in the caller's name",
    "kms:GenerateDataKey": "the same",
    "ses:SendRawEmail": "SESv2's SendEmail needs it for a raw message",
    "sns:Publish": "each role alerts about its own lines",
}
"""Allowed and not seen, and why."""
JOB = {
    "name": "Terms",
    "sender": "bank@example.com",
    "subject": "Your terms",
    "text": "See the file.",
    "attachments": ["s3://statements/terms.pdf"],
}
TERMS = {"location": "s3://statements/terms.pdf"}
NOT_SEEN = {
    ("s3:ListBucket", "statements"),  # no call needs it: without it a missing file looks like a forbidden one
    ("s3:ListBucket", "uploads"),  # the same
    ("s3:GetObjectVersion", "uploads"),  # GetObject with a version
    ("s3:GetObject", "copies"),  # HeadObject, only where a copy is there already
}


@pytest.fixture(scope="module")
def ses() -> Iterator[SesStub]:
    with SesStub() as ses:
        yield ses


def test_each_role_may_do_what_it_does_and_no_more(
    new_stack: NewStack,
    ministack: MiniStack,
    ses: SesStub,
    terraform: Terraform,
    tmp_path: Path,
) -> None:
    with AwsRecorder(ministack.endpoint_url) as recorder, AwsRecorder(ses.endpoint_url) as of_ses:
        stack = installation(new_stack, ministack, recorder, of_ses, tmp_path / "spool")
        work(stack, ses, ministack, recorder)
        invoke(stack, ses)
        ask(stack)
        for role in ("operators", "api"):
            submit(stack, role)
        check(stack)
        roles = (*SERVICES, "operators", "api", "function", "check")
        calls = {role: frozenset(recorder.actions[role] | of_ses.actions[role]) for role in roles}
    policies = {role: allowed_by_name(policy) for role, policy in rights(terraform, stack).items()}
    # Lambda's poller receives and deletes by the function's role.
    policies["function"] = policies["worker"] | policies["poller"]
    calls["function"] |= policies["poller"]
    tick = policies.pop("tick")
    assert tick == policies["publisher"] | policies["sweeper"] | policies["events"], "it does what these three do"
    policies["worker"] |= policies["archive"]  # it runs beside the workers
    problems = []
    for role in (*SERVICES, "operators", "api", "function"):
        lacking = calls[role] - policies[role]
        problems += [f"{role} calls {action} on {on}, and may not" for action, on in sorted(lacking)]
        unused = policies[role] - calls[role] - calls["check"] - NOT_SEEN
        unused = {(action, on) for action, on in unused if action not in NOT_BY_A_CALL}
        problems += [f"{role} may call {action} on {on}, and never does" for action, on in sorted(unused)]
    assert problems == [], "\n".join(problems)


def installation(
    new_stack: NewStack, ministack: MiniStack, recorder: AwsRecorder, of_ses: AwsRecorder, spool: Path
) -> Stack:
    s3 = ministack.client("s3")
    for bucket in ("statements", "copies", "uploads"):
        s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket="uploads", Key="in/customers.csv", Body=b"email\ne@example.com\n")
    s3.put_object(Bucket="statements", Key="terms.pdf", Body=b"%PDF-1.4 terms")
    events = ministack.client("sqs").create_queue(QueueName="rights-events")["QueueUrl"]
    topic = ministack.client("sns").create_topic(Name="rights-alerts")["TopicArn"]
    settings: dict[str, Any] = {
        "queue.endpoint_url": recorder.url,
        "transport.kind": "ses",
        "transport.rate_per_second": "ses",
        "ses.endpoint_url": of_ses.url,
        "transport.archive.url": "s3://copies/emails",
        "transport.archive.endpoint_url": recorder.url,
        "transport.archive.spool": str(spool),
        "rendering.s3_endpoint_url": recorder.url,
        "rendering.attachments_s3": ["s3://statements"],
        "tracking.events_queue_url": events,
        "alerts.sns_endpoint_url": recorder.url,
        "alerts.audience": {"devops": {"sns": [topic]}},
        "alerts.fact": [{"name": "letters", "fact": "dead_letters", "at_least": 1, "audience": "devops"}],
        "operators.submit_s3": ["s3://uploads/in"],
        "metrics.cloudwatch": "api",
        "metrics.cloudwatch_endpoint_url": recorder.url,
    }
    return new_stack(settings)


def work(stack: Stack, ses: SesStub, ministack: MiniStack, recorder: AwsRecorder) -> None:
    """All that makes a role call AWS: an email goes, one is put off, one bounces, and a letter dies."""
    first, second = stack.add_job(["a@example.com", "b@example.com"], attachments=[TERMS])
    ses.on_send(Refuse(429, "TooManyRequestsException", "slow down"), times=1, recipient="b@example.com")
    services = {role: stack.start(role, environ={"AWS_ACCESS_KEY_ID": role}) for role in SERVICES}
    stack.wait_finished(1)
    sqs, events = ministack.client("sqs"), stack.settings.tracking.events_queue_url
    sqs.send_message(QueueUrl=stack.queue_url, MessageBody=message(first, gen=7))  # of no generation that there is
    sqs.send_message(QueueUrl=stack.dead_letter_url, MessageBody=message(first))
    sqs.send_message(QueueUrl=events, MessageBody=json.dumps(delivered(first)))
    sqs.send_message(QueueUrl=events, MessageBody=json.dumps(delivered(second + 1)))
    stack.wait_until(lambda: stack.depth(dead=True) == 0, "the dead letter is settled")
    stack.wait_until(lambda: bool(stack.log_events("unknown_email")), "the foreign message is set aside")
    put = ("cloudwatch:PutMetricData", "*")
    stack.wait_until(lambda: put in recorder.actions["sweeper"], "the figures are put")
    stack.wait_until(lambda: bool(stack.log_events("events_wait_for_their_email")), "one event waits")
    stack.wait_until(lambda: "delivered" in outcomes(stack), "the other is taken")
    assert services["worker"].terminate() == 0


def invoke(stack: Stack, ses: SesStub) -> None:
    """The same by the sending function, while no worker runs."""
    first, _ = stack.add_job(["c@example.com", "d@example.com"], 2, attachments=[TERMS])
    ses.on_send(Refuse(429, "TooManyRequestsException", "slow down"), times=1, recipient="d@example.com")
    stack.sqs.send_message(QueueUrl=stack.queue_url, MessageBody=message(first, gen=7))
    settings = load(stack.config, {**stack.environ, "AWS_ACCESS_KEY_ID": "function"})
    changed = {
        "transport": settings.transport.model_copy(update={"archive": NO_ARCHIVE}),
        "aws_lambda": settings.aws_lambda.model_copy(update={"timeout_seconds": 300}),
        "worker": settings.worker.model_copy(update={"coordination": "ledger"}),
    }
    sandbox = SendingSandbox(sending_parts(settings.model_copy(update=changed), "lambda:test"))
    poller = EventSource(stack.sqs, stack.queue_url)

    def done() -> bool:
        poller.poll(sandbox.invoke)
        return stack.finished(2) and any(result["batchItemFailures"] for result in poller.results)

    stack.wait_until(done, "the function has sent, and set the foreign message aside")


def ask(stack: Stack) -> None:
    """What people ask for makes calls, too: the figures, and an email as it would be sent."""
    settings = load(stack.config, {**stack.environ, "AWS_ACCESS_KEY_ID": "operators"})
    operations = Operations(settings, Actor("root", "api"), stack.world.database)
    operations.figures.now()
    operations.previewing.preview("100001")


def submit(stack: Stack, role: str) -> None:
    """A job whose recipients are in S3, looked at and registered by the API. On a host it makes the same calls."""
    environ = {**stack.environ, "AWS_ACCESS_KEY_ID": role, "EED_OPERATORS__SECRET": SECRET}
    parts = api_parts(load(stack.config, environ))
    token = Operations(stack.settings, Actor("root", "cli"), stack.world.database).tokens.add(
        NewTokenRequest(role, OperatorRole.OPERATOR, 3600)
    )
    headers = {"Authorization": f"Bearer {token.secret}", "Content-Type": "application/json", "Idempotency-Key": role}
    body = json.dumps({**JOB, "recipients": {"s3": "s3://uploads/in/customers.csv"}}).encode()
    for query in ("dry_run=true", ""):
        event = version_2("POST", "/api/v1/jobs", body, headers, query=query)
        answer = ApiSandbox(parts).answer(event, TimeLeft(30))
        assert answer["statusCode"] == (200 if query else 201), answer
    parts.database.close()


def check(stack: Stack) -> None:
    """`eed-delivery check` on a host looks at all queues, whatever the host's role is."""
    environ = {**stack.environ, "AWS_ACCESS_KEY_ID": "check"}
    CliRunner().invoke(cli, ["check", "--config", str(stack.config)], env=environ)


def message(email_id: int, gen: int = 0) -> str:
    return json.dumps({"v": 1, "email_id": email_id, "gen": gen, "base": 0})


def delivered(email_id: int) -> Json:
    """As SES says it, now."""
    event = delivery()
    event["mail"]["tags"] |= {"eed_email": [str(email_id)], "eed_gen": ["0"]}
    event["mail"]["timestamp"] = event["delivery"]["timestamp"] = datetime.now(UTC).isoformat(timespec="milliseconds")
    return event


def outcomes(stack: Stack) -> set[str]:
    return {row[0] for row in stack.world.execute("SELECT outcome FROM eed_email")}


def rights(terraform: Terraform, stack: Stack) -> dict[str, str]:
    """The policies for the queues, buckets and topic of the installation."""

    def arn(service: str, url: str) -> str:
        return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{url.rpartition('/')[2]}"

    given = {
        "queue_arn": arn("sqs", stack.queue_url),
        "dead_letter_queue_arn": arn("sqs", stack.dead_letter_url),
        "events_queue_arn": arn("sqs", str(stack.settings.tracking.events_queue_url)),
        "ses_identity_arns": ["*"],
        "attachments": {"statements": ""},
        "archive": {"copies": "emails/"},
        "submissions": {"uploads": "in/"},
        "alert_topic_arns": [arn("sns", "rights-alerts")],
        "metrics_namespace": "eed-delivery",
        "kms_key_arns": ["arn:aws:kms:eu-central-1:123456789012:key/a"],
    }
    (terraform.root / "rights" / "test.auto.tfvars.json").write_text(json.dumps(given))
    terraform.init("rights")
    terraform.run("rights", "apply", "-no-color", "-auto-approve")
    printed = json.loads(terraform.run("rights", "output", "-json").stdout)
    return {**printed["policies"]["value"], "poller": printed["poller_policy"]["value"]}


def allowed_by_name(policy: str) -> frozenset[tuple[str, str]]:
    return frozenset((action, name_of(resource)) for action, resource in allowed([policy]))


def name_of(arn: str) -> str:
    """As the recorder names it: a queue, a topic, a bucket, or `*`."""
    return arn.rpartition(":")[2].partition("/")[0]
